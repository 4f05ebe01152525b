package plan_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
)

// buildCase is one row: what a message becomes by some rules, or the error.
type buildCase struct {
	name, input string
	rules       []string
	message     string
	// want is the request: method and target, and behind a line break the media type
	// and the body, if there is a type.
	want string
	// err is a part of the error, field the field that it blames.
	err, field string
}

func show(r *plan.Request) string {
	out := r.Method + " " + string(r.Path)
	if len(r.RawQuery) > 0 {
		out += "?" + string(r.RawQuery)
	}
	if r.ContentType != "" || len(r.Body) > 0 {
		out += "\n" + r.ContentType + " " + string(r.Body)
	}
	return out
}

func run(t *testing.T, cases []buildCase) {
	t.Helper()
	f := newFixture(t)
	used := new(plan.Request)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := f.plan(t, c.input, c.rules...)
			err := p.Build(used, f.wire(t, c.input, c.message))
			if c.err != "" {
				var re *rpc.Error
				require.ErrorAs(t, err, &re, "was made: %s", show(used))
				require.Contains(t, re.Message, c.err)
				require.Equal(t, codes.InvalidArgument, re.GRPCCode())
				require.Len(t, re.Violations, 1)
				require.Equal(t, c.field, re.Violations[0].Field)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, show(used))
		})
	}
}

func TestI01FirstRuleThatTakesTheMessage(t *testing.T) {
	rules := []string{`get: "/v1/{parent=shelves/*}/{name}"`, `get: "/v1/names/{name}"`, `get: "/v1/boss/{boss.name}"`}
	run(t, []buildCase{
		{name: "first", input: "Get", rules: rules, message: `name: "n" parent: "shelves/1"`, want: "GET /v1/shelves/1/n"},
		{name: "one is empty", input: "Get", rules: rules, message: `name: "n"`, want: "GET /v1/names/n"},
		{name: "one does not fit", input: "Get", rules: rules, message: `name: "n" parent: "rooms/1"`, want: "GET /v1/names/n?parent=rooms%2F1"},
		{name: "nested", input: "Get", rules: rules, message: `boss {name: "b" size: 1}`, want: "GET /v1/boss/b?boss.size=1"},
		{name: "none", input: "Get", rules: rules, message: `page_size: 1`, field: "parent",
			err: `field "parent" is empty, and GET /v1/{parent=shelves/*}/{name} has it in its path`},
		{name: "without variables", input: "Get", rules: append(rules, `get: "/v1/all"`), message: `page_size: 1`, want: "GET /v1/all?pageSize=1"},
	})
	f := newFixture(t)
	r := new(plan.Request)
	p := f.plan(t, "Get", rules...)
	for i, text := range []string{`name: "n" parent: "shelves/1"`, `name: "n"`, `boss {name: "b"}`} {
		require.NoError(t, p.Build(r, f.wire(t, "Get", text)))
		require.Equal(t, i, r.Binding)
	}
}

func TestI02OneSegment(t *testing.T) {
	rules := []string{`get: "/v1/names/{name}"`}
	run(t, []buildCase{
		{name: "escaped", input: "Get", rules: rules, message: `name: "a/b c"`, want: "GET /v1/names/a%2Fb%20c"},
		{name: "unreserved", input: "Get", rules: rules, message: `name: "aZ09-._~"`, want: "GET /v1/names/aZ09-._~"},
		{name: "everything else", input: "Get", rules: rules, message: `name: "%?#:@!$&'()*+,;=[]|\\\"<>\n\0"`,
			want: "GET /v1/names/%25%3F%23%3A%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%5B%5D%7C%5C%22%3C%3E%0A%00"},
		{name: "UTF-8", input: "Get", rules: rules, message: `name: "中"`, want: "GET /v1/names/%E4%B8%AD"},
		{name: "verb", input: "Get", rules: []string{`post: "/v1/{name}:cancel"`}, message: `name: "a:b"`, want: "POST /v1/a%3Ab:cancel"},
		{name: "escapes once", input: "Get", rules: rules, message: `name: "a%2Fb"`, want: "GET /v1/names/a%252Fb"},
		{name: "dot", input: "Get", rules: rules, message: `name: "."`, field: "name", err: `has a segment "." or ".."`},
		{name: "dots", input: "Get", rules: rules, message: `name: ".."`, field: "name", err: `has a segment "." or ".."`},
		{name: "dots behind an escaped slash", input: "Get", rules: rules, message: `name: "a/.."`, field: "name", err: `has a segment "." or ".."`},
		{name: "three dots", input: "Get", rules: rules, message: `name: "..."`, want: "GET /v1/names/..."},
		{name: "literal", input: "Get", rules: []string{`get: "/v1/{name=a%2Fb}/x"`}, message: `name: "a/b"`, want: "GET /v1/a%2Fb/x"},
		{name: "other literal", input: "Get", rules: []string{`get: "/v1/{name=a}/x"`}, message: `name: "b"`, field: "name", err: `"b" does not fit the pattern "a"`},
	})
}

