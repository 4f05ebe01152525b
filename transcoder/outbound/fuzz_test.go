package outbound_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// pieces is a body that comes in pieces, and ends with an error if it is cut.
type pieces struct {
	rest []byte
	size int
	end  error
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, p.end
	}
	n := copy(b[:min(len(b), p.size)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

var errCut = errors.New("cut")

// FuzzAnswer takes any answer in any pieces: nothing panics, an answer that is cut is
// never OK, what comes out is valid and does not depend on the pieces.
func FuzzAnswer(f *testing.F) {
	methods := []string{"Put", "List", "Send", "Fetch", "Bare", "Watch", "Faults", "Numbers", "Download"}
	for i := range methods {
		for _, seed := range []struct {
			status            int
			contentType, body string
		}{
			{200, jsonType, one}, {200, jsonType, `[` + one + `,{"error":{"code":5}}]`}, {200, lines, one + "\n" + one},
			{200, events, "data: " + one + "\n\nevent: error\ndata: {\"code\":3}\n\n"}, {200, "image/x", "\x00\xff"},
			{200, jsonType, `{"result":` + one + "}\n" + `{"error":{"code":5,"message":"m"}}`},
			{404, jsonType, `{"error":{"code":404,"status":"NOT_FOUND","message":"m","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"R"}]}}`},
			{500, "text/plain", "sorry"}, {302, "", ""}, {204, "", ""}, {200, jsonType, `[1,"2"]`},
		} {
			f.Add(uint8(i), seed.status, seed.contentType, []byte(seed.body), uint8(i), false)
			f.Add(uint8(i), seed.status, seed.contentType, []byte(seed.body), uint8(0), true)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, status int, contentType string, body []byte, size uint8, cut bool) {
		a := newAPI(t)
		if status < 200 || status > 999 {
			status = 200
		}
		end := io.EOF
		if cut {
			end = errCut
		}
		method := methods[int(which)%len(methods)]
		run := func(size int) result {
			o := a.options(t, method, stub{send: func(*http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, ContentLength: -1,
					Body: io.NopCloser(&pieces{bytes.Clone(body), size, end}),
				}, nil
			}})
			o.MaxMessageBytes, o.MaxJSONBytes, o.MaxDepth = 1<<16, 1<<16, 20
			return a.target(t, o).do(t, map[string]string{"Send": `name: "files/1"`}[method])
		}
		got := run(int(size) + 1)
		if cut && got.status.Code == codes.OK {
			t.Fatalf("an answer that was cut is OK: %v", got.messages)
		}
		if got.status.Code > codes.Unauthenticated || status/100 != 2 && got.status.Code == codes.OK {
			t.Fatalf("status %d became %d", status, got.status.Code)
		}
		if !a.options(t, method, nil).Method.ServerStreaming && (got.status.Code == codes.OK) != (len(got.messages) == 1) {
			t.Fatalf("%d messages with code %d", len(got.messages), got.status.Code)
		}
		if len(got.status.Details) > 0 && got.status.Reason == "" {
			got.details(t)
		}
		whole := run(1 << 20)
		if whole.status.Code != got.status.Code && whole.status.Reason != rpc.UpstreamTooLarge && got.status.Reason != rpc.UpstreamTooLarge {
			t.Fatalf("in pieces %v %q, whole %v %q", got.status.Code, got.status.Message, whole.status.Code, whole.status.Message)
		}
		if method != "Download" && got.status.Code == codes.OK && len(got.messages) != len(whole.messages) {
			t.Fatalf("in pieces %v, whole %v", got.messages, whole.messages)
		}
	})
}
