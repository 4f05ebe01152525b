package compress_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/filter"
	"github.com/dragoman-gateway/dragoman/filter/compress"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/route"
)

// sink is where answers of benchmarks go.
type sink struct {
	header http.Header
	n      int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { s.n += len(p); return len(p), nil }

// BenchmarkCompress answers with 30 KB of JSON. first-B is what the first answer
// allocates: with its encoder.
func BenchmarkCompress(b *testing.B) {
	body := books(30_000)
	for _, accept := range []string{"no filter", "identity", "gzip", "zstd"} {
		b.Run(strings.ReplaceAll(accept, " ", "-"), func(b *testing.B) {
			next := handler(func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
				h := w.Header()
				h["Content-Type"] = []string{"application/json"}
				h["Content-Length"] = []string{"30000"}
				w.WriteHeader(http.StatusOK)
				_, _ = w.Write(body)
			})
			f, err := compress.New(&configpb.Compression{}, filter.Env{})
			require.NoError(b, err)
			h := f.Wrap(next)
			if accept == "no filter" {
				h = next
			}
			r := &http.Request{Method: http.MethodGet, Header: http.Header{"Accept-Encoding": {accept}}}
			s, x := &sink{header: make(http.Header)}, &route.Exchange{}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&before)
			h.Serve(s, r, x)
			runtime.ReadMemStats(&after)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				clear(s.header)
				s.n = 0
				h.Serve(s, r, x)
			}
			b.ReportMetric(float64(s.n)/float64(len(body)), "ratio")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc), "first-B")
		})
	}
}

func TestChoosingAllocatesNothing(t *testing.T) {
	f, err := compress.New(&configpb.Compression{}, filter.Env{})
	require.NoError(t, err)
	h := f.Wrap(handler(func(http.ResponseWriter, *http.Request, *route.Exchange) {}))
	for _, accept := range []string{"gzip, deflate, br;q=0.5, zstd", "identity"} {
		r := &http.Request{Header: http.Header{"Accept-Encoding": {accept}}}
		s, x := &sink{header: make(http.Header)}, &route.Exchange{}
		n := testing.AllocsPerRun(100, func() {
			clear(s.header)
			h.Serve(s, r, x)
		})
		// The value of Vary.
		require.LessOrEqual(t, n, 1.0, fmt.Sprint(accept))
	}
}
