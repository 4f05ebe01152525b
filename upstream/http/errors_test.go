package http_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// saying is a server that answers with text, whatever it is.
func saying(t testing.TB, text string) string {
	t.Helper()
	return raw(t, func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		// All of it, or a closed connection may be noticed before the answer.
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(conn, text)
	})
}

func TestBrokenAnswersOverHTTP1(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       rpc.Reason
	}{
		{"nothing", "", rpc.UpstreamUnreachable},
		{"half a status line", "HTTP/1.1 20", rpc.UpstreamProtocol},
		{"half a header", "HTTP/1.1 200 OK\r\nX-Half: ", rpc.UpstreamUnreachable},
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", rpc.UpstreamProtocol},
		{"no status", "HTTP/1.1 OK\r\n\r\n", rpc.UpstreamProtocol},
		{"a broken header", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", rpc.UpstreamProtocol},
		{"a broken length", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", rpc.UpstreamProtocol},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n..", rpc.UpstreamProtocol},
		{"a coding that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n", rpc.UpstreamProtocol},
		{"a long header", "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 5000) + "\r\n\r\n", rpc.UpstreamProtocol},
		{"an upgrade that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n", rpc.UpstreamProtocol},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := saying(t, test.text)
			up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address, HeaderBytes: proto.Uint32(4096)})
			for _, body := range []io.Reader{nil, strings.NewReader("text")} {
				got := refusal(t, up, request(t, http.MethodPost, "/", body))
				require.Equal(t, test.want, got.Reason, "%v", got)
				require.False(t, got.NotSent)
				require.Equal(t, address, got.Endpoint)
			}
		})
	}
}

func TestBrokenAnswersOverHTTP2(t *testing.T) {
	for _, test := range []struct {
		name    string
		script  func(*rawStream)
		want    rpc.Reason
		notSent bool
	}{
		{"refused", func(s *rawStream) { s.reset(http2.ErrCodeRefusedStream) }, rpc.UpstreamUnreachable, true},
		{"cancelled", func(s *rawStream) { s.reset(http2.ErrCodeCancel) }, rpc.UpstreamUnreachable, false},
		{"an error of the upstream", func(s *rawStream) { s.reset(http2.ErrCodeInternal) }, rpc.UpstreamUnreachable, false},
		{"against the protocol, it says", func(s *rawStream) { s.reset(http2.ErrCodeProtocol) }, rpc.UpstreamUnreachable, false},
		{"no status", func(s *rawStream) { s.head(true, "x-a", "b") }, rpc.UpstreamProtocol, false},
		{"a long header", func(s *rawStream) { s.head(true, ":status", "200", "x-long", strings.Repeat("x", 5000)) }, rpc.UpstreamProtocol, false},
		{"gone away, unseen", func(s *rawStream) {
			_ = s.fr.WriteGoAway(s.id-2, http2.ErrCodeNo, nil)
		}, rpc.UpstreamUnreachable, true},
		{"gone away, seen", func(s *rawStream) {
			_ = s.fr.WriteGoAway(s.id, http2.ErrCodeNo, nil)
			s.reset(http2.ErrCodeInternal)
		}, rpc.UpstreamUnreachable, false},
		{"against the protocol", func(s *rawStream) { _ = s.fr.WriteRawFrame(http2.FrameData, 0, 0, []byte("x")) }, rpc.UpstreamProtocol, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var requests atomic.Int32
			address := rawHTTP2(t, func(s *rawStream) {
				// The first request on a connection is treated differently.
				if s.header[":method"] == http.MethodGet {
					s.answer("200", "")
					return
				}
				requests.Add(1)
				test.script(s)
			})
			up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address, Version: "http2", HeaderBytes: proto.Uint32(4096)})
			for _, body := range []string{"", "text"} {
				send(t, up, request(t, http.MethodGet, "/", nil))
				requests.Store(0)
				r := request(t, http.MethodPost, "/", nil)
				if body != "" {
					r = request(t, http.MethodPost, "/", strings.NewReader(body))
				}
				got := refusal(t, up, r)
				require.Equal(t, test.want, got.Reason, "%v", got)
				require.Equal(t, test.notSent, got.NotSent, "%v", got)
				require.EqualValues(t, 1, requests.Load(), "what is not safe to repeat is not sent again")
			}
		})
	}
}

