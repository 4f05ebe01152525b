package body_test

import (
	"bytes"
	"errors"
	"mime"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

var none jq.Paths

func TestDecodeForm(t *testing.T) {
	for _, row := range []struct {
		in   string
		want map[string]any
	}{
		{"", object()},
		{"&&", object()},
		{"a=1", object("a", "1")},
		{"a=1&b=x+y%20z&a=2&a=", object("a", array("1", "2", ""), "b", "x y z")},
		{"a", object("a", "")},
		{"=a", object("", "a")},
		{"a=b=c", object("a", "b=c")},
		{"a;b=c;d", object("a;b", "c;d")},
		{"na%6De=%e2%82%ac%3d%26", object("name", "€=&")},
		{"é=é", object("é", "é")},
	} {
		got, err := body.Decode(body.Form, "", []byte(row.in), all, body.Limits{})
		require.NoError(t, err, row.in)
		require.Equal(t, row.want, got, row.in)
	}
	for in, want := range map[string]string{
		"a=1&b=%":    "no form: found an unknown escape, not % and two hexadecimal digits at byte 6",
		"a=%4":       "no form: found an unknown escape, not % and two hexadecimal digits at byte 2",
		"%4g=1":      "no form: found an unknown escape, not % and two hexadecimal digits at byte 0",
		"a=1&bc=%ff": "no form: found text that is not UTF-8 at byte 7",
		"\xff":       "no form: found text that is not UTF-8 at byte 0",
	} {
		for _, paths := range []jq.Paths{all, none} {
			_, err := body.Decode(body.Form, "", []byte(in), paths, body.Limits{})
			var wrong *body.SyntaxError
			require.ErrorAs(t, err, &wrong)
			require.EqualError(t, err, want, in)
		}
	}
}

func TestDecodeFormParts(t *testing.T) {
	decode := func(want jq.Paths) any {
		v, err := body.Decode(body.Form, "", []byte("a=1&b=2&a=3"), want, body.Limits{})
		require.NoError(t, err)
		return v
	}
	require.Nil(t, decode(none))
	require.Equal(t, object("a", array("1", "3")), decode(jq.Paths{Keys: map[string]jq.Paths{"a": all, "b": {}, "c": all}}))
	require.Equal(t, object("a", array("1", "3"), "b", "2"), decode(jq.Paths{Elements: &all}))
}

func TestFormLimits(t *testing.T) {
	in := []byte(strings.Repeat("a&", 1000))
	_, err := body.Decode(body.Form, "", in, all, body.Limits{Memory: 64 << 10})
	var over *body.LimitError
	require.ErrorAs(t, err, &over)
	require.Equal(t, body.LimitMemory, over.Limit)
	_, err = body.Decode(body.Form, "", in, none, body.Limits{Memory: 1})
	require.NoError(t, err)
}

func TestAppendForm(t *testing.T) {
	got, _, err := body.Append(nil, body.Form, "", object(
		"z", "é &=", "a b", array(1, true, nil, num("1.50"), "\xff"), "gone", nil, "none", array(), "f", 0.5,
	), body.Limits{})
	require.NoError(t, err)
	require.Equal(t, "a+b=1&a+b=true&a+b=1.50&a+b=%EF%BF%BD&f=0.5&z=%C3%A9+%26%3D", string(got))
}

func FuzzForm(f *testing.F) {
	for _, seed := range []string{"a=1&b=2&a=3", "%41+%e2%82%ac=", "&&=&", "a;b", "%zz", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := body.Decode(body.Form, "", data, all, body.Limits{})
		_, noneErr := body.Decode(body.Form, "", data, none, body.Limits{})
		require.Equal(t, err, noneErr)
		std, stdErr := url.ParseQuery(string(data))
		if err != nil {
			require.True(t, stdErr != nil || !validQuery(std), "refused %q: %v", data, err)
			return
		}
		if !strings.Contains(string(data), ";") { // which net/url refuses
			require.NoError(t, stdErr)
			want := make(map[string]any)
			for name, values := range std {
				want[name] = values[0]
				if len(values) > 1 {
					several := array()
					for _, v := range values {
						several = append(several, v)
					}
					want[name] = several
				}
			}
			require.Empty(t, cmp.Diff(any(want), got))
		}
		out, _, err := body.Append(nil, body.Form, "", got, body.Limits{})
		require.NoError(t, err)
		again, err := body.Decode(body.Form, "", out, all, body.Limits{})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(got, again))
	})
}

