package body_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/itchyny/gojq"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/body"
)

func TestAppendJSON(t *testing.T) {
	huge, _ := new(big.Int).SetString("-123456789012345678901234567890", 10)
	many := make(map[string]any)
	var manyText []string
	for i := range 40 {
		many[fmt.Sprintf("k%02d", (i*7)%40)] = i
	}
	for i := range 40 {
		manyText = append(manyText, fmt.Sprintf(`"k%02d":%d`, i, many[fmt.Sprintf("k%02d", i)]))
	}
	for _, row := range []struct {
		in   any
		want string
	}{
		{nil, `null`},
		{true, `true`},
		{false, `false`},
		{0, `0`},
		{math.MinInt64, `-9223372036854775808`},
		{huge, `-123456789012345678901234567890`},
		{num("1.0"), `1.0`},
		{num("-0.10e+05"), `-0.10e+05`},
		{1.5, `1.5`},
		{3.0, `3`},
		{math.Copysign(0, -1), `-0`},
		{1e20, `100000000000000000000`},
		{1e21, `1e+21`},
		{1e-6, `0.000001`},
		{1e-7, `1e-7`},
		{-1.25e-10, `-1.25e-10`},
		{math.NaN(), `null`},
		{math.Inf(1), `1.7976931348623157e+308`},
		{math.Inf(-1), `-1.7976931348623157e+308`},
		{"", `""`},
		{"a\"b\\c/<>&\u2028\x7f€😀", "\"a\\\"b\\\\c/<>&\u2028\x7f€😀\""},
		{"\b\f\n\r\t\x00\x1f", `"\b\f\n\r\t\u0000\u001f"`},
		{"12345678\n12345678€\xff\xfe\"", "\"12345678\\n12345678€\ufffd\ufffd\\\"\""},
		{array(), `[]`},
		{object(), `{}`},
		{object("b", 1, "a", array(nil, object("z", "y", "", 0))), `{"a":[null,{"":0,"z":"y"}],"b":1}`},
		{many, "{" + strings.Join(manyText, ",") + "}"},
	} {
		t.Run(row.want, func(t *testing.T) {
			got, contentType, err := body.Append([]byte("before"), body.JSON, "text/json", row.in, body.Limits{})
			require.NoError(t, err)
			require.Equal(t, "before"+row.want, string(got))
			require.Empty(t, contentType)

			// The same values as gojq writes, if not always with the same escapes.
			theirs, err := gojq.Marshal(row.in)
			require.NoError(t, err)
			require.Equal(t, reference(t, theirs), reference(t, got[len("before"):]))
			if _, text := row.in.(string); !text {
				require.Equal(t, string(theirs), row.want)
			}
		})
	}
}

