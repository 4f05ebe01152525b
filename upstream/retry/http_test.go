package retry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoints is a plain upstream of the standard library's transport, for servers at
// some addresses, in turn.
type endpoints struct {
	http.Transport
	addresses []string
	next      atomic.Int64
}

func open(t testing.TB, addresses ...string) *endpoints {
	t.Helper()
	up := &endpoints{addresses: addresses}
	up.DisableCompression = true
	t.Cleanup(func() { _ = up.Close() })
	return up
}

func (u *endpoints) Close() error            { u.CloseIdleConnections(); return nil }
func (u *endpoints) Origin() upstream.Origin { return upstream.Origin{Scheme: "http"} }

func (u *endpoints) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	address := ""
	for range u.addresses {
		address = u.addresses[int(u.next.Add(1)-1)%len(u.addresses)]
		if !slices.Contains(*tried, address) {
			break
		}
	}
	*tried = append(*tried, address)
	once := r.Clone(r.Context())
	once.URL.Scheme, once.URL.Host = "http", address
	res, err := u.RoundTrip(once)
	if err == nil {
		return res, nil
	}
	failure := &upstream.Error{Reason: rpc.UpstreamUnreachable, Endpoint: address, Err: err}
	dial := (*net.OpError)(nil)
	switch cause := context.Cause(r.Context()); {
	case errors.As(err, &dial) && dial.Op == "dial":
		failure.NotSent = true
	case errors.Is(cause, context.DeadlineExceeded):
		failure.Reason = rpc.DeadlineExceeded
	case cause != nil:
		failure.Reason = rpc.ClientClosed
	}
	return nil, failure
}

// server runs handler, and counts what it is asked.
type server struct {
	*httptest.Server
	asked atomic.Int64
}

func serve(t testing.TB, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) address() string { return s.Listener.Addr().String() }

// nobody is an address where nobody listens.
func nobody(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func request(t testing.TB, method string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "/books", body)
	require.NoError(t, err)
	// As a server's request: nothing but the body has its bytes.
	r.GetBody = nil
	return r
}

func text(t testing.TB, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return string(body)
}

func TestRefused(t *testing.T) {
	good := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	up := retry.New(retry.Defaults()).HTTP(open(t, nobody(t), good.address()))
	for _, method := range []string{"PUT", "POST"} {
		res, err := up.Send(request(t, method, strings.NewReader("hello")), nil)
		require.NoError(t, err, method)
		require.Equal(t, "hello", text(t, res), method)
	}
	require.EqualValues(t, 2, good.asked.Load())
}

func TestEverythingRefused(t *testing.T) {
	up := retry.New(retry.Defaults()).HTTP(open(t, nobody(t)))
	tried := &upstream.Tried{}
	_, err := up.Send(request(t, "POST", strings.NewReader("hello")), tried)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Len(t, *tried, 3)
	failure := (*upstream.Error)(nil)
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.NotSent)
}

// TestFailures: which answers are tried again, of which requests.
func TestFailures(t *testing.T) {
	for _, test := range []struct {
		name   string
		on     []string
		method string
		status int
		header string
		want   int64
	}{
		{name: "503 by default", method: "GET", status: 503, want: 3},
		{name: "PUT is safe", method: "PUT", status: 503, want: 3},
		{name: "POST is not", method: "POST", status: 503, want: 1},
		{name: "PATCH is not", method: "PATCH", status: 503, want: 1},
		{name: "502 is none of the defaults", method: "GET", status: 502, want: 1},
		{name: "429 neither", method: "GET", status: 429, want: 1},
		{name: "429 if it is named", on: []string{"429"}, method: "GET", status: 429, want: 3},
		{name: "gateway_error has 502", on: []string{"gateway_error"}, method: "GET", status: 502, want: 3},
		{name: "gateway_error has not 500", on: []string{"gateway_error"}, method: "GET", status: 500, want: 1},
		{name: "5xx has 599", on: []string{"5xx"}, method: "DELETE", status: 599, want: 3},
		{name: "5xx has not 499", on: []string{"5xx"}, method: "DELETE", status: 499, want: 1},
		{name: "a gRPC status in the head", method: "GET", status: 200, header: "14", want: 3},
		{name: "another gRPC status", method: "GET", status: 200, header: "5", want: 1},
		{name: "no gRPC status", on: []string{"UNAVAILABLE"}, method: "GET", status: 200, header: "x", want: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if test.header != "" {
					w.Header().Set("Content-Type", "application/grpc+proto")
					w.Header().Set("Grpc-Status", test.header)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, "sorry")
			})
			cfg := quick()
			if test.on != nil {
				cfg.On = test.on
			}
			res, err := retry.New(cfg).HTTP(open(t, s.address())).Send(request(t, test.method, nil), nil)
			require.NoError(t, err)
			require.Equal(t, test.status, res.StatusCode, "the last answer is the client's")
			require.Equal(t, "sorry", text(t, res))
			require.Equal(t, test.want, s.asked.Load())
		})
	}
}

