package outbound_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// counted is a body of any number of bytes that counts those that were read.
type counted struct{ read int }

func (c *counted) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	c.read += len(p)
	return len(p), nil
}

func (*counted) Close() error { return nil }

// TestLimitsBoundWhatIsRead: no more of a body that is too large comes into memory than
// what may, and a little.
func TestLimitsBoundWhatIsRead(t *testing.T) {
	a := newAPI(t)
	for name, test := range map[string]struct {
		method, contentType string
		length              int64
		most                int
	}{
		"file":             {"Send", "image/x", -1, 32 << 10},
		"JSON":             {"Get", jsonType, -1, 256 << 10},
		"announced file":   {"Send", "image/x", 10<<10 + 1, 0},
		"announced JSON":   {"Get", jsonType, 100<<10 + 1, 0},
		"announced, never": {"Get", jsonType, 1 << 40, 0},
	} {
		t.Run(name, func(t *testing.T) {
			body := new(counted)
			o := a.options(t, test.method, stub{send: func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {test.contentType}}, Body: body, ContentLength: test.length}, nil
			}})
			o.MaxMessageBytes, o.MaxJSONBytes = 10<<10, 100<<10
			got := a.target(t, o).do(t, map[string]string{"Get": `name: "books/1"`, "Send": `name: "files/1"`}[test.method])
			require.Equal(t, rpc.UpstreamTooLarge, got.status.Reason, got.status.Message)
			require.LessOrEqual(t, body.read, test.most)
		})
	}
}

// TestLimitsAreInclusive: a body may have as many bytes as a limit says.
func TestLimitsAreInclusive(t *testing.T) {
	a := newAPI(t)
	for method, form := range map[string][2]string{"Get": {`{"name":"`, `"}`}, "Send": {"", ""}} {
		for _, chunked := range []bool{false, true} {
			for over := range 2 {
				body := form[0] + strings.Repeat("x", 1000-len(form[0])-len(form[1])+over) + form[1]
				o := a.options(t, method, connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", jsonType)
					if chunked {
						w.WriteHeader(200)
						_ = http.NewResponseController(w).Flush()
					}
					_, _ = io.WriteString(w, body)
				}), false))
				if o.MaxJSONBytes, o.MaxMessageBytes = 1000, 2000; method == "Send" {
					// The message is the bytes, their type and what stands around them.
					o.MaxJSONBytes, o.MaxMessageBytes = 2000, 1000+len(jsonType)+5
				}
				got := a.target(t, o).do(t, map[string]string{"Get": `name: "books/1"`, "Send": `name: "files/1"`}[method])
				require.Equal(t, over > 0, got.status.Reason == rpc.UpstreamTooLarge, "%s %v %d: %s", method, chunked, over, got.status.Message)
				require.Len(t, got.messages, 1-over)
			}
		}
	}
}

// TestFormsOfJSON: what says that it is JSON is read, and so is what says that it has no
// coding.
func TestFormsOfJSON(t *testing.T) {
	for _, media := range []string{"application/json", "text/json", "application/vnd.books+json", "Application/JSON; charset=utf-8", "application/json;;", ""} {
		for _, method := range []string{"Get", "Watch"} {
			serving(t, method, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{media}
				w.Header().Set("Content-Encoding", "identity")
				_, _ = io.WriteString(w, one)
			}).do(t, map[string]string{"Get": `name: "books/1"`}[method]).want(t, one)
		}
	}
}
