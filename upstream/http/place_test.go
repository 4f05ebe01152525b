package http_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamhttp "github.com/dragoman-gateway/dragoman/upstream/http"
)

func onePlace() *configpb.UpstreamLimits {
	return &configpb.UpstreamLimits{Requests: proto.Uint32(1), Waiting: proto.Uint32(0)}
}

// Whatever way a request ends, it gives its place back, once: were it twice, there would
// be two places afterwards.
func TestPlaces(t *testing.T) {
	for _, version := range []string{"http1", "http2"} {
		for _, test := range []struct {
			name string
			end  func(t *testing.T, up upstream.HTTP)
		}{
			{"an answer that is read and closed", func(t *testing.T, up upstream.HTTP) {
				resp, err := up.Send(request(t, http.MethodGet, "/long", nil), nil)
				require.NoError(t, err)
				full(t, up)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				_, err = resp.Body.Read(make([]byte, 1))
				require.Equal(t, io.EOF, err)
				require.NoError(t, resp.Body.Close())
				_ = resp.Body.Close()
			}},
			{"an answer that is closed", func(t *testing.T, up upstream.HTTP) {
				resp, err := up.Send(request(t, http.MethodGet, "/endless", nil), nil)
				require.NoError(t, err)
				full(t, up)
				require.NoError(t, resp.Body.Close())
				_, err = resp.Body.Read(make([]byte, 1))
				require.Error(t, err)
			}},
			{"an answer without a body", func(t *testing.T, up upstream.HTTP) {
				resp, err := up.Send(request(t, http.MethodGet, "/empty", nil), nil)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
			}},
			{"HEAD", func(t *testing.T, up upstream.HTTP) {
				resp, err := up.Send(request(t, http.MethodHead, "/long", nil), nil)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
			}},
			{"an answer that breaks off", func(t *testing.T, up upstream.HTTP) {
				resp, err := up.Send(request(t, http.MethodGet, "/broken", nil), nil)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, resp.Body)
				require.Error(t, err)
				_ = resp.Body.Close()
			}},
			{"none", func(t *testing.T, up upstream.HTTP) { refusal(t, up, request(t, http.MethodPost, "/none", nil)) }},
		} {
			t.Run(version+" "+test.name, func(t *testing.T) {
				stop := make(chan struct{})
				address := serveBoth(t, func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/long":
						_, _ = w.Write(make([]byte, 1<<20))
					case "/endless":
						_ = http.NewResponseController(w).Flush()
						select {
						case <-r.Context().Done():
						case <-stop:
						}
					case "/broken":
						_, _ = io.WriteString(w, "text")
						_ = http.NewResponseController(w).Flush()
						panic(http.ErrAbortHandler)
					case "/none":
						panic(http.ErrAbortHandler)
					}
				})
				t.Cleanup(func() { close(stop) })
				up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address, Version: version, Limits: onePlace()})
				for range 2 {
					test.end(t, up)
				}
				resp, err := up.Send(request(t, http.MethodGet, "/endless", nil), nil)
				require.NoError(t, err, "the place was given back")
				full(t, up)
				require.NoError(t, resp.Body.Close())
			})
		}
	}
}

func TestStatusesThatEject(t *testing.T) {
	for _, test := range []struct {
		status  int
		failure bool
	}{{200, false}, {404, false}, {429, false}, {500, false}, {501, false}, {502, true}, {503, true}, {504, true}} {
		bad := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, "text")
		}).Listener.Addr().String()
		good := serve(t, func(http.ResponseWriter, *http.Request) {}).Listener.Addr().String()
		up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://legacy", Endpoints: []string{bad, good},
			Ejection: &configpb.Ejection{Failures: proto.Uint32(2)}})
		for range 2 {
			resp, err := up.Send(request(t, http.MethodGet, "/", nil), &upstream.Tried{good})
			require.NoError(t, err)
			require.Equal(t, test.status, resp.StatusCode, "answers pass, whatever they are")
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		require.Equal(t, test.failure, ejected(t, up, bad), "%d", test.status)
	}
}

func TestConnectionLimit(t *testing.T) {
	for _, version := range []string{"http1", "auto"} {
		release := make(chan struct{})
		var mu sync.Mutex
		remotes := make(map[string]bool)
		server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			remotes[r.RemoteAddr] = true
			mu.Unlock()
			<-release
		})
		up := newUpstream(t, &configpb.HTTPUpstream{Url: server.URL, Version: version, ConnectTimeout: durationpb.New(time.Second),
			Limits: &configpb.UpstreamLimits{Connections: proto.Uint32(2), WaitTimeout: durationpb.New(100 * time.Millisecond)}})
		var wg sync.WaitGroup
		for range 2 {
			connected := make(chan struct{})
			r := request(t, http.MethodGet, "/", nil)
			r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { close(connected) }}))
			wg.Go(func() {
				resp, err := up.Send(r, nil)
				if err == nil {
					_ = resp.Body.Close()
				} else {
					t.Errorf("a request with a connection: %v", err)
				}
			})
			<-connected
		}
		got := refusal(t, up, request(t, http.MethodPost, "/", nil))
		require.Equal(t, rpc.UpstreamOverloaded, got.Reason, "%v", got)
		require.True(t, got.NotSent)
		require.Positive(t, got.RetryAfter)
		close(release)
		wg.Wait()
		send(t, up, request(t, http.MethodGet, "/", nil))
		require.Len(t, remotes, 2)
	}
}