func TestAppendContentType(t *testing.T) {
	for _, row := range []struct {
		name            string
		kind            body.Kind
		contentType     string
		in              any
		want, wantsType string
	}{
		{"JSON stays what it is called", body.JSON, "text/plain", "a", `"a"`, ""},
		{"JSON gets a content type", body.JSON, "", 1, `1`, "application/json"},
		{"text", body.Text, "text/csv", "a,b", `a,b`, ""},
		{"text gets a content type", body.Text, "", "é", `é`, "text/plain; charset=utf-8"},
		{"text in UTF-8", body.Text, "text/plain; charset=UTF-8", "é", `é`, ""},
		{"text of another charset, that is ASCII", body.Text, "text/plain; charset=iso-8859-1", "a", `a`, ""},
		{"text of another charset", body.Text, "text/plain; charset=iso-8859-1; format=flowed", "é", `é`, "text/plain; charset=utf-8; format=flowed"},
		{"text of a wide charset", body.Text, "text/plain; charset=utf-16", "a", `a`, "text/plain; charset=utf-8"},
		{"text that is not UTF-8", body.Text, "text/plain", "a\xff", "a\ufffd", ""},
		{"text under the name of bytes", body.Text, "image/svg", "<svg>", `<svg>`, ""},
		{"an object instead of text", body.Text, "text/plain", object("a", 1), `{"a":1}`, "application/json"},
		{"a number instead of text", body.Text, "text/plain", 1, `1`, "application/json"},
		{"bytes", body.Bytes, "image/png", "AP8=", "\x00\xff", ""},
		{"no bytes", body.Bytes, "image/png", "", "", ""},
		{"an object instead of bytes", body.Bytes, "image/png", object(), `{}`, "application/json"},
		{"a form", body.Form, "application/x-www-form-urlencoded", object("a", 1), `a=1`, ""},
		{"a form as text", body.Form, "application/x-www-form-urlencoded", "b=2&a=1", `b=2&a=1`, ""},
		{"an array instead of a form", body.Form, "application/x-www-form-urlencoded", array(1), `[1]`, "application/json"},
		{"an array instead of a multipart form", body.Multipart, "multipart/form-data; boundary=x", array(1), `[1]`, "application/json"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, contentType, err := body.Append([]byte("x"), row.kind, row.contentType, row.in, body.Limits{Bytes: len(row.want)})
			require.NoError(t, err)
			require.Equal(t, "x"+row.want, string(got))
			require.Equal(t, row.wantsType, contentType)
			if row.want == "" {
				return
			}

			got, _, err = body.Append([]byte("x"), row.kind, row.contentType, row.in, body.Limits{Bytes: len(row.want) - 1})
			if len(row.want) == 1 { // where zero is no limit
				return
			}
			var over *body.LimitError
			require.ErrorAs(t, err, &over)
			require.Equal(t, body.LimitBytes, over.Limit)
			require.Equal(t, "x", string(got))
		})
	}
}

func TestAppendErrors(t *testing.T) {
	for _, row := range []struct {
		kind    body.Kind
		in      any
		wantErr string
	}{
		{body.JSON, array(num("")), `"" is not a number in JSON`},
		{body.JSON, array(num("nan")), `"nan" is not a number in JSON`},
		{body.JSON, array(num("-")), `"-" is not a number in JSON`},
		{body.JSON, array(num("1 ")), `"1 " is not a number in JSON`},
		{body.JSON, object("a", int64(1)), `a value of type int64 has no form in JSON`},
		{body.Bytes, "a", `a body of bytes is standard base64: illegal base64 data at input byte 0`},
		{body.Bytes, "AP8", `a body of bytes is standard base64: illegal base64 data at input byte 0`},
		{body.Bytes, "_-8=", `a body of bytes is standard base64: illegal base64 data at input byte 0`},
		{body.Form, object("a", object()), `field "a" of a form is an object: make it a string, a number, a boolean or an array of these`},
		{body.Form, object("a", array(array())), `field "a" of a form is an array in an array`},
		{body.Form, object("a", num("x")), `"x" is not a number in JSON`},
		{body.Multipart, "a", "a multipart body is made of an object, not of a string"},
		{body.Multipart, object("a", array(array())), `field "a" of a form is an array in an array`},
		{body.Multipart, object("a\r\nx: y", "b"), `field "a\r\nx: y" of a multipart body has a control character, or what is not UTF-8, in its name, file name or content type`},
		{body.Multipart, object("f", object("filename", "a\nb", "data", "")), `field "f" of a multipart body has a control character, or what is not UTF-8, in its name, file name or content type`},
		{body.Multipart, object("f", object("content_type", "text/plain; a=\"\r\n\"", "data", "")), `field "f" of a multipart body has a content_type that is none`},
		{body.Multipart, object("f", object("content_type", "", "data", "")), `field "f" of a multipart body has a content_type that is none`},
		{body.Multipart, object("f", object("data", "%")), `field "f" of a multipart body has data that is not standard base64: illegal base64 data at input byte 0`},
		{body.Multipart, object("f", object("data", 1)), `field "f" of a multipart body has "data" that is not a string`},
		{body.Multipart, object("f", object("name", "x")), `field "f" of a multipart body has "name", which a file does not have: it has filename, content_type and data`},
	} {
		t.Run(row.wantErr, func(t *testing.T) {
			got, contentType, err := body.Append([]byte("before"), row.kind, "x/y", row.in, body.Limits{})
			var wrong *body.ValueError
			require.ErrorAs(t, err, &wrong)
			require.EqualError(t, err, row.wantErr)
			require.Equal(t, "before", string(got))
			require.Empty(t, contentType)
		})
	}
}