// quick is the defaults without waiting.
func quick() retry.Config {
	cfg := retry.Defaults()
	cfg.Backoff, cfg.MaxBackoff = 0, 0
	return cfg
}

// TestReset: a connection that is lost before an answer.
func TestReset(t *testing.T) {
	for method, want := range map[string]int64{"GET": 2, "PUT": 2, "POST": 1} {
		var bodies []string
		s := serve(t, nil)
		s.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies = append(bodies, string(body))
			if s.asked.Add(1) == 1 {
				panic(http.ErrAbortHandler)
			}
		})
		res, err := retry.New(quick()).HTTP(open(t, s.address())).Send(request(t, method, strings.NewReader("hello")), nil)
		require.Equal(t, want, s.asked.Load(), method)
		require.Equal(t, slices.Repeat([]string{"hello"}, int(want)), bodies, method)
		if want == 1 {
			require.ErrorIs(t, err, io.EOF, method)
			continue
		}
		require.NoError(t, err, method)
		require.Empty(t, text(t, res))
	}
}

// TestConnectionIsKept: the answers that nobody gets do not cost their connections.
func TestConnectionIsKept(t *testing.T) {
	var asked, connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, strings.Repeat("sorry ", 500))
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	cfg := quick()
	cfg.Backoff, cfg.MaxBackoff = 50*time.Millisecond, 50*time.Millisecond
	res, err := retry.New(cfg).HTTP(open(t, s.Listener.Addr().String())).Send(request(t, "GET", nil), nil)
	require.NoError(t, err)
	require.Empty(t, text(t, res))
	require.EqualValues(t, 3, asked.Load())
	require.EqualValues(t, 1, connections.Load())
}

// TestLongAnswerIsDropped: one that does not end is not waited for.
func TestLongAnswerIsDropped(t *testing.T) {
	for _, length := range []string{"", "100000000"} {
		s := serve(t, nil)
		gone := make(chan error, 1)
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s.asked.Add(1) > 1 {
				return
			}
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			for {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					gone <- err
					return
				}
			}
		})
		res, err := retry.New(quick()).HTTP(open(t, s.address())).Send(request(t, "GET", nil), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Empty(t, text(t, res))
		require.Error(t, <-gone)
	}
}

// TestEarlyAnswer: the first attempt is answered when a part of the body has been
// sent; the next one has all of it.
func TestEarlyAnswer(t *testing.T) {
	var got string
	s := serve(t, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.asked.Add(1) == 1 {
			_, _ = io.ReadFull(r.Body, make([]byte, 5))
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, _ := io.ReadAll(r.Body)
		got = string(body)
	})
	body, client := io.Pipe()
	more := make(chan struct{})
	go func() {
		_, _ = io.WriteString(client, "hello")
		<-more
		_, _ = io.WriteString(client, ", world")
		_ = client.Close()
	}()
	up := open(t, s.address())
	r := request(t, "PUT", body)
	res, err := retry.New(quick()).HTTP(after{up, func(n int64) {
		if n == 2 {
			close(more)
		}
	}}).Send(r, nil)
	require.NoError(t, err)
	require.Empty(t, text(t, res))
	require.Equal(t, "hello, world", got)
	require.EqualValues(t, 2, s.asked.Load())
	_, err = client.Write([]byte("x"))
	require.ErrorIs(t, err, io.ErrClosedPipe, "the body is closed")
}

// after tells of each attempt.
type after struct {
	*endpoints
	attempt func(n int64)
}

func (a after) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	a.attempt(int64(len(*tried) + 1))
	return a.endpoints.Send(r, tried)
}