func validQuery(q url.Values) bool {
	for name, values := range q {
		if strings.ToValidUTF8(name, "") != name {
			return false
		}
		for _, v := range values {
			if strings.ToValidUTF8(v, "") != v {
				return false
			}
		}
	}
	return true
}

// parts is a multipart body with the boundary x, of lines.
func parts(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n")) }

const boundaryX = "multipart/form-data; boundary=x"

func upload() []byte {
	return parts("preamble", "--x",
		`Content-Disposition: form-data; name="title"`, "", "A day", "out", "--x",
		`Content-Disposition: form-data; name="tag"`, "Content-Type: text/plain; charset=iso-8859-1", "", "\xe9t\xe9", "--x",
		`Content-Disposition: form-data; name="tag"`, "", "", "--x",
		`Content-Disposition: form-data; name="photo"; filename="a \"b\" \\c.png"`, "Content-Type: image/png", "", "\x00\xff", "--x",
		`Content-Disposition: form-data; name="raw"; filename=""`, "", "", "--x",
		`Content-Disposition: form-data; name="meta"`, "Content-Type: application/json", "", `{"a":1}`, "--x",
		`Content-Disposition: form-data; name="quoted"`, "Content-Transfer-Encoding: quoted-printable", "", "=41=42", "--x--", "epilogue")
}

func uploaded() map[string]any {
	return object(
		"title", "A day\r\nout",
		"tag", array("été", ""),
		"photo", object("filename", `a "b" \c.png`, "content_type", "image/png", "data", "AP8="),
		"raw", object("filename", "", "content_type", "application/octet-stream", "data", ""),
		"meta", object("content_type", "application/json", "data", "eyJhIjoxfQ=="),
		"quoted", "AB",
	)
}

func TestMultipart(t *testing.T) {
	got, err := body.Decode(body.Multipart, boundaryX, upload(), all, body.Limits{})
	require.NoError(t, err)
	require.Equal(t, uploaded(), got)

	out, contentType, err := body.Append(nil, body.Multipart, boundaryX, got, body.Limits{})
	require.NoError(t, err)
	again, err := body.Decode(body.Multipart, contentType, out, all, body.Limits{})
	require.NoError(t, err)
	require.Equal(t, uploaded(), again)

	out, contentType, err = body.Append([]byte("x"), body.Multipart, boundaryX, object("b", array(1, nil, false), "a", num("1.0"), "f", object("data", "AA==")), body.Limits{})
	require.NoError(t, err)
	_, params, err := mime.ParseMediaType(contentType)
	require.NoError(t, err)
	b := params["boundary"]
	require.NotEmpty(t, b)
	require.Equal(t, "x"+string(parts("--"+b,
		`Content-Disposition: form-data; name="a"`, "", "1.0", "--"+b,
		`Content-Disposition: form-data; name="b"`, "", "1", "--"+b,
		`Content-Disposition: form-data; name="b"`, "", "false", "--"+b,
		`Content-Disposition: form-data; name="f"`, "Content-Type: application/octet-stream", "", "\x00", "--"+b+"--", "")), string(out))

	out, contentType, err = body.Append(nil, body.Multipart, boundaryX, object(), body.Limits{})
	require.NoError(t, err)
	again, err = body.Decode(body.Multipart, contentType, out, all, body.Limits{})
	require.NoError(t, err)
	require.Equal(t, object(), again)
}

func TestDecodeMultipartParts(t *testing.T) {
	decode := func(want jq.Paths) any {
		v, err := body.Decode(body.Multipart, boundaryX, upload(), want, body.Limits{})
		require.NoError(t, err)
		return v
	}
	require.Nil(t, decode(none))
	require.Equal(t, object("title", "A day\r\nout"), decode(jq.Paths{Keys: map[string]jq.Paths{"title": all}}))
	name := jq.Paths{Keys: map[string]jq.Paths{"filename": all}}
	require.Equal(t, object("photo", object("filename", `a "b" \c.png`, "content_type", "image/png")),
		decode(jq.Paths{Keys: map[string]jq.Paths{"photo": name}}), "data that nobody wants is not made")
	data := jq.Paths{Keys: map[string]jq.Paths{"data": all}}
	want := object("photo", uploaded()["photo"])
	require.Equal(t, want, decode(jq.Paths{Keys: map[string]jq.Paths{"photo": data}}))
	require.Equal(t, want, decode(jq.Paths{Keys: map[string]jq.Paths{"photo": {Elements: &data}}}))
}

func TestDecodeMultipartErrors(t *testing.T) {
	part := func(header ...string) []byte {
		return parts(append(append([]string{"--x"}, header...), "", "text", "--x--")...)
	}
	for name, row := range map[string]struct {
		contentType string
		in          []byte
		want        string
	}{
		"no boundary":   {"multipart/form-data", upload(), "the content type of the multipart body tells no boundary"},
		"nothing":       {boundaryX, nil, "part 0 of the multipart body: "},
		"not form-data": {boundaryX, part(`Content-Disposition: attachment; name="a"`), "part 0 of the multipart body: content-disposition is not form-data with a name"},
		"no name":       {boundaryX, part(`Content-Disposition: form-data`), "part 0 of the multipart body: content-disposition is not form-data with a name"},
		"no header":     {boundaryX, part(), "part 0 of the multipart body: content-disposition: mime: no media type"},
		"base64":        {boundaryX, part(`Content-Disposition: form-data; name="a"`, "Content-Transfer-Encoding: base64"), `part 0 of the multipart body: content-transfer-encoding "base64" is not for forms (RFC 7578, section 4.7)`},
		"not UTF-8":     {boundaryX, part("Content-Disposition: form-data; name=\"a\xff\""), "part 0 of the multipart body: its header is not UTF-8"},
		"text":          {boundaryX, parts("--x", `Content-Disposition: form-data; name="a"`, "", "\xff", "--x--"), `field "a" of the multipart body: the text is not UTF-8`},
		"charset":       {boundaryX, part(`Content-Disposition: form-data; name="a"`, "Content-Type: text/plain; charset=utf-16"), `field "a" of the multipart body: text with charset "utf-16" cannot be read: send it as utf-8, us-ascii or iso-8859-1, or say body_as: BYTES`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, want := range []jq.Paths{all, none} {
				_, err := body.Decode(body.Multipart, row.contentType, row.in, want, body.Limits{})
				var wrong *body.SyntaxError
				require.ErrorAs(t, err, &wrong)
				require.ErrorContains(t, err, row.want)
			}
		})
	}
}

