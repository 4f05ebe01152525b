package jq_test

import (
	"testing"
	"time"

	"github.com/itchyny/gojq"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// view is what programs see of a request, of the size that is usual.
func view() map[string]any {
	return map[string]any{
		"method": "GET", "scheme": "https", "host": "books.example", "path": "/v1/shelves/1", "query": map[string]any{},
		"headers": map[string]any{"accept": "*/*", "user-agent": "curl/8", "x-request-id": "1", "authorization": "Bearer x"},
		"body":    nil, "vars": map[string]any{"shelf": "1"}, "client": map[string]any{"address": "192.0.2.1"}, "route": "books",
	}
}

// BenchmarkRun is a run of programs that are usual, with limits, without, and as
// gojq by itself runs them.
func BenchmarkRun(b *testing.B) {
	for name, src := range map[string]string{
		"header":  `.headers["x-a"] = "b"`,
		"headers": `.headers["x-a"] = "b" | .headers["x-b"] = .path | del(.headers.authorization)`,
		"object":  `{headers: (.headers + {"x-a": "\(.method) \(.path)"})}`,
	} {
		for limits, l := range map[string]jq.Limits{"limits": {Time: time.Second, Memory: 64 << 20}, "none": {}} {
			b.Run(name+"/"+limits, func(b *testing.B) {
				p, err := jq.Compile(src, jq.Config{Name: "test", Limits: l})
				require.NoError(b, err)
				in, ctx := any(view()), b.Context()
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.Run(ctx, in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(name+"/gojq", func(b *testing.B) {
			query, err := gojq.Parse(src)
			require.NoError(b, err)
			code, err := gojq.Compile(query)
			require.NoError(b, err)
			in := any(view())
			b.ReportAllocs()
			for b.Loop() {
				code.RunWithContext(b.Context(), in).Next()
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := jq.Compile(`.headers["x-a"] = "b" | .body |= with_entries(.key |= ascii_downcase)`, jq.Config{}); err != nil {
			b.Fatal(err)
		}
	}
}
