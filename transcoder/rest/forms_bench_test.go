package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// flushed is a response writer that costs nothing, flushing included.
type flushed struct{ discard }

func (flushed) Flush() {}

func (flushed) SetWriteDeadline(time.Time) error { return nil }

// benchForms are what a stream can travel in, with all that costs something.
var benchForms = []struct {
	name   string
	change func(*transcoder.Stream)
}{
	{"array", func(s *transcoder.Stream) { s.Form = transcoder.FormArray }},
	{"ndjson", func(s *transcoder.Stream) { s.Form = transcoder.FormLines }},
	{"sse", func(s *transcoder.Stream) { s.Form = transcoder.FormEvents }},
	{"sse with type and id", func(s *transcoder.Stream) {
		s.Form, s.EventField, s.IDField = transcoder.FormEvents, "name", "i32"
	}},
	{"ndjson with idle_timeout", func(s *transcoder.Stream) { s.Form, s.IdleTimeout = transcoder.FormLines, time.Hour }},
}

// streamOf serves streams of as many small messages as count says.
func streamOf(t testing.TB, count *int, change func(*transcoder.Stream)) func() {
	t.Helper()
	a := newAPI(t)
	wire := a.wire(t, "Req", `name: "a" i32: 5 sub { name: "s" tags: "x" tags: "y" } color: RED`)
	settings := transcoder.DefaultSettings()
	change(&settings.Stream)
	routes, err := rest.New().Routes(a.endpoint(t, a.method(t, "R14"), local(func(_ context.Context, call *rpc.Call, sink rpc.Sink) {
		call.Request.Release()
		for range *count {
			b := rpc.NewBuffer()
			b.B = append(b.B, wire...)
			_ = sink.Message(b)
		}
		sink.End(rpc.Status{}, nil)
	}), &settings))
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/v1/stream/a", nil)
	w := flushed{discard{http.Header{}}}
	x := &route.Exchange{Path: "/v1/stream/a", Captures: []route.Span{{Start: 11, End: 12}}}
	return func() {
		clear(w.header)
		routes[0].Handler.Serve(w, r, x)
	}
}

// TestAllocationsPerMessage: a long stream allocates what a short one does.
func TestAllocationsPerMessage(t *testing.T) {
	if rest.RaceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	for _, form := range benchForms {
		t.Run(form.name, func(t *testing.T) {
			count := 0
			serve := streamOf(t, &count, form.change)
			measure := func(n int) float64 {
				count = n
				return testing.AllocsPerRun(20, serve)
			}
			const more = 5000
			few := measure(100)
			// The queue's list grows, and pools forget now and then.
			require.Less(t, measure(100+more)-few, 0.01*more)
		})
	}
}

// BenchmarkStreamMessage is what a message of a stream costs.
func BenchmarkStreamMessage(b *testing.B) {
	for _, form := range benchForms {
		b.Run(form.name, func(b *testing.B) {
			count := b.N
			serve := streamOf(b, &count, form.change)
			b.ReportAllocs()
			b.ResetTimer()
			serve()
		})
	}
}
