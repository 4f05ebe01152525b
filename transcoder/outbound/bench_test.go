package outbound_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// discard is a sink that counts messages.
type discard struct {
	messages int
	status   rpc.Status
}

func (*discard) Head(rpc.Header) {}

func (d *discard) Message(msg *rpc.Buffer) error {
	d.messages++
	msg.Release()
	return nil
}

func (d *discard) End(st rpc.Status, _ rpc.Header) { d.status = st }

// BenchmarkDo is a call without a network: what this package adds.
func BenchmarkDo(b *testing.B) {
	for _, test := range []struct{ name, method, request, contentType, answer string }{
		{"get", "Get", `name: "books/1"`, jsonType, one},
		{"put", "Put", `name: "books/1" title: "t"`, jsonType, one},
		{"array of 100", "Watch", ``, jsonType, "[" + strings.Repeat(one+",", 99) + one + "]"},
		{"100 events", "Watch", ``, events, strings.Repeat("data: "+one+"\n\n", 100)},
	} {
		b.Run(test.name, func(b *testing.B) {
			a := newAPI(b)
			header := http.Header{"Content-Type": {test.contentType}}
			g := a.target(b, a.options(b, test.method, stub{send: func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(strings.NewReader(test.answer)), ContentLength: int64(len(test.answer))}, nil
			}}))
			call := g.call(b, test.request)
			wire := string(call.Request.B)
			up := g.Upstream.(rpc.Doer)
			b.ReportAllocs()
			for b.Loop() {
				call.Request = rpc.NewBuffer()
				call.Request.B = append(call.Request.B, wire...)
				var d discard
				up.Do(b.Context(), call, &d)
				require.Zero(b, d.status.Code)
			}
		})
	}
}
