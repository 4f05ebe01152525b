package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// pairs runs a test for each version of HTTP of client and upstream.
func pairs(t *testing.T, test func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain)) {
	for _, version := range versions {
		t.Run(version+" to HTTP/1.1", func(t *testing.T) { test(t, version, backend) })
		t.Run(version+" to HTTP/2.0", func(t *testing.T) {
			test(t, version, func(t testing.TB, h http.HandlerFunc) *plain { return backendH2C(t, h) })
		})
	}
}

// upload is a body that a test sends piece by piece.
func upload(t testing.TB) (io.Reader, *io.PipeWriter) {
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.CloseWithError(io.ErrClosedPipe) })
	return r, w
}

// The answer comes while the request does, piece by piece, and may end before it.
func TestDuplex(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		up := backend(t, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			lines := bufio.NewScanner(r.Body)
			for lines.Scan() {
				_, _ = io.WriteString(w, "re: "+lines.Text()+"\n")
				w.(http.Flusher).Flush()
				if lines.Text() == "enough" {
					return
				}
			}
		})
		for _, last := range []string{"enough", ""} {
			s := serve(t, to(up))
			body, send := upload(t)
			r := request(t, "POST", "http://"+s.address+"/", body)
			go func() { _, _ = io.WriteString(send, "one\n") }()
			res, err := client(t, version).Do(r)
			require.NoError(t, err)
			answers := bufio.NewReader(res.Body)
			for _, line := range []string{"one", "two", "three"} {
				if line != "one" {
					_, err = io.WriteString(send, line+"\n")
					require.NoError(t, err)
				}
				answer, err := answers.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, "re: "+line+"\n", answer)
			}
			if last == "" {
				require.NoError(t, send.Close())
			} else {
				_, err = io.WriteString(send, last+"\n")
				require.NoError(t, err)
				_, err = answers.ReadString('\n')
				require.NoError(t, err)
			}
			_, err = answers.ReadByte()
			require.Equal(t, io.EOF, err, "the end comes although the client could go on")
			require.Nil(t, s.last(t).Failure)
		}
	})
}

// An answer that comes before the body is read reaches a client that goes on sending,
// and one that does not.
func TestEarlyAnswer(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "no")
		})
		for name, body := range map[string]io.Reader{
			"large":  io.LimitReader(zeros{}, 64<<20),
			"silent": func() io.Reader { r, _ := upload(t); return r }(),
		} {
			s := serve(t, to(up))
			conn, answers := dial(t, s.address)
			if version == "HTTP/1.1" {
				// A client that writes all before it reads would be reset by anybody.
				_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\nbegin")
				require.NoError(t, err)
				if name == "large" {
					go func() { _, _ = io.Copy(conn, body) }()
				}
				res, err := http.ReadResponse(answers, nil)
				require.NoError(t, err)
				text, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.Equal(t, "403 no", fmt.Sprint(res.StatusCode, " ", string(text)))
				require.True(t, res.Close)
			} else {
				res, text := do(t, client(t, version), request(t, "POST", "http://"+s.address+"/", body))
				require.Equal(t, "403 no", fmt.Sprint(res.StatusCode, " ", text))
			}
			require.Nil(t, s.last(t).Failure)
		}
	})
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestTimeout(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		cancelled := make(chan struct{}, 10)
		up := backend(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			cancelled <- struct{}{}
		})
		o := to(up)
		o.Timeout = 100 * time.Millisecond
		s := serve(t, o)
		for _, body := range []io.Reader{nil, strings.NewReader("x")} {
			res, text := do(t, client(t, version), request(t, "POST", "http://"+s.address+"/", body))
			require.Equal(t, http.StatusGatewayTimeout, res.StatusCode)
			require.Equal(t, "the upstream did not begin to answer within 100ms", text)
			require.Equal(t, string(rpc.DeadlineExceeded), s.last(t).Reason)
			<-cancelled
		}
	})
}

