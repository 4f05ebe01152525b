package rest_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// piece is how much of a file one message has.
const piece = 16320

// byNumber is the field `by` of t.v1.Req.
const byNumber = 8

// filePieces answers with what the sizes of field by were, in order, and all else.
func filePieces(stream grpc.ServerStream) error {
	var told strings.Builder
	for {
		var request []byte
		err := stream.RecvMsg(&request)
		if errors.Is(err, io.EOF) {
			return send(stream, protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), told.String()))
		}
		if err != nil {
			return err
		}
		told.WriteString("|")
		for len(request) > 0 {
			number, _, n := protowire.ConsumeField(request)
			if number == byNumber {
				fmt.Fprintf(&told, "by %d", n-protowire.SizeTag(number)-protowire.SizeVarint(uint64(n)))
			} else {
				fmt.Fprintf(&told, "%x ", request[:n])
			}
			request = request[n:]
		}
	}
}

func TestMultipartUpload(t *testing.T) {
	settings := func(s *transcoder.Settings) {
		s.Multipart, s.MaxRequestBytes, s.MaxQueryParameters, s.UnknownFields = true, 100<<10, 4, transcoder.Reject
	}
	text := func(name, value string) string { return `name="` + name + "\"\r\n\r\n" + value }
	file := func(size int) string { return "name=by; filename=a\r\n\r\n" + strings.Repeat("x", size) }
	const name, i32 = "0a0170 ", "1003 " // p, 3
	for _, c := range []struct {
		name, body string
		all        bool
		want       string
		status     int
		reason     rpc.Reason
	}{
		{name: "C40 nothing", body: form(), want: "|" + name},
		{name: "no file", body: form(text("i32", "3")), want: "|" + i32 + name},
		{name: "C40", body: form(text("i32", "3"), file(3)), want: "|" + i32 + "by 3" + name},
		{name: "empty file", body: form(file(0)), want: "|by 0" + name},
		{name: "no file chosen", body: form("name=by; filename=\"\"\r\n\r\n", text("i32", "3")), want: "|" + i32 + name},
		{name: "one piece", body: form(file(piece)), want: "|by 16320" + name},
		{name: "two pieces", body: form(text("i32", "3"), file(piece+1)), want: "|" + i32 + "by 16320" + name + "|by 1"},
		{name: "beyond the limit", body: form(file(200 << 10)), want: "|by 16320" + name + strings.Repeat("|by 16320", 11) + "|by 8960"},
		{name: "path in all", all: true, body: form(text("i32", "3"), file(piece+1)), want: "|" + i32 + "by 16320" + name + "|by 1" + name},
		{name: "empty part behind", body: form(file(3), text("i32", "")), want: "|by 3" + name},
		{name: "epilogue", body: form(file(3)) + "the end", want: "|by 3" + name},
		{name: "value of no file", body: form(text("by", "abc"), file(0)), status: 400, want: "set twice"},
		{name: "part behind", body: form(file(3), text("i32", "3")), status: 400, want: "comes behind the file"},
		{name: "part behind a long file", body: form(file(100<<10), text("i32", "3")), status: 400, want: "part 2 of the form: \\\"i32\\\" comes behind the file"},
		{name: "cut in the file", body: strings.TrimSuffix(form(file(100<<10)), "--x--\r\n"), status: 400, want: "not whole"},
		{name: "too many parts", body: form(text("rs", "a"), text("rs", "a"), text("rs", "a"), text("rs", "a"), file(3)), status: 400, want: "more than 4 parts"},
		{name: "large value", body: form(text("rs", strings.Repeat("x", 60<<10)), text("rs", strings.Repeat("x", 60<<10)), file(3)), status: 413, want: "102400", reason: rpc.RequestTooLarge},
		{name: "unknown", body: form(text("nope", "a"), file(3)), status: 400, want: "nope"},
		{name: "file for text", body: form("name=sv; filename=a\r\n\r\nx"), status: 400, want: "is a file"},
		{name: "file for a list", body: form("name=rs; filename=a\r\n\r\nx"), status: 400, want: "no list of them"},
		{name: "JSON file", body: form("name=sub; filename=a\r\nContent-Type: application/json\r\n\r\n{}"), status: 400, want: "is a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, version := range versions {
				t.Run(version.name, func(t *testing.T) {
					g := newGateway(t, append([]any{streaming(filePieces), settings, func(s *transcoder.Settings) { s.Stream.BindAll = c.all }}, version.opts...)...)
					for range 2 {
						a := g.do(t, "POST /v1/upload/p", c.body, formHeader)
						if c.status != 0 {
							reason := c.reason
							if reason == "" {
								reason = rpc.InvalidBody
							}
							require.Equal(t, c.status, a.StatusCode, a.body)
							require.Equal(t, string(reason), a.Header.Get(rpc.ErrorHeader))
							require.Contains(t, a.body, c.want)
							continue
						}
						require.Equal(t, 200, a.StatusCode, a.body)
						require.Equal(t, `{"name":"`+c.want+`"}`, a.body)
					}
				})
			}
		})
	}
}