// TestLargeBody: what is too large to be kept is sent once, and passes; unless the
// first attempt read nothing of it.
func TestLargeBody(t *testing.T) {
	cfg := quick()
	cfg.RequestBytes = 1000
	for _, known := range []bool{false, true} {
		for size, want := range map[int]int64{1000: 3, 1001: 1, 100_000: 1} {
			var received int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				received, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			r := request(t, "PUT", io.NopCloser(strings.NewReader(strings.Repeat("x", size))))
			if known {
				r.ContentLength = int64(size)
			}
			res, err := retry.New(cfg).HTTP(open(t, s.address())).Send(r, nil)
			require.NoError(t, err)
			require.Empty(t, text(t, res))
			require.Equal(t, want, s.asked.Load(), "%d bytes", size)
			require.EqualValues(t, size, received)

			unread := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				_, _ = w.Write(body)
			})
			r = request(t, "POST", io.NopCloser(strings.NewReader(strings.Repeat("x", size))))
			res, err = retry.New(cfg).HTTP(open(t, nobody(t), unread.address())).Send(r, nil)
			require.NoError(t, err)
			require.Len(t, text(t, res), size)
		}
	}
}

// TestExpectContinue: a body that was never asked for is there for the next attempt.
func TestExpectContinue(t *testing.T) {
	s := serve(t, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	up := open(t, s.address())
	up.ExpectContinueTimeout = time.Minute
	body := &reading{Reader: strings.NewReader("hello")}
	r := request(t, "PUT", body)
	r.ContentLength = 5
	r.Header.Set("Expect", "100-continue")
	cfg := quick()
	cfg.RequestBytes = 0
	res, err := retry.New(cfg).HTTP(up).Send(r, nil)
	require.NoError(t, err)
	require.Equal(t, "hello", text(t, res))
	require.EqualValues(t, 2, s.asked.Load())
	require.EqualValues(t, 1, body.closed.Load())
}

// reading counts how often it is closed.
type reading struct {
	io.Reader
	closed atomic.Int64
}

func (r *reading) Close() error { r.closed.Add(1); return nil }

// TestPerTryTimeout: what does not answer in time is tried again, and the time is up
// for an attempt only until there is a head.
func TestPerTryTimeout(t *testing.T) {
	const bound = 200 * time.Millisecond
	s := serve(t, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.asked.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		_ = http.NewResponseController(w).Flush()
		// The body takes longer than an attempt may.
		timer := time.NewTimer(2 * bound)
		defer timer.Stop()
		select {
		case <-timer.C:
			_, _ = io.WriteString(w, "late")
		case <-r.Context().Done():
		}
	})
	cfg := quick()
	cfg.PerTryTimeout = bound
	up := retry.New(cfg).HTTP(open(t, s.address()))
	res, err := up.Send(request(t, "GET", nil), nil)
	require.NoError(t, err)
	require.Equal(t, "late", text(t, res))
	require.EqualValues(t, 2, s.asked.Load())

	s.asked.Store(0)
	_, err = up.Send(request(t, "POST", nil), nil)
	failure := (*upstream.Error)(nil)
	require.ErrorAs(t, err, &failure, "a POST may have been worked on")
	require.Equal(t, rpc.DeadlineExceeded, failure.Reason)
	require.False(t, failure.NotSent)
	require.ErrorContains(t, err, "no answer within the per_try_timeout of 200ms")
	require.EqualValues(t, 1, s.asked.Load())
}

// TestUpgrade: an upgraded connection can be read and written for as long as it is
// open, whatever the bound of an attempt.
func TestUpgrade(t *testing.T) {
	s := serve(t, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(conn, rw)
	})
	for _, bound := range []time.Duration{0, time.Minute} {
		s.asked.Store(0)
		cfg := quick()
		cfg.PerTryTimeout = bound
		r := request(t, "GET", nil)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "echo")
		res, err := retry.New(cfg).HTTP(open(t, s.address())).Send(r, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
		conn := res.Body.(io.ReadWriteCloser)
		_, err = io.WriteString(conn, "hello")
		require.NoError(t, err)
		echo := make([]byte, 5)
		_, err = io.ReadFull(conn, echo)
		require.NoError(t, err)
		require.Equal(t, "hello", string(echo))
		require.NoError(t, conn.Close())
	}
}

