package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// BenchmarkUnary is what the protocol itself adds to a call, with every option
// off.
func BenchmarkUnary(b *testing.B) {
	a := newAPI(b)
	wire := a.wire(b, "Req", `name: "a" i32: 5 sub { name: "s" tags: "x" tags: "y" } color: RED`)
	head := rpc.Header{{Name: "x-a", Value: "b"}}
	h := a.handler(b, "R1", local(func(_ context.Context, call *rpc.Call, sink rpc.Sink) {
		call.Request.Release()
		answer := rpc.NewBuffer()
		answer.B = append(answer.B, wire...)
		sink.Head(head)
		_ = sink.Message(answer)
		sink.End(rpc.Status{}, nil)
	}))
	r := httptest.NewRequest(http.MethodGet, "/v1/things/a?i32=1", nil)
	w := discard{http.Header{}}
	x := &route.Exchange{Path: "/v1/things/a", Captures: []route.Span{{Start: 11, End: 12}}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.Serve(w, r, x)
	}
}