func TestI03SeveralSegments(t *testing.T) {
	shelves := []string{`get: "/v1/{parent=shelves/*}/books"`}
	files := []string{`get: "/v1/files/{name=**}"`}
	around := []string{`get: "/v1/{name=a/**/z}/x"`}
	run(t, []buildCase{
		{name: "slash kept", input: "Get", rules: shelves, message: `parent: "shelves/1"`, want: "GET /v1/shelves/1/books"},
		{name: "rest escaped", input: "Get", rules: shelves, message: `parent: "shelves/a b:c%2F"`, want: "GET /v1/shelves/a%20b%3Ac%252F/books"},
		{name: "any number", input: "Get", rules: files, message: `name: "a/b/c.txt"`, want: "GET /v1/files/a/b/c.txt"},
		{name: "empty ones", input: "Get", rules: files, message: `name: "a//b/"`, want: "GET /v1/files/a//b/"},
		{name: "none between", input: "Get", rules: around, message: `name: "a/z"`, want: "GET /v1/a/z/x"},
		{name: "some between", input: "Get", rules: around, message: `name: "a/b/c/z"`, want: "GET /v1/a/b/c/z/x"},
		{name: "literal with a slash", input: "Get", rules: []string{`get: "/{name=a%2Fb/*}"`}, message: `name: "a%2Fb/c"`, want: "GET /a%2Fb/c"},
		{name: "literal as it is written", input: "Get", rules: []string{`get: "/{name=@a/*}"`}, message: `name: "@a/@"`, want: "GET /@a/%40"},
		{name: "behind the slash of the root", input: "Get", rules: []string{`get: "/{name=**}"`}, message: `name: "a/b"`, want: "GET /a/b"},
		{name: "dots", input: "Get", rules: files, message: `name: "a/../../b"`, field: "name",
			err: `field "name": "a/../../b" has a segment "." or "..", which would lead to another path of GET /v1/files/{name=**}`},
		{name: "dot at the end", input: "Get", rules: files, message: `name: "a/."`, field: "name", err: `has a segment`},
		{name: "a host", input: "Get", rules: []string{`get: "/{name=**}"`}, message: `name: "/evil.example/x"`, field: "name", err: `begins with a slash`},
	})
}

func TestI04ValueThatDoesNotFit(t *testing.T) {
	rules := []string{`get: "/v1/{parent=shelves/*}/books"`}
	around := []string{`get: "/v1/{name=a/**/z}/x"`}
	want := `field "parent": %q does not fit the pattern "shelves/*" of GET /v1/{parent=shelves/*}/books`
	var cases []buildCase
	for _, value := range []string{"rooms/1", "shelves", "shelves/", "shelves/1/2", "shelves/1/", "/shelves/1", "Shelves/1"} {
		cases = append(cases, buildCase{name: value, input: "Get", rules: rules, message: `parent: "` + value + `"`,
			err: strings.Replace(want, "%q", `"`+value+`"`, 1), field: "parent"})
	}
	for _, value := range []string{"a", "z", "a/b", "b/a/z", "a/z/b"} {
		cases = append(cases, buildCase{name: value, input: "Get", rules: around, message: `name: "` + value + `"`, err: "does not fit", field: "name"})
	}
	run(t, cases)
}

