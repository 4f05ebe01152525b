package header_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/route"
)

// usual is a request as browsers send it, with edits as they are usual.
func usual(t testing.TB) (*header.Edits, *http.Request) {
	t.Helper()
	l := header.List{
		Set:    []header.Value{{Name: "x-env", Text: "prod"}, {Name: "x-tenant", Text: "acme"}},
		Append: []header.Value{{Name: "x-via", Text: "dragoman"}},
		Remove: []string{"server", "x-internal-*"},
	}
	e, err := header.Merge(both(l))
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/v1/books/1", nil)
	for _, name := range []string{"accept", "accept-encoding", "accept-language", "authorization", "cookie", "referer", "user-agent", "x-internal-role", "x-request-id"} {
		r.Header.Set(name, "a value")
	}
	return e, r
}

func BenchmarkText(b *testing.B) {
	e, r := usual(b)
	x := &route.Exchange{}
	b.Run("request", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = e.Request(r, x)
		}
	})
	b.Run("response", func(b *testing.B) {
		h := http.Header{}
		values := []string{"a value"}
		b.ReportAllocs()
		for b.Loop() {
			clear(h)
			h["Content-Type"], h["Content-Length"], h["Server"], h["X-Internal-Time"] = values, values, values, values
			_ = e.EditHead(h, http.StatusOK, r, x)
		}
	})
	b.Run("none", func(b *testing.B) {
		var none *header.Edits
		b.ReportAllocs()
		for b.Loop() {
			_, _ = none.Request(r, x)
			_ = none.EditHead(r.Header, http.StatusOK, r, x)
		}
	})
}

func BenchmarkExpression(b *testing.B) {
	_, r := usual(b)
	e, err := header.Merge(&header.Spec{Request: header.List{Set: []header.Value{{Name: "x-tenant", Program: program(b, `.headers["x-request-id"]`)}}}})
	require.NoError(b, err)
	x := &route.Exchange{}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = e.Request(r, x)
	}
}

// TestAllocations: a request costs a copy of itself and of its header, and what is
// appended; an answer what is appended.
func TestAllocations(t *testing.T) {
	e, r := usual(t)
	x := &route.Exchange{}
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = e.Request(r, x) }), 7.0)
	h := http.Header{}
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		clear(h)
		_ = e.EditHead(h, http.StatusOK, r, x)
	}), 1.0)
	var none *header.Edits
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = none.Request(r, x)
		_ = none.EditHead(h, http.StatusOK, r, x)
	}))
}
