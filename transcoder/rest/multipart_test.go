package rest_test

import (
	"bytes"
	"compress/gzip"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

func multiparts(s *transcoder.Settings) { s.Multipart = true }

// form is a multipart form of parts that are written as their headers, without
// Content-Disposition: form-data;, an empty line, and the content.
func form(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("--x\r\nContent-Disposition: form-data; " + part + "\r\n")
	}
	return b.String() + "--x--\r\n"
}

const formHeader = "Content-Type: multipart/form-data; boundary=x"

func TestMultipart(t *testing.T) {
	g := newGateway(t, multiparts, func(s *transcoder.Settings) { s.MaxQueryParameters = 5; s.MaxRequestBytes = 100 << 10 })
	field := func(name, value string) string { return `name="` + name + "\"\r\n\r\n" + value }
	for _, c := range []struct {
		name, line, body string
		header           string
		status           int
		// want is the request message as the upstream echoes it, or a part of the
		// error's message.
		want   string
		reason rpc.Reason
	}{
		{name: "C40", body: form(field("i32", "3"), field("sub.name", "a b"), "name=\"by\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\xff\r\n--y\r\n"),
			want: `{"name":"p","i32":3,"by":"/w0KLS15DQo=","sub":{"name":"a b"}}`},
		{name: "nothing", body: form(), want: `{"name":"p"}`},
		{name: "preamble and epilogue", body: "to be ignored\r\n" + form(field("i32", "3")) + "and this", want: `{"name":"p","i32":3}`},
		{name: "line feeds", body: "--x\nContent-Disposition: form-data; name=i32\n\n3\n--x--\n", want: `{"name":"p","i32":3}`},
		{name: "quoted boundary", header: `Content-Type: Multipart/Form-Data; charset=utf-8; boundary="x"`, body: form(field("i32", "3")), want: `{"name":"p","i32":3}`},
		{name: "JSON", body: form("name=\"sub\"\r\nContent-Type: application/json\r\n\r\n{\"name\":\"s\"}"), want: `{"name":"p","sub":{"name":"s"}}`},
		{name: "encoding", body: form("name=\"i32\"\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n3"), want: `{"name":"p","i32":3}`},
		{name: "largest", body: form("name=by; filename=a\r\n\r\n" + strings.Repeat("x", 90<<10)), want: strings.Repeat("eHh4", 30<<10)},
		{name: "bytes without a file name", line: "POST /v1/star/p", body: form(field("by", "YQ")), want: `{"name":"p","by":"WVE="}`},
		{name: "in a field", line: "PATCH /v1/body/p?i32=9", body: form(field("tags", "a"), field("tags", "b")), want: `{"name":"p","i32":9,"sub":{"tags":["a","b"]}}`},

		{name: "unknown", body: form(field("nope", "1")), status: 400, want: `form parameter \"nope\"`},
		{name: "list body", line: "POST /v1/rep/p", body: form(), status: 415, want: "neither a file nor a message", reason: rpc.UnsupportedMediaType},
		{name: "no boundary", header: "Content-Type: multipart/form-data", body: form(), status: 400, want: "boundary"},
		{name: "bad boundary", header: `Content-Type: multipart/form-data; boundary="ä"`, body: form(), status: 400, want: "boundary"},
		{name: "long boundary", header: `Content-Type: multipart/form-data; boundary=` + strings.Repeat("x", 71), body: form(), status: 400, want: "boundary"},
		{name: "bad parameters", header: `Content-Type: multipart/form-data; boundary=x; boundary=y`, body: form(), status: 400, want: "malformed"},
		{name: "another boundary", header: `Content-Type: multipart/form-data; boundary=y`, body: form(), status: 400, want: "not whole"},
		{name: "empty", body: "", status: 400, want: "not whole"},
		{name: "cut in the content", body: "--x\r\nContent-Disposition: form-data; name=i32\r\n\r\n3", status: 400, want: "in or before part 1"},
		{name: "cut in the second head", body: "--x\r\nContent-Disposition: form-data; name=i32\r\n\r\n3\r\n--x\r\nContent", status: 400, want: "part 2 of the form"},
		{name: "cut in the last boundary", body: strings.TrimSuffix(form(field("i32", "3")), "-\r\n"), status: 400, want: "not whole"},
		{name: "bad header", body: "--x\r\nnonsense\r\n\r\n3\r\n--x--", status: 400, want: "part 1 of the form is malformed"},
		{name: "no name", body: form("x=y\r\n\r\n3"), status: 400, want: "part 1 of the form: it needs"},
		{name: "no disposition", body: "--x\r\n\r\n3\r\n--x--", status: 400, want: "it needs"},
		{name: "attachment", body: "--x\r\nContent-Disposition: attachment; name=i32\r\n\r\n3\r\n--x--", status: 400, want: "it needs"},
		{name: "two dispositions", body: form("name=i32\r\nContent-Disposition: form-data; name=b\r\n\r\n3"), status: 400, want: "twice"},
		{name: "base64", body: form(field("i32", "3"), "name=by\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ=="), status: 400, want: `part 2 of the form: the content-transfer-encoding \"base64\" of \"by\"`},
		{name: "nested", body: form("name=by\r\nContent-Type: Multipart/mixed; boundary=y\r\n\r\n--y--"), status: 400, want: "itself of several parts"},
		{name: "no media type", body: form("name=by\r\nContent-Type: png\r\n\r\n"), status: 400, want: "not a media type"},
		{name: "most parts", body: form(field("rs", "1"), field("rs", "1"), field("rs", "1"), field("rs", "1"), field("rs", "1")), want: `"rs":["1","1","1","1","1"]`},
		{name: "too many parts", body: form(field("rs", "1"), field("rs", "1"), field("rs", "1"), field("rs", "1"), field("rs", "1"), field("rs", "1")), status: 400, want: "more than 5 parts"},
		{name: "long head", body: form(field("i32", "3"), "name=b\r\nX-Long: "+strings.Repeat("x", 30<<10)+"\r\n\r\ntrue"), status: 400, want: "part 2 of the form: there are more than 16384 bytes"},
		{name: "too large", body: form(field("rs", strings.Repeat("x", 101<<10))), status: 413, want: "102400", reason: rpc.RequestTooLarge},
		{name: "body is not wanted", line: "GET /v1/things/p", body: "x", want: `{"name":"p"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			line, header := c.line, c.header
			if line == "" {
				line = "POST /v1/star/p"
			}
			if header == "" {
				header = formHeader
			}
			for range 2 { // with memory that another request has used, too
				a := g.do(t, line, c.body, header)
				if c.status == 0 {
					require.Equal(t, 200, a.StatusCode, a.body)
				} else {
					require.Equal(t, c.status, a.StatusCode, a.body)
					reason := c.reason
					if reason == "" {
						reason = rpc.InvalidBody
					}
					require.Equal(t, string(reason), a.Header.Get(rpc.ErrorHeader))
				}
				require.Contains(t, a.body, c.want)
			}
		})
	}
}

// A form may be compressed, and the limit counts what it inflates to.
func TestMultipartCompressed(t *testing.T) {
	g := newGateway(t, multiparts, func(s *transcoder.Settings) { s.MaxRequestBytes = 10 << 10 })
	for size, want := range map[int]int{9 << 10: 200, 1 << 20: 413} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte(form("name=rs\r\n\r\n" + strings.Repeat("x", size))))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		require.Equal(t, want, g.do(t, "POST /v1/star/p", b.String(), formHeader, "Content-Encoding: gzip").StatusCode)
	}
}

func TestMultipartOff(t *testing.T) {
	a := newGateway(t).do(t, "POST /v1/star/p", form(), formHeader)
	require.Equal(t, 415, a.StatusCode)
	require.Equal(t, `content-type "multipart/form-data" is not supported: send application/json`, a.status(t).Message)
}

// What the standard library writes is read, and the same form by curl.
func TestMultipartWriters(t *testing.T) {
	g := newGateway(t, multiparts)
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(t, w.WriteField("sub.name", "a\r\nb"))
	f, err := w.CreateFormFile("by", `a "b".bin`)
	require.NoError(t, err)
	_, err = f.Write([]byte("\x00\r\n--"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	a := g.do(t, "POST /v1/star/p", b.String(), "Content-Type: "+w.FormDataContentType())
	require.Equal(t, 200, a.StatusCode, a.body)
	const want = `{"name":"p","by":"AA0KLS0=","sub":{"name":"a\r\nb"}}`
	require.Equal(t, want, a.body)

	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	path := filepath.Join(t.TempDir(), "a b.png")
	require.NoError(t, os.WriteFile(path, []byte("\x00\r\n--"), 0o600))
	out, err := exec.CommandContext(t.Context(), curl, "-sS", "-F", "sub={\"name\":\"a\\r\\nb\"};type=application/json", "-F", "by=@"+path, g.server.URL+"/v1/star/p").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, want, string(out))
}

func TestMultipartExplain(t *testing.T) {
	s := transcoder.DefaultSettings()
	s.Multipart = true
	api := newAPI(t)
	routes, err := rest.New().Routes(api.endpoint(t, api.method(t, "R8"), nil, &s))
	require.NoError(t, err)
	body := form("name=i32\r\n\r\n3", "name=by; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\nabc")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/star/p", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	x := &route.Exchange{Path: "/v1/star/p", Captures: []route.Span{{Start: 9, End: 10}}}
	e := routes[0].Handler.(transcoder.Explainer).Explain(r, x)
	require.Nil(t, e.Refused)
	require.Equal(t, []transcoder.Bound{
		{Field: "name", Source: "path", From: "{name}", Value: "p"},
		{Field: "i32", Source: "form", From: "i32", Value: "3"},
		{Field: "by", Source: "form", From: "by", Value: "<a.png, image/png, 3 bytes>"},
	}, e.Bindings)
}
