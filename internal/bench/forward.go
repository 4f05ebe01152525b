package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/server"
)

// forwardPath is what is forwarded, and answered with the body that was sent.
const forwardPath = "/v1/forward"

// forwardCase is a body that is sent both ways.
type forwardCase struct {
	size, name string
	body       []byte
}

func forwardCases() []forwardCase {
	return []forwardCase{
		{"small", "200 B", []byte(smallJSON)},
		{"medium", "2 KB", []byte(orderJSON(6))},
		{"large", "100 KB", []byte(orderJSON(400))},
	}
}

// compareForwarding prints a table for each protocol of the clients: the CPU for each
// request of a route that forwards, of a ReverseProxy, and of one that reuses its
// buffers.
func compareForwarding(ctx context.Context, profiles, only string, rounds int, length time.Duration, conns int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	upstream, targets, err := start(ctx, 2, self, "-role", "upstream")
	if err != nil {
		return err
	}
	defer upstream.stop()
	roles := []string{"forward", "reverse", "pooled"}
	processes, addresses := make([]*process, len(roles)), make([]string, len(roles))
	for i, role := range roles {
		p, lines, err := start(ctx, 1, self, "-role", role, "-target", targets[1], "-profiles", profiles)
		if err != nil {
			return err
		}
		defer p.stop()
		processes[i], addresses[i] = p, lines[0]
	}
	for _, http2 := range []bool{false, true} {
		name := "HTTP/1.1"
		if http2 {
			name = "h2c"
		}
		fmt.Printf("%-9s %10s %10s %10s  %-20s %s\n", name, "gateway", "proxy", "pooled", "gateway over proxy", "over pooled")
		for _, c := range forwardCases() {
			if only != "" && only != c.size {
				continue
			}
			cpu := make([][]float64, len(roles))
			for round := range rounds + 1 {
				for n := range roles {
					// Turned with each round, so that none is always behind the same one.
					i := (n + round) % len(roles)
					used, err := measureForwarding(ctx, processes[i], addresses[i], c, http2, conns, length)
					if err != nil {
						return fmt.Errorf("%s, %s: %w", roles[i], c.name, err)
					}
					if round > 0 { // the first warms up
						cpu[i] = append(cpu[i], used)
					}
				}
			}
			fmt.Printf("%-9s %8.1fµs %8.1fµs %8.1fµs  %-20s %s\n", c.name, median(cpu[0]), median(cpu[1]), median(cpu[2]),
				spread(ratios(cpu[0], cpu[1])), spread(ratios(cpu[0], cpu[2])))
		}
	}
	return nil
}

// spread is the median of values with the quarter above and below it.
func spread(v []float64) string {
	sorted := slices.Sorted(slices.Values(v))
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(v), sorted[len(sorted)/4], sorted[len(sorted)*3/4])
}

// measureForwarding loads one process for a while and returns its CPU time per request
// in µs.
func measureForwarding(ctx context.Context, p *process, address string, c forwardCase, http2 bool, conns int, length time.Duration) (float64, error) {
	if !http2 {
		request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			forwardPath, len(c.body), c.body)
		used, _, err := measure(ctx, p, address, size{c.name, request}, conns, length)
		return used, err
	}
	if _, err := loadHTTP2(ctx, address, c, conns, length/4); err != nil { // warm up
		return 0, err
	}
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	n, err := loadHTTP2(ctx, address, c, conns, length)
	if err != nil {
		return 0, err
	}
	after, err := p.cpu()
	return float64((after - before).Microseconds()) / float64(n), err
}

// streamsPerConnection is how many requests share a connection of HTTP/2.
const streamsPerConnection = 8

// loadHTTP2 has as many requests at once as load, with several on each connection.
func loadHTTP2(ctx context.Context, address string, c forwardCase, streams int, length time.Duration) (int64, error) {
	until := time.Now().Add(length)
	var answered atomic.Int64
	errs := make(chan error, streams)
	var clients sync.WaitGroup
	for first := 0; first < streams; first += streamsPerConnection {
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: &protocols}
		defer transport.CloseIdleConnections()
		for range min(streamsPerConnection, streams-first) {
			clients.Go(func() {
				for time.Now().Before(until) && ctx.Err() == nil {
					if err := post(ctx, transport, address, c); err != nil {
						errs <- err
						return
					}
					answered.Add(1)
				}
			})
		}
	}
	clients.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return answered.Load(), ctx.Err()
	}
}