func TestMultipartUploadCompressed(t *testing.T) {
	g := newGateway(t, streaming(filePieces), multiparts)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, form("name=by; filename=a\r\n\r\n"+strings.Repeat("x", 40<<10)))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	a := g.do(t, "POST /v1/upload/p", b.String(), formHeader, "Content-Encoding: gzip")
	require.Equal(t, `{"name":"|by 163200a0170 |by 16320|by 8320"}`, a.body)
	a = g.do(t, "POST /v1/upload/p", b.String()[:b.Len()-9], formHeader, "Content-Encoding: gzip")
	require.Equal(t, 400, a.StatusCode, a.body)
	require.Contains(t, a.body, "gzip ends too early")
}

// zeros is a file of n bytes.
type zeros struct{ n int }

func (z *zeros) Read(p []byte) (int, error) {
	n := min(len(p), z.n)
	if z.n -= n; n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	return n, nil
}

// The memory of an upload does not depend on its length.
func TestMultipartUploadMemory(t *testing.T) {
	g := newGateway(t, multiparts, streaming(func(stream grpc.ServerStream) error {
		n := 0
		for {
			var request []byte
			switch err := stream.RecvMsg(&request); {
			case errors.Is(err, io.EOF):
				return send(stream, protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), uint64(n>>20)))
			case err != nil:
				return err
			}
			n += len(request)
		}
	}))
	const size = 256 << 20
	upload := func(size int) {
		r := g.request(t, "POST /v1/upload/p", io.MultiReader(strings.NewReader("--x\r\nContent-Disposition: form-data; name=by; filename=a\r\n\r\n"),
			&zeros{size}, strings.NewReader("\r\n--x--")), formHeader)
		a := g.send(t, r)
		require.Equal(t, 200, a.StatusCode, a.body)
		require.Equal(t, fmt.Sprintf(`{"i32":%d}`, size>>20), a.body)
	}
	upload(1 << 20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	upload(size)
	runtime.ReadMemStats(&after)
	// Of all that was allocated, the service has allocated each message once.
	allocated := int64(after.TotalAlloc-before.TotalAlloc) - size
	t.Logf("%d KiB allocated for %d MiB, %d KiB more of the heap", allocated>>10, size>>20, (int64(after.Sys)-int64(before.Sys))>>10)
	require.Less(t, int64(after.Sys)-int64(before.Sys), int64(32<<20))
}

func TestMultipartUploadExplain(t *testing.T) {
	s := transcoder.DefaultSettings()
	s.Multipart = true
	api := newAPI(t)
	routes, err := rest.New().Routes(api.endpoint(t, api.method(t, "Upload"), nil, &s))
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/upload", strings.NewReader(form("name=i32\r\n\r\n3", "name=by; filename=a\r\n\r\n"+strings.Repeat("x", 40<<10))))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	e := routes[0].Handler.(transcoder.Explainer).Explain(r, &route.Exchange{Path: "/v1/upload"})
	require.Nil(t, e.Refused)
	require.Equal(t, []transcoder.Bound{
		{Field: "i32", Source: "form", From: "i32", Value: "3"},
		{Field: "by", Source: "form", From: "by", Value: "<a, 16320 bytes in the first message>"},
	}, e.Bindings)
	require.Equal(t, "bind path, query and the parts before the file to the first t.v1.Req", e.Stages[0])
	require.Equal(t, "call /t.v1.T/Upload, and send the file in pieces as it comes", e.Stages[1])
}