func TestRefusedAgainAndAgain(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		var requests atomic.Int32
		address := rawHTTP2(t, func(s *rawStream) {
			requests.Add(1)
			s.reset(http2.ErrCodeRefusedStream)
		})
		up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address, Version: "http2"})
		start := time.Now()
		got := refusal(t, up, request(t, method, "/", nil))
		require.Equal(t, rpc.UpstreamUnreachable, got.Reason)
		require.LessOrEqual(t, requests.Load(), int32(3))
		require.Less(t, time.Since(start), 10*time.Second, "net/http goes on for a minute")
	}
}

func TestConnectionsThatAreGivenUp(t *testing.T) {
	var requests atomic.Int32
	address := rawHTTP2(t, func(s *rawStream) {
		if requests.Add(1) == 2 {
			_ = s.fr.WriteGoAway(s.id-2, http2.ErrCodeNo, nil)
			return
		}
		s.answer("200", "")
	})
	up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address, Version: "http2"})
	for range 3 {
		send(t, up, request(t, http.MethodGet, "/", nil))
	}
	require.EqualValues(t, 4, requests.Load())
}

// A connection that was idle may be closed under a request, which the transport then
// sends again: those only that are safe to repeat.
func TestStaleConnections(t *testing.T) {
	for _, test := range []struct {
		method, header, body string
		again                bool
	}{
		{http.MethodGet, "", "", true},
		{http.MethodPost, "", "", false},
		{http.MethodPost, "", "text", false},
		{http.MethodPost, "Idempotency-Key", "", false},
		{http.MethodPatch, "X-Idempotency-Key", "", false},
		{http.MethodPost, "Idempotency-Key", "text", false},
	} {
		t.Run(test.method+" "+test.header+" "+test.body, func(t *testing.T) {
			var requests atomic.Int32
			address := raw(t, func(conn net.Conn) {
				in := bufio.NewReader(conn)
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				if requests.Add(1) > 1 {
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				if _, err := http.ReadRequest(in); err == nil {
					requests.Add(1)
				}
			})
			up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address})
			send(t, up, request(t, http.MethodGet, "/", nil))
			r := request(t, test.method, "/", nil)
			if test.body != "" {
				r = request(t, test.method, "/", strings.NewReader(test.body))
				r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(test.body)), nil }
			}
			if test.header != "" {
				r.Header.Set(test.header, "1")
			}
			if test.again {
				require.Equal(t, http.StatusOK, send(t, up, r).StatusCode)
				require.EqualValues(t, 3, requests.Load())
				return
			}
			got := refusal(t, up, r)
			require.Equal(t, rpc.UpstreamUnreachable, got.Reason)
			require.False(t, got.NotSent, "it was read by the upstream")
			require.EqualValues(t, 2, requests.Load(), "the request was sent once")
		})
	}
}

func TestIdempotencyKeyArrives(t *testing.T) {
	var seen http.Header
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header })
	up := newUpstream(t, &configpb.HTTPUpstream{Url: server.URL})
	r := request(t, http.MethodPost, "/", nil)
	r.Header["Idempotency-Key"] = []string{"1"}
	given := r.Header
	send(t, up, r)
	require.Equal(t, []string{"1"}, seen["Idempotency-Key"])
	require.Equal(t, []string{"1"}, given["Idempotency-Key"], "the caller's header is left alone")
}

// stalling is a server whose answers never begin.
func stalling(t testing.TB, begun chan<- struct{}) string {
	t.Helper()
	return raw(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		begun <- struct{}{}
		_, _ = io.Copy(io.Discard, conn)
	})
}

func TestContextsThatEnd(t *testing.T) {
	// One failure ejects, so it shows what counts as one.
	for _, test := range []struct {
		name    string
		context func(_ context.Context, begun <-chan struct{}) context.Context
		want    rpc.Reason
		failure bool
	}{
		{"deadline", func(ctx context.Context, _ <-chan struct{}) context.Context {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}, rpc.DeadlineExceeded, true},
		{"a cause that is a deadline", func(ctx context.Context, begun <-chan struct{}) context.Context {
			ctx, cancel := context.WithCancelCause(ctx)
			go func() { <-begun; cancel(context.DeadlineExceeded) }()
			return ctx
		}, rpc.DeadlineExceeded, true},
		{"the client has gone", func(ctx context.Context, begun <-chan struct{}) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			go func() { <-begun; cancel() }()
			return ctx
		}, rpc.ClientClosed, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			begun := make(chan struct{}, 10)
			address := stalling(t, begun)
			// Of two, one may be ejected for bad answers.
			other := serve(t, func(http.ResponseWriter, *http.Request) {})
			up := newUpstream(t, &configpb.HTTPUpstream{
				Url: "http://legacy", Endpoints: []string{address, other.Listener.Addr().String()},
				Ejection: &configpb.Ejection{Failures: proto.Uint32(1)},
			})
			r := request(t, http.MethodGet, "/", nil)
			tried := upstream.Tried{other.Listener.Addr().String()}
			_, err := up.Send(r.WithContext(test.context(t.Context(), begun)), &tried)
			var got *upstream.Error
			require.True(t, errors.As(err, &got), "%v", err)
			require.Equal(t, test.want, got.Reason)
			require.False(t, got.NotSent)
			require.Equal(t, []string{other.Listener.Addr().String(), address}, []string(tried))
			require.Equal(t, test.failure, ejected(t, up, address))
		})
	}
}