func post(ctx context.Context, transport *http.Transport, address string, c forwardCase) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+forwardPath, bytes.NewReader(c.body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusOK || n != int64(len(c.body)):
		return fmt.Errorf("%s with %d bytes", res.Status, n)
	}
	return nil
}

// runForward is the gateway with one route that forwards, and prints its address. Its
// log goes where that of a ReverseProxy goes.
func runForward(ctx context.Context, target string) error {
	file, err := config.FromMessage("bench", &configpb.Config{
		Listeners: []*configpb.Listener{{Name: "bench", Address: "127.0.0.1:0"}},
		Upstreams: []*configpb.Upstream{{
			Name: "bench", Kind: &configpb.Upstream_Http{Http: &configpb.HTTPUpstream{Url: "http://" + target}},
		}},
		Routes: []*configpb.Route{{
			Name: "bench", Match: []*configpb.Match{{Prefix: "/v1"}},
			Action: &configpb.Route_Forward{Forward: &configpb.ForwardRoute{Upstream: "bench"}},
		}},
	})
	if err != nil {
		return err
	}
	plan, err := config.Link(file)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	g, err := builtin.Gateway(plan, log, log)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	if err := g.Start(ctx); err != nil {
		return err
	}
	listeners, err := builtin.Listeners(plan, g)
	if err != nil {
		return err
	}
	srv, err := server.Listen(ctx, listeners, log)
	if err != nil {
		return err
	}
	fmt.Println(srv.Address("bench"))
	return srv.Serve(ctx, 0)
}

// runReverse is a ReverseProxy that does what the gateway does: a line of the same
// fields for each request, who the client is, and the same connections to the upstream.
func runReverse(ctx context.Context, target string, pool httputil.BufferPool) error {
	dial := &net.Dialer{Timeout: 3 * time.Second}
	to := &url.URL{Scheme: "http", Host: target}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
		},
		Transport: &http.Transport{
			DialContext: dial.DialContext, DisableCompression: true, MaxIdleConnsPerHost: 1024,
			IdleConnTimeout: 50 * time.Second, ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: 256 << 10,
		},
		BufferPool: pool,
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{
		Handler: logged(proxy, log), Protocols: &protocols,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 64 << 10,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100},
	}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	fmt.Println(ln.Addr())
	if err := srv.Serve(ln); ctx.Err() == nil {
		return err
	}
	return nil
}

// logged writes for each request the line that the gateway writes.
func logged(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		if r.ProtoMajor == 1 {
			// Or else net/http closes the body when the answer begins, now and then before
			// the transport has seen its end, and the answer is cut short.
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
		counting := &counter{ResponseWriter: w}
		body := &countingBody{ReadCloser: r.Body}
		if r.ContentLength != 0 {
			r.Body = body
		}
		next.ServeHTTP(counting, r)
		log.LogAttrs(context.Background(), slog.LevelInfo, "request",
			slog.String("method", r.Method),
			slog.String("path", r.URL.Path),
			slog.Int("status", counting.status),
			slog.Duration("duration", time.Since(start)),
			slog.Int64("bytes_in", body.n.Load()),
			slog.Int64("bytes_out", counting.n),
			slog.String("remote", r.RemoteAddr),
			slog.String("route", "bench"),
			slog.String("protocol", "http"),
			slog.String("rpc", ""),
			slog.String("upstream", "bench"))
	})
}

// counter notes what a line of the log tells of an answer.
type counter struct {
	http.ResponseWriter
	status int
	n      int64
}

func (c *counter) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// countingBody counts what is read of a request. The transport may read on for longer
// than the exchange lasts.
type countingBody struct {
	io.ReadCloser
	n atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// bufferPool has the buffers of a ReverseProxy.
type bufferPool struct{ sync.Pool }

func newBufferPool() httputil.BufferPool {
	return &bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}
}

func (p *bufferPool) Get() []byte  { return p.Pool.Get().(*[32 << 10]byte)[:] }
func (p *bufferPool) Put(b []byte) { p.Pool.Put((*[32 << 10]byte)(b)) }