func TestMultipartCutOff(t *testing.T) {
	whole := bytes.TrimSuffix(upload(), []byte("--\r\nepilogue"))
	for n := range len(whole) {
		_, err := body.Decode(body.Multipart, boundaryX, whole[:n], all, body.Limits{})
		var wrong *body.SyntaxError
		require.ErrorAs(t, err, &wrong, "%q", whole[:n])
	}
}

func TestMultipartLimits(t *testing.T) {
	limit := func(err error) string {
		var over *body.LimitError
		require.ErrorAs(t, err, &over)
		return over.Limit
	}
	decode := func(l body.Limits) error {
		_, err := body.Decode(body.Multipart, boundaryX, upload(), all, l)
		return err
	}
	require.NoError(t, decode(body.Limits{Parts: 7}))
	require.Equal(t, body.LimitParts, limit(decode(body.Limits{Parts: 6})))
	require.Equal(t, body.LimitBytes, limit(decode(body.Limits{Bytes: len(upload()) - 1})))
	require.Equal(t, body.LimitMemory, limit(decode(body.Limits{Memory: 5000})))
	_, err := body.Decode(body.Multipart, boundaryX, parts(strings.Repeat("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", 1001), "--x--"), all, body.Limits{})
	require.Equal(t, body.LimitParts, limit(err))

	out, _, err := body.Append(nil, body.Multipart, "", uploaded(), body.Limits{})
	require.NoError(t, err)
	_, _, err = body.Append(nil, body.Multipart, "", uploaded(), body.Limits{Bytes: len(out)})
	require.NoError(t, err)
	for _, most := range []int{1, 100, len(out) - 1} {
		_, _, err = body.Append(nil, body.Multipart, "", uploaded(), body.Limits{Bytes: most})
		require.Equal(t, body.LimitBytes, limit(err))
	}
}

