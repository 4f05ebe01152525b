package http_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// part is what the server of these tests sends before it waits.
const part = 64 << 10

// faultServer answers at once, but for /parts: that is two parts, the second of which
// comes when next has something.
func faultServer(t testing.TB, next <-chan struct{}) string {
	t.Helper()
	return serveBoth(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/parts" {
			_, _ = io.WriteString(w, "text")
			return
		}
		_, _ = w.Write(make([]byte, part))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-next:
		case <-r.Context().Done():
		}
		_, _ = w.Write(make([]byte, part))
	})
}

func TestFaults(t *testing.T) {
	proxy := startToxiproxy(t)
	next := make(chan struct{}, 1)
	server := faultServer(t, next)
	for _, version := range []string{"http1", "http2"} {
		link := proxy.to(version, server)
		up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + link.Address, Version: version})

		// begun is an answer of which the first part was read.
		begun := func(t *testing.T) *http.Response {
			resp, err := up.Send(request(t, http.MethodGet, "/parts", nil), nil)
			require.NoError(t, err)
			_, err = io.ReadFull(resp.Body, make([]byte, part))
			require.NoError(t, err)
			return resp
		}

		t.Run(version+" reset in the middle of a body", func(t *testing.T) {
			resp := begun(t)
			link.toxic("reset_peer", map[string]int{"timeout": 0})
			next <- struct{}{}
			n, err := io.Copy(io.Discard, resp.Body)
			require.Error(t, err, "after %d bytes", n)
			require.NoError(t, resp.Body.Close())

			got := refusal(t, up, request(t, http.MethodPost, "/", nil))
			require.Equal(t, rpc.UpstreamUnreachable, got.Reason, "%v", got)
			link.heal("reset_peer")
			require.Equal(t, "text", send(t, up, request(t, http.MethodGet, "/", nil)).body)
		})

		t.Run(version+" cut in the middle of a body", func(t *testing.T) {
			resp := begun(t)
			link.enable(false)
			n, err := io.Copy(io.Discard, resp.Body)
			require.Error(t, err, "an end that is no end, after %d bytes", n)
			require.NoError(t, resp.Body.Close())
			link.enable(true)
			require.Equal(t, "text", send(t, up, request(t, http.MethodGet, "/", nil)).body)
		})

		t.Run(version+" refused", func(t *testing.T) {
			link.enable(false)
			// The connection that was there may take a request before its end is seen.
			require.Eventually(t, func() bool {
				start := time.Now()
				got := refusal(t, up, request(t, http.MethodPost, "/", nil))
				require.Equal(t, rpc.UpstreamUnreachable, got.Reason, "%v", got)
				require.Less(t, time.Since(start), time.Second)
				return got.NotSent
			}, 10*time.Second, 10*time.Millisecond)
			link.enable(true)
			require.Equal(t, "text", eventually(t, up))
		})

		t.Run(version+" slow body", func(t *testing.T) {
			link.toxic("bandwidth", map[string]int{"rate": 1 << 10})
			next <- struct{}{}
			require.Len(t, send(t, up, request(t, http.MethodGet, "/parts", nil)).body, 2*part)
			link.heal("bandwidth")
		})

		t.Run(version+" half-closed", func(t *testing.T) {
			link.toxic("timeout", map[string]int{"timeout": 0}) // nothing comes back, and nothing ends
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			start := time.Now()
			got := refusal(t, up, request(t, http.MethodGet, "/", nil).WithContext(ctx))
			require.Equal(t, rpc.DeadlineExceeded, got.Reason, "%v", got)
			require.Less(t, time.Since(start), 2*time.Second)
			link.heal("timeout")
			require.Equal(t, "text", eventually(t, up))
		})
	}
}

// eventually is the body of the first answer there is.
func eventually(t testing.TB, up upstream.HTTP) string {
	t.Helper()
	var body []byte
	require.Eventually(t, func() bool {
		resp, err := up.Send(request(t, http.MethodGet, "/", nil), nil)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
		return err == nil
	}, 10*time.Second, 20*time.Millisecond, "no answer")
	return string(body)
}