func TestExpectContinue(t *testing.T) {
	for _, test := range []struct {
		name, path string
		read       bool
		status     int
	}{
		{"the body is wanted", "/take", true, http.StatusOK},
		{"it is not", "/refuse", false, http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/refuse" {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				_, _ = io.Copy(w, r.Body)
			})
			up := newUpstream(t, &configpb.HTTPUpstream{Url: server.URL})
			body := &watchedReader{Reader: strings.NewReader("text")}
			r := request(t, http.MethodPost, test.path, body)
			r.ContentLength = 4
			r.Header.Set("Expect", "100-continue")
			got := send(t, up, r)
			require.Equal(t, test.status, got.StatusCode)
			require.Equal(t, test.read, body.read())
		})
	}
}

// watchedReader remembers whether it was read.
type watchedReader struct {
	io.Reader
	mu  sync.Mutex
	was bool
}

func (r *watchedReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.was = true
	return r.Reader.Read(p)
}

func (r *watchedReader) read() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.was
}

func TestBodiesAreStreamed(t *testing.T) {
	for _, version := range []string{"http1", "http2"} {
		address := serveBoth(t, func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			_ = control.EnableFullDuplex()
			_ = control.Flush()
			buf := make([]byte, 4)
			for {
				if _, err := io.ReadFull(r.Body, buf); err != nil {
					return
				}
				_, _ = w.Write(buf)
				_ = control.Flush()
			}
		})
		up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address, Version: version})
		in, out := io.Pipe()
		resp, err := up.Send(request(t, http.MethodPost, "/", in), nil)
		require.NoError(t, err)
		buf := make([]byte, 4)
		for _, text := range []string{"one.", "two."} {
			_, err := io.WriteString(out, text)
			require.NoError(t, err)
			_, err = io.ReadFull(resp.Body, buf)
			require.NoError(t, err)
			require.Equal(t, text, string(buf))
		}
		require.NoError(t, out.Close())
		_, err = resp.Body.Read(buf)
		require.Equal(t, io.EOF, err)
		require.NoError(t, resp.Body.Close())
	}
}

// What a service may send ahead of answers that nobody reads is what it is told.
func TestWindows(t *testing.T) {
	settings := make(chan http2.Frame, 10)
	address := raw(t, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		fr := http2.NewFramer(conn, conn)
		for range 2 {
			frame, err := fr.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				window, _ := frame.Value(http2.SettingInitialWindowSize)
				if window != 64<<10 {
					t.Errorf("window of a stream: %d", window)
				}
			case *http2.WindowUpdateFrame:
				if frame.Increment != 1<<20 {
					t.Errorf("window of the connection: %d more", frame.Increment)
				}
			default:
				t.Errorf("a %v", frame)
			}
			settings <- frame
		}
	})
	up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address, Version: "http2"})
	refusal(t, up, request(t, http.MethodPost, "/", nil))
	require.Len(t, settings, 2)
}

// Requests are the caller's: the same one can be sent again, elsewhere.
func TestRequestsAreNotChanged(t *testing.T) {
	server := serveBoth(t, func(http.ResponseWriter, *http.Request) {})
	for _, version := range []string{"http1", "http2"} {
		up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + server + "/base", Version: version})
		r := request(t, http.MethodPost, "/a%2Fb?c", nil)
		r.Header.Set("User-Agent", "curl/8")
		r.Header.Set("Idempotency-Key", "1")
		before := r.Clone(t.Context())
		send(t, up, r)
		require.Equal(t, before.URL, r.URL)
		require.Equal(t, before.Header, r.Header)
		require.Equal(t, before.Host, r.Host)
		require.Nil(t, r.Body)
	}
}

func TestCloseWaitsForAnswers(t *testing.T) {
	closed := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "text")
	})
	made, err := upstreamhttp.New(&configpb.HTTPUpstream{Url: server.URL}, upstream.Env{Name: "legacy"})
	require.NoError(t, err)
	up := made.(upstream.HTTP)
	resp, err := up.Send(request(t, http.MethodGet, "/", nil), nil)
	require.NoError(t, err)
	go func() {
		defer close(closed)
		_ = up.Close()
	}()
	select {
	case <-closed:
		require.Fail(t, "closed before the end of the answer")
	case <-time.After(50 * time.Millisecond):
	}
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "text", string(body))
	<-closed
}
