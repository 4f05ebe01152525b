package plan_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

func TestPath(t *testing.T) {
	runBind(t, plan.InPath, []bindCase{
		{name: "A01", line: "GET /v1/things/abc", want: `name: "abc"`},
		{name: "A02", line: "GET /v1/things/100%25", want: `name: "100%"`},
		{name: "A03", line: "GET /v1/things/a%2Fb", want: `name: "a/b"`},
		{name: "A04", line: "GET /v1/things/a%252Fb", want: `name: "a%2Fb"`},
		{name: "A05", line: "GET /v1/things/a%20b", want: `name: "a b"`},
		{name: "A06", line: "GET /v1/things/a+b", want: `name: "a+b"`},
		{name: "A07", line: "GET /v1/things/%E4%B8%AD", want: `name: "中"`},
		{name: "A08", line: "GET /v1/things/%FF", err: `path variable "name"`, field: "name"},
		{name: "A08 bad escape", line: "GET /v1/things/%zz", err: `path variable "name"`, field: "name"},
		{name: "A10", line: "GET /v1/things/a:b", want: `name: "a:b"`},
		{name: "A11", line: "POST /v1/things/a:b:cancel", want: `name: "a:b"`},
		{name: "A25", line: "GET /v1/files", want: ``},
		{name: "A26", line: "GET /v1/files/a/b%2Fc/d", want: `path: "a/b%2Fc/d"`},
		{name: "A27", line: "GET /v1/files/a/%3F%23", want: `path: "a/?#"`},
		{name: "A32", line: "GET /v1/shelves/1/books", want: `parent: "shelves/1"`},
		{name: "A33", line: "GET /v1/shelves/1%2F2/books", want: `parent: "shelves/1%2F2"`},
		{name: "A34", line: "GET /v1/shelves/a%20b/books", want: `parent: "shelves/a b"`},
		{name: "A35", line: "GET /v1/nested/x", want: `sub {name: "x"}`},
		{name: "A53 enum", line: "GET /v1/color/RED", want: `color: RED`},
		{name: "A53 enum number", line: "GET /v1/color/2", want: `color: BLUE`},
		{name: "A53 timestamp", line: "GET /v1/at/2020-01-02T03:04:05Z", want: `ts {seconds: 1577934245}`},
		{name: "A53 bytes", line: "GET /v1/by/_-8", want: `by: "\xff\xef"`},
		{name: "A65 abc", line: "GET /v1/int/abc", err: `path variable "i32"`, field: "i32"},
		{name: "A65 12abc", line: "GET /v1/int/12abc", err: `path variable "i32"`, field: "i32"},
		{name: "A65 1e1", line: "GET /v1/int/1e1", err: `path variable "i32"`, field: "i32"},
		{name: "A65 range", line: "GET /v1/int/2147483648", err: `path variable "i32"`, field: "i32"},
		{name: "in a group", line: "POST /v1/bodies/grp/x", body: `{"old":{"id":"1","grp":{"out":2}}}`,
			want: `old {id: "1" Grp {in: "x" out: 2}}`},
	})
}

// Each escape below %80 is the byte that it says, also the one that a template
// or a query would take for its own.
func TestEveryEscape(t *testing.T) {
	f := newFixture(t)
	t.Run("A09", func(t *testing.T) {
		for c := range 0x80 {
			got, err := f.bind(t, fmt.Sprintf("GET /v1/things/%%%02X", c), "")
			require.NoError(t, err)
			name := got.ProtoReflect().Descriptor().Fields().ByName("name")
			require.Equal(t, string(rune(c)), got.ProtoReflect().Get(name).String(), "%%%02X", c)
		}
	})
}

// The same text travels in path, query and body and arrives unchanged.
func TestSameTextEverywhere(t *testing.T) {
	f := newFixture(t)
	t.Run("C47", func(t *testing.T) {
		for _, text := range []string{` a b `, `"quoted"`, `100%`, `%25`, `a&b=c;d`, "中 é", `\`, `a+b`, "tab\tline\n"} {
			got, err := f.bind(t, "PATCH /v1/body/"+segment(text)+"?snakeName="+q(text), `{"name":`+strconv.QuoteToASCII(text)+`}`)
			require.NoError(t, err, "%q", text)
			m := got.ProtoReflect()
			field := func(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
				return m.Get(m.Descriptor().Fields().ByName(name))
			}
			require.Equal(t, text, field(m, "name").String(), "path")
			require.Equal(t, text, field(m, "snake_name").String(), "query")
			require.Equal(t, text, field(field(m, "sub").Message(), "name").String(), "body")
		}
	})
}

// segment escapes every byte of a path segment.
func segment(s string) string {
	var out []byte
	for _, c := range []byte(s) {
		out = fmt.Appendf(out, "%%%02x", c)
	}
	return string(out)
}