// The time that a request takes to come is not that of the upstream.
func TestTimeoutBeginsBehindTheRequest(t *testing.T) {
	up := backend(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	o := to(up)
	o.Timeout, o.IdleTimeout = 200*time.Millisecond, time.Minute
	s := serve(t, o)
	body, send := upload(t)
	go func() {
		for range 5 {
			_, _ = io.WriteString(send, "x")
			<-time.After(100 * time.Millisecond)
		}
		_ = send.Close()
	}()
	res, _ := do(t, client(t, "HTTP/1.1"), request(t, "POST", "http://"+s.address+"/", body))
	require.Equal(t, 200, res.StatusCode)
}

func TestIdleClient(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		ended := make(chan error, 1)
		up := backend(t, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		})
		o := to(up)
		o.IdleTimeout = 100 * time.Millisecond
		s := serve(t, o)
		body, send := upload(t)
		go func() { _, _ = io.WriteString(send, "begin") }()
		res, _ := do(t, client(t, version), request(t, "POST", "http://"+s.address+"/", body))
		require.Equal(t, http.StatusGatewayTimeout, res.StatusCode)
		require.Error(t, <-ended, "a cut request is no whole one")
		require.ErrorContains(t, s.last(t).Failure, "idle_timeout")
	})
}

func TestIdleUpstream(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		up := backend(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begin")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		o := to(up)
		o.IdleTimeout = 100 * time.Millisecond
		s := serve(t, o)
		res, err := client(t, version).Do(request(t, "GET", "http://"+s.address+"/", nil))
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.Error(t, err, "a cut answer is no whole one")
		require.Equal(t, "begin", string(text))
		require.Equal(t, string(rpc.DeadlineExceeded), s.last(t).Reason)
	})
}

// A client that takes nothing stops the upstream, and is let go in the end.
func TestStalledReader(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		var sent atomic.Int64
		up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
			for buf := make([]byte, 64<<10); ; {
				n, err := w.Write(buf)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		})
		o := to(up)
		o.IdleTimeout = 300 * time.Millisecond
		s := serve(t, o)
		res, err := client(t, version).Do(request(t, "GET", "http://"+s.address+"/", nil))
		require.NoError(t, err)
		x := s.last(t)
		require.Equal(t, string(rpc.DeadlineExceeded), x.Reason)
		require.Less(t, sent.Load(), int64(64<<20))
		_, err = io.Copy(io.Discard, res.Body)
		require.Error(t, err)
		require.NoError(t, res.Body.Close())
	})
}