func TestI05PathFieldUnset(t *testing.T) {
	empty := ` is empty, and GET `
	run(t, []buildCase{
		{name: "string", input: "Get", rules: []string{`get: "/v1/{name}"`}, field: "name", err: empty},
		{name: "optional", input: "Get", rules: []string{`get: "/v1/{opt_name}"`}, message: `opt_name: ""`, field: "opt_name", err: empty},
		{name: "bytes", input: "Get", rules: []string{`get: "/v1/{data}"`}, field: "data", err: empty},
		{name: "wrapper", input: "Get", rules: []string{`get: "/v1/{text}"`}, message: `text {}`, field: "text", err: empty},
		{name: "time", input: "Get", rules: []string{`get: "/v1/{at}"`}, field: "at", err: empty},
		{name: "optional number", input: "Get", rules: []string{`get: "/v1/{opt_size}"`}, field: "opt_size", err: empty},
		{name: "parent", input: "Get", rules: []string{`get: "/v1/{sub.size}"`}, field: "sub.size", err: empty},
		{name: "other member", input: "Get", rules: []string{`get: "/v1/{user}"`}, message: `mail: "m"`, field: "user", err: empty},
		// Without presence a zero is a value as good as others.
		{name: "zero", input: "Get", rules: []string{`get: "/v1/{page_size}"`}, want: "GET /v1/0"},
		{name: "zero of an enum", input: "Get", rules: []string{`get: "/v1/{color}"`}, want: "GET /v1/COLOR_UNKNOWN"},
		{name: "set to zero", input: "Get", rules: []string{`get: "/v1/{opt_size}"`}, message: `opt_size: 0`, want: "GET /v1/0"},
	})
}

func TestPathValues(t *testing.T) {
	run(t, []buildCase{
		{name: "number", input: "Get", rules: []string{`get: "/v1/{big}"`}, message: `big: -9223372036854775808`, want: "GET /v1/-9223372036854775808"},
		{name: "enum", input: "Get", rules: []string{`get: "/v1/{color}"`}, message: `color: RED`, want: "GET /v1/RED"},
		{name: "unknown enum", input: "Get", rules: []string{`get: "/v1/{color}"`}, message: `color: 77`, want: "GET /v1/77"},
		{name: "bool", input: "Get", rules: []string{`get: "/v1/{on}"`}, message: `on: true`, want: "GET /v1/true"},
		{name: "double", input: "Get", rules: []string{`get: "/v1/{ratio}"`}, message: `ratio: 1.5e300`, want: "GET /v1/1.5e%2B300"},
		{name: "bytes", input: "Get", rules: []string{`get: "/v1/{data}"`}, message: `data: "\xff\xfe\xfd\xfc"`, want: "GET /v1/__79_A%3D%3D"},
		{name: "bytes in a wrapper", input: "Get", rules: []string{`get: "/v1/{raw}"`}, message: `raw {value: "\xff\xfe\xfd"}`, want: "GET /v1/__79"},
		{name: "time", input: "Get", rules: []string{`get: "/v1/{at}"`}, message: `at {seconds: 1 nanos: 5000000}`, want: "GET /v1/1970-01-01T00%3A00%3A01.005Z"},
		{name: "duration", input: "Get", rules: []string{`get: "/v1/{for}"`}, message: `for {seconds: -1 nanos: -500000000}`, want: "GET /v1/-1.500s"},
		{name: "mask", input: "Get", rules: []string{`get: "/v1/{mask}"`}, message: `mask {paths: "a_b" paths: "c.d"}`, want: "GET /v1/aB%2Cc.d"},
		{name: "time out of range", input: "Get", rules: []string{`get: "/v1/{at}"`}, message: `at {nanos: -1}`, err: "path: at: the Timestamp of 0 seconds", field: "at"},
	})
}

