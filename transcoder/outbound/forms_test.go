package outbound_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// TestMarksInPieces: a byte order mark is found wherever the bytes were cut, and nowhere
// else.
func TestMarksInPieces(t *testing.T) {
	a := newAPI(t)
	for _, size := range []int{1, 2, 3, 4, 100} {
		for body, want := range map[string][]string{
			"\ufeff[" + one + "]":   {one},
			"\ufeff" + one + "\n":   {one},
			"\ufeff":                nil,
			"\ufeff\n":              nil,
			one + "\n" + one + "\n": {one, one},
		} {
			g := a.target(t, a.options(t, "Watch", pieced(size, lines, body)))
			g.do(t, "").want(t, want...)
		}
		for _, body := range []string{"\ufeff\ufeff" + one, one + "\n\ufeff" + one, "\xef\xbb" + one, "\xef\xbb"} {
			got := a.target(t, a.options(t, "Watch", pieced(size, lines, body))).do(t, "")
			require.Equal(t, rpc.UpstreamProtocol, got.status.Reason, "%q", body)
		}
	}
	serving(t, "Get", answering(200, jsonType, "\ufeff"+one)).do(t, `name: "books/1"`).want(t, one)
}

// pieced is an upstream whose answer comes in pieces of this size.
func pieced(size int, contentType, body string) upstream.HTTP {
	return stub{send: func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Content-Type": {contentType}}, ContentLength: -1,
			Body: io.NopCloser(&pieces{[]byte(body), size, io.EOF}),
		}, nil
	}}
}

// TestCharsets: JSON is UTF-8 whatever an answer says of it, and an error tells what it
// says.
func TestCharsets(t *testing.T) {
	for _, name := range []string{"utf-8", "UTF-8", "us-ascii", "iso-8859-1"} {
		serving(t, "Get", answering(200, "application/json;charset="+name, one)).do(t, `name: "books/1"`).want(t, one)
	}
	wide := ""
	for _, unit := range utf16.Encode([]rune(one)) {
		wide += string([]byte{byte(unit), byte(unit >> 8)})
	}
	for charset, body := range map[string]string{"iso-8859-1": `{"title":"caf` + "\xe9" + `"}`, "utf-16le": wide} {
		for _, method := range []string{"Get", "Watch"} {
			got := serving(t, method, answering(200, `application/json; charset="`+charset+`"`, body)).do(t, map[string]string{"Get": `name: "books/1"`}[method])
			require.Equal(t, rpc.UpstreamProtocol, got.status.Reason)
			require.Contains(t, got.status.Message, `its charset is "`+charset+`", where JSON is UTF-8`)
			require.Empty(t, got.messages)
		}
	}
	got := serving(t, "Get", answering(200, "application/json; charset=utf-8", "{")).do(t, `name: "books/1"`)
	require.NotContains(t, got.status.Message, "charset")
}

// TestPagesInsteadOfJSON: what answers in the service's place, a login page or a proxy's,
// is no message, and what it is can be told from the error.
func TestPagesInsteadOfJSON(t *testing.T) {
	for method, want := range map[string]string{"Get": "where JSON is wanted", "Watch": "where JSON, NDJSON or server-sent events are wanted"} {
		for _, body := range []string{"<html>", one} {
			got := serving(t, method, answering(200, "text/html; charset=utf-8", body)).do(t, map[string]string{"Get": `name: "books/1"`}[method])
			require.Equal(t, rpc.UpstreamProtocol, got.status.Reason)
			require.Equal(t, `upstream "web" answered with the content type "text/html", `+want, got.status.Message)
			require.Empty(t, got.messages)
		}
	}
}

// TestDeepStreams: nesting has a limit in elements, too, and costs no stack before that.
func TestDeepStreams(t *testing.T) {
	deep := strings.Repeat("[", 1<<20)
	for _, body := range []string{
		`{"x":` + deep, `[{"x":` + deep, `{"result":` + deep, `{"error":{"details":` + deep,
		`{"x":` + deep + strings.Repeat("]", 1<<20) + `}`, `{"result":{"x":` + deep + strings.Repeat("]", 1<<20) + `}}`,
	} {
		got := serving(t, "Watch", answering(200, lines, body)).do(t, "")
		require.Equal(t, rpc.UpstreamProtocol, got.status.Reason, "%.30s", body)
		require.Empty(t, got.messages)
	}
	for _, contentType := range []string{lines, events} {
		body := `{"error":{"code":5,"details":[` + deep + strings.Repeat("]", 1<<20) + `]}}`
		if contentType == events {
			body = "data: " + body + "\n\n"
		}
		got := serving(t, "Watch", answering(200, contentType, body)).do(t, "")
		require.NotZero(t, got.status.Code)
		require.Empty(t, got.messages)
	}
}