// An upstream that is lost is told as such, whatever the client does.
func TestLostUpstream(t *testing.T) {
	for _, version := range versions {
		for _, tt := range []struct {
			name, answer, body string
			silent             bool
			status             int
			want               rpc.Reason
		}{
			{name: "before the answer", body: "x", status: 503, want: rpc.UpstreamUnreachable},
			{name: "while the client sends", status: 503, want: rpc.UpstreamUnreachable},
			{name: "in the head", answer: "HTTP/1.1 200 OK\r\nContent-", body: "x", status: 503, want: rpc.UpstreamUnreachable},
			{name: "in a body of known length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", body: "x", want: rpc.UpstreamUnreachable},
			{name: "in chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", body: "x", want: rpc.UpstreamUnreachable},
			{name: "in chunks while the client sends", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", want: rpc.UpstreamUnreachable},
			{name: "in chunks while the client is silent", silent: true, answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", want: rpc.UpstreamUnreachable},
		} {
			t.Run(version+" "+tt.name, func(t *testing.T) {
				ln := raw(t)
				go func() {
					for {
						conn, err := ln.Accept()
						if err != nil {
							return
						}
						_, _ = conn.Read(make([]byte, 4096))
						_, _ = io.WriteString(conn, tt.answer)
						_ = conn.(*net.TCPConn).SetLinger(map[bool]int{true: 0, false: -1}[tt.answer == ""])
						_ = conn.Close()
					}
				}()
				s := serve(t, to(newPlain(t, ln.Addr().String())))
				var body io.Reader = strings.NewReader(tt.body)
				if tt.body == "" {
					reader, send := upload(t)
					body = reader
					go func() {
						_, err := io.WriteString(send, "begin")
						for !tt.silent && err == nil {
							_, err = send.Write(make([]byte, 1<<10))
							<-time.After(time.Millisecond)
						}
					}()
				}
				res, err := client(t, version).Do(request(t, "POST", "http://"+s.address+"/", body))
				if err == nil {
					_, err = io.ReadAll(res.Body)
				}
				if tt.status != 0 {
					require.NoError(t, err)
					require.Equal(t, tt.status, res.StatusCode)
				} else {
					require.Error(t, err, "a cut answer is no whole one")
				}
				x := s.last(t)
				require.Equal(t, string(tt.want), x.Reason, "%v", x.Error)
			})
		}
	}
}

// A client that leaves ends what the upstream does for it.
func TestClientLeaves(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		arrived, left := make(chan struct{}, 1), make(chan struct{}, 1)
		up := backend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/answering" {
				_, _ = io.WriteString(w, "begin")
				w.(http.Flusher).Flush()
			}
			arrived <- struct{}{}
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			left <- struct{}{}
		})
		for _, path := range []string{"/waiting", "/answering", "/sending"} {
			s := serve(t, to(up))
			ctx, leave := context.WithCancel(t.Context())
			r := request(t, "POST", "http://"+s.address+path, nil)
			stop := func() {}
			if path == "/sending" {
				body, send := upload(t)
				r = request(t, "POST", "http://"+s.address+path, body)
				go func() { _, _ = io.WriteString(send, "begin") }()
				// The test's client would wait for its body before it leaves.
				stop = func() { _ = send.CloseWithError(io.ErrClosedPipe) }
			}
			go func() {
				<-arrived
				leave()
				stop()
			}()
			res, err := client(t, version).Do(r.WithContext(ctx))
			if err == nil {
				_, err = io.ReadAll(res.Body)
			}
			require.Error(t, err)
			<-left
			require.Equal(t, string(rpc.ClientClosed), s.last(t).Reason)
		}
	})
}

func TestMaxRequestBytes(t *testing.T) {
	var called atomic.Int32
	up := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		called.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	o := to(up)
	o.MaxRequestBytes = 10
	for _, version := range versions {
		s := serve(t, o)
		c := client(t, version)
		called.Store(0)
		res, text := do(t, c, request(t, "POST", "http://"+s.address+"/", strings.NewReader("12345678901")))
		require.Equal(t, "413 the body is larger than 10 bytes", fmt.Sprint(res.StatusCode, " ", text))
		require.Zero(t, called.Load(), "it is refused before anything is sent")
		for text, want := range map[string]int{"1234567890": 200, "12345678901": 413} {
			res, _ = do(t, c, request(t, "POST", "http://"+s.address+"/", io.MultiReader(strings.NewReader(text))))
			require.Equal(t, want, res.StatusCode)
			res, _ = do(t, c, request(t, "POST", "http://"+s.address+"/", strings.NewReader(text)))
			require.Equal(t, want, res.StatusCode)
		}
	}
}

// A client that is silent in the middle of its body is told of an upstream that is lost,
// over HTTP/2 at once.
func TestLostUpstreamOfSilentClient(t *testing.T) {
	for _, version := range versions {
		up := backendH2C(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 5))
			panic(http.ErrAbortHandler)
		}))
		s := serve(t, to(up))
		body, send := upload(t)
		go func() { _, _ = io.WriteString(send, "begin") }()
		res, _ := do(t, client(t, version), request(t, "POST", "http://"+s.address+"/", body))
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.Equal(t, string(rpc.UpstreamUnreachable), s.last(t).Reason)
	}
}

// An answer that comes before the body, and lasts, is not cut because nobody wants the
// body any more.
func TestLongEarlyAnswer(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.WriteHeader(http.StatusForbidden)
			for range 8 {
				_, _ = io.WriteString(w, "no ")
				w.(http.Flusher).Flush()
				<-time.After(100 * time.Millisecond)
			}
		})
		s := serve(t, to(up))
		body, _ := upload(t)
		res, text := do(t, client(t, version), request(t, "POST", "http://"+s.address+"/", body))
		require.Equal(t, http.StatusForbidden, res.StatusCode)
		require.Equal(t, strings.Repeat("no ", 8), text)
	})
}
