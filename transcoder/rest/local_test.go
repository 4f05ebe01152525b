package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// local is an upstream in this process: it does what it says on a goroutine of
// its own, or on the caller's.
type local func(ctx context.Context, call *rpc.Call, sink rpc.Sink)

var (
	_ rpc.Upstream = local(nil)
	_ rpc.Doer     = local(nil)
)

type localStream struct{ context.CancelFunc }

func (localStream) Send(*rpc.Buffer) error { return rpc.ErrAborted }
func (localStream) CloseSend()             {}
func (s localStream) Cancel()              { s.CancelFunc() }

func (l local) Start(ctx context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	ctx, cancel := context.WithCancel(ctx)
	go l(ctx, call, sink)
	return localStream{cancel}
}

func (l local) Do(ctx context.Context, call *rpc.Call, sink rpc.Sink) { l(ctx, call, sink) }

// handler is the route of a method's first rule.
func (a *api) handler(t testing.TB, name protoreflect.Name, up rpc.Upstream) route.Handler {
	t.Helper()
	settings := transcoder.DefaultSettings()
	return a.handlerWith(t, name, up, &settings)
}

func (a *api) handlerWith(t testing.TB, name protoreflect.Name, up rpc.Upstream, s *transcoder.Settings) route.Handler {
	t.Helper()
	routes, err := rest.New().Routes(a.endpoint(t, a.method(t, name), up, s))
	require.NoError(t, err)
	return routes[0].Handler
}

// stalled is a response writer whose client stops reading after the first write.
type stalled struct {
	*httptest.ResponseRecorder
	writes chan int
}

func (s stalled) Write(p []byte) (int, error) {
	s.writes <- len(p)
	return s.ResponseRecorder.Write(p)
}

// numbers answers with count messages of size bytes each and counts those that
// were taken.
func numbers(count, size int, taken *int) local {
	return func(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
		call.Request.Release()
		text := strings.Repeat("x", size-4)
		for range count {
			b := rpc.NewBuffer()
			b.B = append(b.B, 0x0a, byte(len(text)&0x7f|0x80), byte(len(text)>>7))
			b.B = append(b.B, text...)
			if sink.Message(b) != nil {
				break
			}
			*taken++
		}
		sink.End(rpc.Status{}, nil)
	}
}

func TestSlowClient(t *testing.T) {
	api := newAPI(t)
	t.Run("F16", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const size = 1000
			taken := 0
			h := api.handler(t, "R14", numbers(10_000, size, &taken))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := stalled{httptest.NewRecorder(), make(chan int)}
			done := make(chan any)
			go func() {
				defer func() { done <- recover() }()
				r := httptest.NewRequest("GET", "/v1/stream/n", nil).WithContext(ctx)
				h.Serve(w, r, &route.Exchange{Path: "/v1/stream/n", Captures: []route.Span{{Start: 11, End: 12}}})
			}()
			synctest.Wait()
			require.LessOrEqual(t, taken*size, 64<<10+16<<10+size, "read ahead of a client that takes nothing")
			before := taken
			<-w.writes
			synctest.Wait()
			require.Greater(t, taken, before, "reading goes on as soon as the client does")
			cancel()
			for {
				select {
				case <-w.writes:
					continue
				case got := <-done:
					require.Equal(t, http.ErrAbortHandler, got)
				}
				break
			}
			synctest.Wait()
			require.Less(t, taken, 10_000)
		})
	})
}

// While messages keep coming, no more than 16 KiB and one element are held back.
func TestStreamWriteSize(t *testing.T) {
	api := newAPI(t)
	synctest.Test(t, func(t *testing.T) {
		const size = 1000
		taken := 0
		h := api.handler(t, "R14", numbers(1000, size, &taken))
		w := stalled{httptest.NewRecorder(), make(chan int)}
		go func() {
			defer close(w.writes)
			r := httptest.NewRequest("GET", "/v1/stream/n", nil)
			h.Serve(w, r, &route.Exchange{Path: "/v1/stream/n", Captures: []route.Span{{Start: 11, End: 12}}})
		}()
		largest := 0
		for n := range w.writes {
			largest = max(largest, n)
			synctest.Wait() // the upstream is faster than the client
		}
		// How much is there when the client is ready depends on the scheduler.
		require.Greater(t, largest, 8<<10)
		require.LessOrEqual(t, largest, 16<<10+size+20)
		require.Equal(t, 1000, strings.Count(w.Body.String(), "name"))
	})
}

// An upstream that breaks its contract makes an error, not half an answer.
func TestUpstreamWithoutOneMessage(t *testing.T) {
	api := newAPI(t)
	for name, up := range map[string]local{
		"none": func(_ context.Context, call *rpc.Call, sink rpc.Sink) {
			call.Request.Release()
			sink.End(rpc.Status{}, nil)
		},
		"two": func(_ context.Context, call *rpc.Call, sink rpc.Sink) {
			_ = sink.Message(call.Request)
			if sink.Message(rpc.NewBuffer()) == nil {
				panic("the second message was taken")
			}
			sink.End(rpc.Status{}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			x := &route.Exchange{Path: "/v1/things/n", Captures: []route.Span{{Start: 11, End: 12}}}
			api.handler(t, "R1", up).Serve(w, httptest.NewRequest("GET", "/v1/things/n", nil), x)
			require.Equal(t, http.StatusBadGateway, w.Code)
			require.Equal(t, string(rpc.UpstreamProtocol), x.Reason)
		})
	}
}

// discard is a response writer that costs nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func (discard) SetReadDeadline(time.Time) error { return nil }

// echoed is a local upstream that allocates nothing.
func echoed(_ context.Context, call *rpc.Call, sink rpc.Sink) {
	_ = sink.Message(call.Request)
	sink.End(rpc.Status{}, nil)
}

func TestAllocations(t *testing.T) {
	if rest.RaceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	serve := newServe(t)
	// The two are Content-Length: its list and its text.
	require.LessOrEqual(t, testing.AllocsPerRun(200, serve), 3.0)
}

func BenchmarkServe(b *testing.B) {
	serve := newServe(b)
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}

// newServe gives a function that serves one small request.
func newServe(t testing.TB) func() {
	h := newAPI(t).handler(t, "R8", local(echoed))
	const body = `{"i32":3,"sub":{"name":"some name","tags":["a","b"]},"rs":["1","2"],"snakeName":"some longer text, to make 100 bytes or more"}`
	reader := strings.NewReader(body)
	r := httptest.NewRequest("POST", "/v1/star/p", reader)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "test")
	w := discard{http.Header{}}
	x := &route.Exchange{Path: "/v1/star/p", Captures: []route.Span{{Start: 9, End: 10}}}
	return func() {
		reader.Reset(body)
		clear(w.header)
		h.Serve(w, r, x)
		if x.Code != 0 {
			t.Fatal(x.Reason, x.Error)
		}
	}
}