func FuzzMultipart(f *testing.F) {
	f.Add(upload())
	f.Add(parts("--x", "Content-Disposition: form-data; name*=utf-8''%e2%82%ac", "", "", "--x--"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := body.Decode(body.Multipart, boundaryX, data, all, body.Limits{})
		_, noneErr := body.Decode(body.Multipart, boundaryX, data, none, body.Limits{})
		require.Equal(t, err == nil, noneErr == nil)
		if err != nil {
			return
		}
		out, contentType, err := body.Append(nil, body.Multipart, boundaryX, got, body.Limits{})
		var wrong *body.ValueError
		if errors.As(err, &wrong) { // a control character, a content type that is none
			return
		}
		require.NoError(t, err)
		again, err := body.Decode(body.Multipart, contentType, out, all, body.Limits{})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(got, again))
	})
}

func TestText(t *testing.T) {
	for _, row := range []struct{ contentType, in, want, wantErr string }{
		{contentType: "text/plain", in: "é", want: "é"},
		{contentType: "", in: "", want: ""},
		{contentType: "text/plain; charset=\"UTF-8\"", in: "é", want: "é"},
		{contentType: "text/plain; charset=us-ascii", in: "a", want: "a"},
		{contentType: "text/plain; charset=ISO-8859-1", in: "a\xe9\x80", want: "aé\u0080"},
		{contentType: "text/plain; charset", in: "é", want: "é"},
		{contentType: "text/plain", in: "a�b\xe9", wantErr: "the text is not UTF-8 at byte 5"},
		{contentType: "text/plain; charset=shift_jis", in: "a", wantErr: `text with charset "shift_jis" cannot be read: send it as utf-8, us-ascii or iso-8859-1, or say body_as: BYTES`},
	} {
		got, err := body.Decode(body.Text, row.contentType, []byte(row.in), all, body.Limits{})
		if row.wantErr != "" {
			require.EqualError(t, err, row.wantErr)
			_, err = body.Decode(body.Text, row.contentType, []byte(row.in), none, body.Limits{})
			require.EqualError(t, err, row.wantErr)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, row.want, got)
		got, err = body.Decode(body.Text, row.contentType, []byte(row.in), none, body.Limits{})
		require.NoError(t, err)
		require.Nil(t, got)
		if row.in != "" {
			_, err = body.Decode(body.Text, row.contentType, []byte(row.in+"x"), all, body.Limits{Memory: len(row.want)})
			require.ErrorContains(t, err, "the values of the body take more memory than the limit")
		}
	}
}

func TestBytes(t *testing.T) {
	got, err := body.Decode(body.Bytes, "image/png", []byte("\x00\xff"), all, body.Limits{Memory: 4})
	require.NoError(t, err)
	require.Equal(t, "AP8=", got)
	_, err = body.Decode(body.Bytes, "image/png", []byte("\x00\xff"), all, body.Limits{Memory: 3})
	require.EqualError(t, err, "the values of the body take more memory than the limit of 3 bytes")
	got, err = body.Decode(body.Bytes, "image/png", []byte("\x00\xff"), none, body.Limits{Memory: 3})
	require.NoError(t, err)
	require.Nil(t, got)
}