func TestI06LeftOverScalars(t *testing.T) {
	rules := []string{`get: "/v1/{name}"`}
	run(t, []buildCase{
		{name: "JSON names", input: "Get", rules: rules, message: `name: "n" page_size: 5 user: "u"`, want: "GET /v1/n?pageSize=5&user=u"},
		{name: "nested", input: "Get", rules: rules, message: `name: "n" sub {name: "s" sub {size: 2}}`, want: "GET /v1/n?sub.name=s&sub.sub.size=2"},
		{name: "escaped", input: "Get", rules: rules, message: `name: "n" parent: "a&b=c+d e%/?"`, want: "GET /v1/n?parent=a%26b%3Dc%2Bd%20e%25%2F%3F"},
		{name: "name escaped", input: "Get", rules: rules, message: `name: "n" odd: "x"`, want: "GET /v1/n?o%20d%26d=x"},
		{name: "every type", input: "Get", rules: rules,
			message: `name: "n" color: RED data: "\xff\xff" at {seconds: 1} for {seconds: 1} mask {paths: "a_b"} text {value: "t"} raw {value: "\xff"} ratio: 0.5 big: 1 on: true`,
			want:    "GET /v1/n?color=RED&data=__8%3D&at=1970-01-01T00%3A00%3A01Z&for=1s&mask=aB&text=t&raw=_w%3D%3D&ratio=0.5&big=1&on=true"},
		{name: "partly in the path", input: "Get", rules: []string{`get: "/v1/{sub.name}"`}, message: `sub {name: "n" size: 3}`, want: "GET /v1/n?sub.size=3"},
		{name: "beside a body", input: "Deep", rules: []string{`put: "/v1/x" body: "middle"`}, message: `name: "n&" middle {}`,
			want: "PUT /v1/x?name=n%26\napplication/json {}"},
	})
}

func TestI07RepeatedScalars(t *testing.T) {
	rules := []string{`get: "/v1/all"`}
	run(t, []buildCase{
		{name: "strings", input: "Get", rules: rules, message: `tags: "a" tags: "" tags: "b c"`, want: "GET /v1/all?tags=a&tags=&tags=b%20c"},
		{name: "packed", input: "Get", rules: rules, message: `ids: 1 ids: 0 ids: -1`, want: "GET /v1/all?ids=1&ids=0&ids=-1"},
		{name: "enums", input: "Get", rules: rules, message: `colors: RED colors: COLOR_UNKNOWN`, want: "GET /v1/all?colors=RED&colors=COLOR_UNKNOWN"},
		{name: "times", input: "Get", rules: rules, message: `times {seconds: 1} times {}`,
			want: "GET /v1/all?times=1970-01-01T00%3A00%3A01Z&times=1970-01-01T00%3A00%3A00Z"},
		{name: "wrappers", input: "Get", rules: rules, message: `numbers {value: 1} numbers {}`, want: "GET /v1/all?numbers=1&numbers=0"},
		{name: "nested", input: "Get", rules: rules, message: `sub {tags: "a" tags: "b"}`, want: "GET /v1/all?sub.tags=a&sub.tags=b"},
	})
}

func TestI08LeftOversWithoutForm(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name, input, rule string
		want              []string
	}{
		{"map and list", "Put", `get: "/v1/{name}"`, []string{
			`GET /v1/{name}: field "book.pages" is a map, which has no form in a query; put it into the body`,
			`GET /v1/{name}: field "labels" is a map, which has no form in a query; put it into the body`,
			`GET /v1/{name}: field "value" is of type google.protobuf.Value, which has no form in a query; put it into the body`,
			`GET /v1/{name}: field "books" is a list of o.v1.Book, which has no form in a query; put it into the body`,
		}},
		{"deep", "Deep", `get: "/v1/{name}"`, []string{
			`GET /v1/{name}: field "middle.book.pages" is a map, which has no form in a query; put it into the body`,
			`GET /v1/{name}: field "middle.subs" is a list of o.v1.Sub, which has no form in a query; put it into the body`,
			`GET /v1/{name}: field "middle.fields" is of type google.protobuf.Struct, which has no form in a query; put it into the body`,
		}},
		{"beside the body", "Put", `patch: "/v1/{name}" body: "book"`, []string{
			`PATCH /v1/{name}: field "labels" is a map, which has no form in a query; put it into the body`,
			`PATCH /v1/{name}: field "value" is of type google.protobuf.Value, which has no form in a query; put it into the body`,
			`PATCH /v1/{name}: field "books" is a list of o.v1.Book, which has no form in a query; put it into the body`,
		}},
		{"the body takes all", "Put", `post: "/v1/{name}" body: "*"`, nil},
		{"the body takes the only one", "Deep", `post: "/v1/{name}" body: "middle"`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := plan.New(f.options(t, c.input, c.rule))
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, strings.Join(c.want, "\n"))
		})
	}
}