// Values may be small and their text not to be had.
func TestAppendLimits(t *testing.T) {
	limit := func(v any, l body.Limits) *body.LimitError {
		out, _, err := body.Append(nil, body.JSON, "", v, l)
		if err == nil {
			require.LessOrEqual(t, len(out), l.Bytes)
			return nil
		}
		var over *body.LimitError
		require.ErrorAs(t, err, &over)
		return over
	}
	var shared any = "x"
	for range 60 {
		shared = array(shared, shared)
	}
	require.Equal(t, &body.LimitError{Limit: body.LimitBytes, Max: 1 << 20}, limit(shared, body.Limits{Bytes: 1 << 20}))
	shared = object()
	for range 60 {
		shared = object("a", shared, "b", shared)
	}
	require.Equal(t, &body.LimitError{Limit: body.LimitBytes, Max: 1 << 20}, limit(shared, body.Limits{Bytes: 1 << 20}))
	var deep any
	for range 100_000 {
		deep = array(deep)
	}
	require.Equal(t, &body.LimitError{Limit: body.LimitDepth, Max: 10_000}, limit(deep, body.Limits{Bytes: 1 << 20}))
	require.Equal(t, &body.LimitError{Limit: body.LimitDepth, Max: 2}, limit(array(object("a", array())), body.Limits{Bytes: 100, Depth: 2}))
	require.Nil(t, limit(array(object("a", array()), object("b", array()), array()), body.Limits{Bytes: 100, Depth: 3}))
	require.NotNil(t, limit(strings.Repeat("x", 99), body.Limits{Bytes: 100}))
	require.Nil(t, limit(strings.Repeat("x", 98), body.Limits{Bytes: 100}))
	require.NotNil(t, limit(strings.Repeat("\x00", 17), body.Limits{Bytes: 100}))
	require.NotNil(t, limit(strings.Repeat("\xff", 33), body.Limits{Bytes: 100}))
	require.NotNil(t, limit(json.Number(strings.Repeat("1", 101)), body.Limits{Bytes: 100}))
	require.NotNil(t, limit(new(big.Int).Lsh(big.NewInt(1), 1<<20), body.Limits{Bytes: 1000}))
	require.NotNil(t, limit(array(true, true, true), body.Limits{Bytes: 15}))
	require.Nil(t, limit(array(true, true, true), body.Limits{Bytes: 16}))
}

func TestAppendJSONAllocates(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	v, err := body.Decode(body.JSON, "", order(), all, body.Limits{})
	require.NoError(t, err)
	buf := make([]byte, 0, 4<<10)
	require.Zero(t, int(testing.AllocsPerRun(100, func() {
		buf, _, err = body.Append(buf[:0], body.JSON, "application/json", v, body.Limits{})
	})))
	require.NoError(t, err)
}

func TestDecodeJSONAllocates(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	data := order()
	require.Zero(t, int(testing.AllocsPerRun(100, func() {
		if _, err := body.Decode(body.JSON, "", data, none, body.Limits{}); err != nil {
			t.Fatal(err)
		}
	})))
	// One for the text, two for each of two objects, one for each value.
	require.LessOrEqual(t, int(testing.AllocsPerRun(100, func() {
		if _, err := body.Decode(body.JSON, "", data, five, body.Limits{}); err != nil {
			t.Fatal(err)
		}
	})), 10)
}