// One of three endpoints is bad. Without a retry its failures are seen, but it is soon
// left out, and seen again only by the request that probes it.
func TestOneOfThreeIsBad(t *testing.T) {
	proxy := startToxiproxy(t)
	server := faultServer(t, nil)
	unavailable := serveBoth(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for name, spoil := range map[string]func(*link){
		"refused": func(l *link) { l.enable(false) },
		"reset":   func(l *link) { l.toxic("reset_peer", map[string]int{"timeout": 0}) },
		"silent":  func(l *link) { l.toxic("timeout", map[string]int{"timeout": 0}) },
		"503":     func(*link) {},
	} {
		t.Run(name, func(t *testing.T) {
			target := server
			if name == "503" {
				target = unavailable
			}
			bad := proxy.to(name, target)
			cfg := &configpb.HTTPUpstream{Url: "http://legacy", Endpoints: []string{bad.Address}}
			for _, good := range []string{"a", "b"} {
				cfg.Endpoints = append(cfg.Endpoints, proxy.to(name+good, server).Address)
			}
			up := newUpstream(t, cfg)
			spoil(bad)
			var failed int
			start := time.Now()
			const requests = 1000
			for range requests {
				ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
				resp, err := up.Send(request(t, http.MethodGet, "/", nil).WithContext(ctx), nil)
				if err == nil {
					if resp.StatusCode != http.StatusOK {
						failed++
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				} else {
					failed++
				}
				cancel()
			}
			require.Less(t, failed, requests/100)
			t.Logf("%d of %d requests failed in %v", failed, requests, time.Since(start).Round(time.Millisecond))
		})
	}
}

// All endpoints are down: requests fail at once, however many there are, and nothing
// piles up. When they are back, so is the service.
func TestAllAreDown(t *testing.T) {
	proxy := startToxiproxy(t)
	server := faultServer(t, nil)
	cfg := &configpb.HTTPUpstream{Url: "http://legacy"}
	var links []*link
	for _, name := range []string{"a", "b", "c"} {
		links = append(links, proxy.to(name, server))
		cfg.Endpoints = append(cfg.Endpoints, links[len(links)-1].Address)
	}
	up := newUpstream(t, cfg)
	for range 30 {
		send(t, up, request(t, http.MethodGet, "/", nil))
	}
	for _, link := range links {
		link.enable(false)
	}
	for range 100 { // to have them ejected
		refusal(t, up, request(t, http.MethodPost, "/", nil))
	}
	before := runtime.NumGoroutine()
	const requests = 2000
	var slowest atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range requests / 10 {
				r := request(t, http.MethodPost, "/", nil)
				start := time.Now()
				_, err := up.Send(r, nil)
				took := int64(time.Since(start))
				for old := slowest.Load(); took > old && !slowest.CompareAndSwap(old, took); old = slowest.Load() {
				}
				var got *upstream.Error
				if !errors.As(err, &got) || got.Reason != rpc.UpstreamUnreachable || !got.NotSent {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.Less(t, time.Duration(slowest.Load()), time.Second, "the slowest")
	require.LessOrEqual(t, runtime.NumGoroutine(), before+10)
	t.Logf("the slowest of %d took %v", requests, time.Duration(slowest.Load()))

	for _, link := range links {
		link.enable(true)
	}
	back := time.Now()
	require.Equal(t, "text", eventually(t, up))
	require.Less(t, time.Since(back), 5*time.Second)
	t.Logf("back after %v", time.Since(back).Round(time.Millisecond))
}

// nameServer is a name server for one name.
type nameServer struct {
	conn net.PacketConn
	mu   sync.Mutex
	// addresses are those of the name; none is a failure of the server.
	addresses [][4]byte
	failures  int
}

func startNameServer(t testing.TB) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &nameServer{conn: conn}
	var wg sync.WaitGroup
	wg.Go(s.serve)
	t.Cleanup(func() {
		_ = conn.Close()
		wg.Wait()
	})
	return s
}

func (s *nameServer) set(addresses ...[4]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addresses = addresses
}

func (s *nameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buf[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		s.mu.Lock()
		addresses := s.addresses
		if addresses == nil {
			s.failures++
		}
		s.mu.Unlock()
		question := query.Questions[0]
		answer := dnsmessage.Message{Header: dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true}, Questions: query.Questions}
		if addresses == nil {
			answer.RCode = dnsmessage.RCodeServerFailure
		}
		if question.Type == dnsmessage.TypeA {
			for _, a := range addresses {
				answer.Answers = append(answer.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 1},
					Body:   &dnsmessage.AResource{A: a},
				})
			}
		}
		if packed, err := answer.Pack(); err == nil {
			_, _ = s.conn.WriteTo(packed, from)
		}
	}
}

func TestNamesThatChange(t *testing.T) {
	names := startNameServer(t)
	first, second := [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2}
	names.set(first)
	// Two services on the same port of two addresses.
	answers := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Context().Value(http.LocalAddrContextKey).(net.Addr).(*net.TCPAddr).IP.String()+" "+r.Host)
	}
	server := serveBoth(t, answers)
	_, port, err := net.SplitHostPort(server)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.2:"+port)
	require.NoError(t, err)
	other := &http.Server{Handler: http.HandlerFunc(answers)}
	var wg sync.WaitGroup
	wg.Go(func() { _ = other.Serve(l) })
	t.Cleanup(func() {
		_ = other.Close()
		wg.Wait()
	})

	up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://legacy.test:" + port,
		Dns: &configpb.DNS{Server: names.conn.LocalAddr().String(), Refresh: durationpb.New(100 * time.Millisecond)}})
	get := func() string { return send(t, up, request(t, http.MethodGet, "/", nil)).body }
	require.Equal(t, "127.0.0.1 legacy.test:"+port, get())

	names.set(second)
	require.Eventually(t, func() bool { return get() == "127.0.0.2 legacy.test:"+port }, 10*time.Second, 10*time.Millisecond, "the new address")
	for range 10 {
		require.Equal(t, "127.0.0.2 legacy.test:"+port, get(), "the old one has no requests, though its connection is still open")
	}

	names.set()
	require.Eventually(t, func() bool {
		require.Equal(t, "127.0.0.2 legacy.test:"+port, get(), "what was known last counts on")
		names.mu.Lock()
		defer names.mu.Unlock()
		return names.failures > 10
	}, 20*time.Second, 10*time.Millisecond, "the name is looked up further on")
}

// Closing does not wait for a name server that is dead.
func TestCloseEndsLookups(t *testing.T) {
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer dead.Close()
	up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://legacy.test", Dns: &configpb.DNS{Server: dead.LocalAddr().String()}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _, _ = dead.ReadFrom(make([]byte, 1500))
		cancel()
	}()
	got := refusal(t, up, request(t, http.MethodGet, "/", nil).WithContext(ctx))
	require.Equal(t, rpc.ClientClosed, got.Reason)
}