func TestI09Defaults(t *testing.T) {
	rules := []string{`get: "/v1/all"`}
	run(t, []buildCase{
		{name: "nothing", input: "Get", rules: rules, want: "GET /v1/all"},
		{name: "presence", input: "Get", rules: rules, message: `opt_size: 0 opt_name: ""`, want: "GET /v1/all?optSize=0&optName="},
		{name: "oneof", input: "Get", rules: rules, message: `mail: ""`, want: "GET /v1/all?mail="},
		{name: "wrapper", input: "Get", rules: rules, message: `text {} raw {}`, want: "GET /v1/all?text=&raw="},
		{name: "time", input: "Get", rules: rules, message: `at {} for {} mask {}`, want: "GET /v1/all?at=1970-01-01T00%3A00%3A00Z&for=0s&mask="},
		{name: "empty messages", input: "Get", rules: rules, message: `sub {sub {}} nobody {}`, want: "GET /v1/all"},
	})
	f := newFixture(t)
	r := new(plan.Request)
	// Zeros that are on the wire all the same.
	require.NoError(t, f.plan(t, "Get", rules...).Build(r, []byte(varint(3, 0)+field(1, "n")+field(2)+varint(9, 0)+field(10)+field(7))))
	require.Equal(t, "GET /v1/all?name=n", show(r))
}

func TestI10WholeBody(t *testing.T) {
	run(t, []buildCase{
		{name: "all", input: "Put", rules: []string{`post: "/v1/all" body: "*"`}, message: `name: "n" labels {key: "k" value: "v"}`,
			want: "POST /v1/all\napplication/json " + `{"name":"n","labels":{"k":"v"}}`},
		{name: "without the path", input: "Put", rules: []string{`post: "/v1/{name}" body: "*"`}, message: `name: "n" revision: 2 tags: "t"`,
			want: "POST /v1/n\napplication/json " + `{"revision":2,"tags":["t"]}`},
		{name: "without a nested field", input: "Put", rules: []string{`post: "/v1/{book.name}/{revision}" body: "*"`},
			message: `name: "n" revision: 2 book {name: "b" title: "t" next {name: "x"}}`,
			want:    "POST /v1/b/2\napplication/json " + `{"name":"n","book":{"title":"t","next":{"name":"x"}}}`},
		{name: "not a part of a well-known type", input: "Text", rules: []string{`post: "/v1/{value}" body: "*"`}, message: `value: "v"`,
			want: "POST /v1/v\napplication/json " + `"v"`},
		{name: "nothing left", input: "Put", rules: []string{`post: "/v1/{name}" body: "*"`}, message: `name: "n"`, want: "POST /v1/n\napplication/json {}"},
	})
}

// What the path has is not in the body as a zero either, where zeros are shown.
func TestWholeBodyThatShowsZeros(t *testing.T) {
	f := newFixture(t)
	c, err := codec.NewPrinting(f.schema, codec.Print{UnsetFields: true})
	require.NoError(t, err)
	o := f.options(t, "Sub", `post: "/v1/{name}" body: "*"`)
	o.Input = c.Message("o.v1.Sub")
	p, err := plan.New(o)
	require.NoError(t, err)
	r := new(plan.Request)
	require.NoError(t, p.Build(r, f.wire(t, "Sub", `name: "n"`)))
	require.Equal(t, "POST /v1/n\napplication/json "+`{"size":0,"tags":[],"data":""}`, show(r))
}