// ejected says whether requests that should not go elsewhere avoid address: they would
// have it next to never otherwise.
func ejected(t testing.TB, up upstream.HTTP, address string) bool {
	t.Helper()
	for range 4 {
		var tried upstream.Tried
		ctx, cancel := context.WithCancel(t.Context())
		r := request(t, http.MethodGet, "/", http.NoBody).WithContext(ctx)
		// It need not be answered: tried tells where it went.
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := up.Send(r, &tried); err == nil {
				_ = resp.Body.Close()
			}
		}()
		select {
		case <-done:
		case <-time.After(200 * time.Millisecond):
		}
		cancel()
		<-done
		if tried[0] == address {
			return false
		}
	}
	return true
}

// What clients do wrong must not get an endpoint ejected.
func TestBrokenRequestBodies(t *testing.T) {
	broken := errors.New("the client broke off")
	for _, version := range []string{"http1", "http2"} {
		t.Run(version, func(t *testing.T) {
			server := serveBoth(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
			up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + server, Version: version,
				Endpoints: []string{server, closedAddress(t)},
				Ejection:  &configpb.Ejection{Failures: proto.Uint32(1)}})
			r := request(t, http.MethodPost, "/", io.MultiReader(strings.NewReader("text"), iotest.ErrReader(broken)))
			tried := upstream.Tried{closedAddress(t)}
			_, err := up.Send(r, &tried)
			for tried[len(tried)-1] != server { // the other endpoint had its turn
				r = request(t, http.MethodPost, "/", io.MultiReader(strings.NewReader("text"), iotest.ErrReader(broken)))
				_, err = up.Send(r, &tried)
			}
			var got *upstream.Error
			require.True(t, errors.As(err, &got), "%v", err)
			require.Equal(t, rpc.InvalidRequest, got.Reason)
			require.ErrorIs(t, err, broken)
			require.False(t, ejected(t, up, server))
		})
	}
}

// The same when the answer has begun.
func TestBrokenRequestBodiesDuringTheAnswer(t *testing.T) {
	for _, version := range []string{"http1", "http2"} {
		t.Run(version, func(t *testing.T) {
			server := serveBoth(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost {
					return
				}
				control := http.NewResponseController(w)
				_ = control.EnableFullDuplex()
				_ = control.Flush()
				_, _ = io.Copy(io.Discard, r.Body)
				panic(http.ErrAbortHandler)
			})
			other := closedAddress(t)
			up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://legacy", Version: version,
				Endpoints: []string{server, other}, Ejection: &configpb.Ejection{Failures: proto.Uint32(1)}})
			in, out := io.Pipe()
			resp, err := up.Send(request(t, http.MethodPost, "/", in), &upstream.Tried{other})
			require.NoError(t, err)
			require.NoError(t, out.CloseWithError(errors.New("the client broke off")))
			_, err = io.Copy(io.Discard, resp.Body)
			require.Error(t, err)
			require.NoError(t, resp.Body.Close())
			require.False(t, ejected(t, up, server))
		})
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, version := range []string{"http1", "http2"} {
		up := newUpstream(t, &configpb.HTTPUpstream{Url: server.URL, Version: version})
		r := request(t, http.MethodGet, "/", nil)
		r.Header["X-Split"] = []string{"a\r\nX-Other: b"}
		got := refusal(t, up, r)
		require.Equal(t, rpc.Internal, got.Reason)
		require.True(t, got.NotSent)
		require.NotContains(t, got.Error(), "X-Other", "the value is not in the log")
	}
}