// TestB16 is B-16 of Gloo's documentation: an upstream that refuses is tried again
// three times, one that is slow ends with the deadline, and one that asks for time
// gets it.
func TestB16(t *testing.T) {
	cfg := retry.Defaults()
	cfg.On, cfg.Attempts, cfg.PerTryTimeout = []string{"connect_failure"}, 4, 5*time.Second

	refusing, good := nobody(t), serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "recovered") })
	tried := &upstream.Tried{}
	res, err := retry.New(cfg).HTTP(open(t, refusing, refusing, refusing, good.address())).Send(request(t, "POST", strings.NewReader("x")), tried)
	require.NoError(t, err)
	require.Equal(t, "recovered", text(t, res))
	require.Contains(t, *tried, refusing)

	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r := request(t, "GET", nil)
	ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = retry.New(cfg).HTTP(open(t, slow.address())).Send(r.WithContext(ctx), nil)
	failure := (*upstream.Error)(nil)
	require.ErrorAs(t, err, &failure)
	require.Equal(t, 504, failure.Reason.HTTPStatus())
	require.EqualValues(t, 1, slow.asked.Load())

	busy := serve(t, nil)
	busy.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if busy.asked.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	start := time.Now()
	res, err = retry.New(retry.Defaults()).HTTP(open(t, busy.address())).Send(request(t, "GET", nil), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Empty(t, text(t, res))
	require.GreaterOrEqual(t, time.Since(start), time.Second)
}

// TestGone: a client that leaves during a wait is no failure of the service, and its
// request is not sent again.
func TestGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	cfg := retry.Defaults()
	cfg.Backoff, cfg.MaxBackoff = time.Minute, time.Minute
	body := &reading{Reader: strings.NewReader("hello")}
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := retry.New(cfg).HTTP(open(t, s.address())).Send(request(t, "PUT", body).WithContext(ctx), nil)
	failure := (*upstream.Error)(nil)
	require.ErrorAs(t, err, &failure)
	require.Equal(t, rpc.ClientClosed, failure.Reason)
	require.EqualValues(t, 1, s.asked.Load())
	require.EqualValues(t, 1, body.closed.Load())
}

// TestWithoutEffect: what is never tried again costs nothing.
func TestWithoutEffect(t *testing.T) {
	up := open(t, nobody(t))
	cfg := retry.Defaults()
	cfg.Attempts = 1
	require.Same(t, up, retry.New(cfg).HTTP(up))
}

// ready is an upstream that reads the body and has an answer ready.
type ready struct{ res *http.Response }

func (ready) Close() error            { return nil }
func (ready) Origin() upstream.Origin { return upstream.Origin{} }
func (u ready) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	if r.Body != nil {
		var p [4 << 10]byte
		for {
			if _, err := r.Body.Read(p[:]); err != nil {
				break
			}
		}
		_ = r.Body.Close()
	}
	return u.res, nil
}

// sized is a body that can be read again.
type sized struct{ bytes.Reader }

func (*sized) Close() error { return nil }

// TestRequestAllocations: a request without a body costs nothing more, and one with a
// body next to nothing.
func TestRequestAllocations(t *testing.T) {
	up := retry.New(retry.Defaults()).HTTP(ready{answer(200)})
	r := request(t, "GET", nil)
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = up.Send(r, nil) }))

	content, body := make([]byte, 2000), &sized{}
	plain := testing.AllocsPerRun(1000, func() { sendBody(ready{answer(200)}, r, body, content) })
	retried := testing.AllocsPerRun(1000, func() { sendBody(up, r, body, content) })
	require.LessOrEqual(t, retried-plain, 4.0)
}

func sendBody(up upstream.HTTP, r *http.Request, body *sized, content []byte) {
	body.Reset(content)
	r.Body = body
	_, _ = up.Send(r, nil)
}

func BenchmarkRequest(b *testing.B) {
	for _, bytes := range []int{0, 200, 64 << 10, 100 << 10} {
		plain := upstream.HTTP(ready{answer(200)})
		for name, up := range map[string]upstream.HTTP{"plain": plain, "retry": retry.New(retry.Defaults()).HTTP(plain)} {
			b.Run(strconv.Itoa(bytes)+"B/"+name, func(b *testing.B) {
				b.ReportAllocs()
				r := request(b, "PUT", nil)
				content, body := make([]byte, bytes), &sized{}
				for b.Loop() {
					if bytes > 0 {
						sendBody(up, r, body, content)
					} else {
						_, _ = up.Send(r, nil)
					}
				}
			})
		}
	}
}