func TestI11BodyField(t *testing.T) {
	book := []string{`patch: "/v1/{middle.book.name}" body: "middle"`}
	put := func(field string) []string {
		return []string{`put: "/v1/x" body: "` + field + `"`}
	}
	run(t, []buildCase{
		{name: "whole, with what the path has", input: "Deep", rules: book, message: `name: "d" middle {book {name: "b" title: "t"}}`,
			want: "PATCH /v1/b?name=d\napplication/json " + `{"book":{"name":"b","title":"t"}}`},
		{name: "unset", input: "Deep", rules: put("middle"), message: `name: "d"`, want: "PUT /v1/x?name=d"},
		{name: "empty", input: "Deep", rules: put("middle"), message: `middle {}`, want: "PUT /v1/x\napplication/json {}"},
		{name: "scalar", input: "Get", rules: put("page_size"), message: `page_size: 3 name: "n"`, want: "PUT /v1/x?name=n\napplication/json 3"},
		{name: "zero", input: "Get", rules: put("page_size"), want: "PUT /v1/x"},
		{name: "zero with presence", input: "Get", rules: put("opt_size"), message: `opt_size: 0`, want: "PUT /v1/x\napplication/json 0"},
		{name: "list", input: "Get", rules: put("tags"), message: `tags: "a" tags: "b"`, want: "PUT /v1/x\napplication/json " + `["a","b"]`},
		{name: "empty list", input: "Get", rules: put("tags"), want: "PUT /v1/x"},
		{name: "other member", input: "Get", rules: put("user"), message: `mail: "m"`, want: "PUT /v1/x?mail=m"},
	})
}

func TestI17HTTPBody(t *testing.T) {
	field := []string{`post: "/v1/{name}" body: "file"`}
	member := []string{`post: "/v1/x" body: "one"`}
	whole := []string{`post: "/v1/x" body: "*"`}
	run(t, []buildCase{
		{name: "field", input: "File", rules: field, message: `name: "n" file {content_type: "text/plain" data: "a\n\xff"}`, want: "POST /v1/n\ntext/plain a\n\xff"},
		{name: "unset", input: "File", rules: field, message: `name: "n"`, want: "POST /v1/n"},
		{name: "no type", input: "File", rules: field, message: `name: "n" file {data: "x"}`, want: "POST /v1/n\n x"},
		{name: "no data", input: "File", rules: field, message: `name: "n" file {content_type: "image/png"}`, want: "POST /v1/n\nimage/png "},
		{name: "member", input: "Choice", rules: member, message: `one {content_type: "a/b" data: "x"}`, want: "POST /v1/x\na/b x"},
		{name: "other member", input: "Choice", rules: member, message: `two: "x"`, want: "POST /v1/x?two=x"},
		{name: "request", input: "Upload", rules: whole, message: `content_type: "a/b" data: "x"`, want: "POST /v1/x\na/b x"},
		{name: "without rules", input: "Upload", message: `content_type: "a/b" data: "x"`, want: "POST " + fullMethod + "\na/b x"},
		{name: "a part of the body", input: "File", rules: whole, message: `file {content_type: "a/b" data: "x"}`,
			want: "POST /v1/x\napplication/json " + `{"file":{"contentType":"a/b","data":"eA=="}}`},
		{name: "no header", input: "File", rules: field, message: `name: "n" file {content_type: "a/b\r\nx: y"}`,
			field: "file.content_type", err: `field "file.content_type" is no media type`},
	})
}

func TestWithoutRules(t *testing.T) {
	f := newFixture(t)
	message := f.wire(t, "Put", `name: "n" labels {key: "k" value: "v"}`)
	want := "POST " + fullMethod + "\napplication/json " + `{"name":"n","labels":{"k":"v"}}`
	r := new(plan.Request)
	require.NoError(t, f.plan(t, "Put").Build(r, message))
	require.Equal(t, want, show(r))
	require.Equal(t, -1, r.Binding)

	o := f.options(t, "Put", `post: "/v1/{name}" body: "*"`)
	o.Whole = true
	p, err := plan.New(o)
	require.NoError(t, err)
	require.NoError(t, p.Build(r, message))
	require.Equal(t, want, show(r))
	require.Equal(t, -1, r.Binding)
}
