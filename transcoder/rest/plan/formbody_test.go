package plan_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

func TestForms(t *testing.T) {
	star := func(name, form, want string) bindCase {
		return bindCase{name: name, line: "POST /v1/star/p", body: form, want: `name: "p" ` + want}
	}
	badStar := func(name, form, field, err string) bindCase {
		return bindCase{name: name, line: "POST /v1/star/p", body: form, field: field, err: err}
	}
	newFixture(t).run(t, plan.InBody, true, []bindCase{
		star("C39", "i32=3&sub.name=a+b%21&rs=x&rs=y", `i32: 3 sub {name: "a b!"} rs: ["x", "y"]`),
		star("nothing", "", ``),
		star("empty pairs", "&i32=3&", `i32: 3`),
		badStar("unknown", "sub.naem=1", "sub.naem", `form parameter "sub.naem": t.v1.Sub has no field "naem"; did you mean "sub.name"?`),
		badStar("value", "i32=x", "i32", `form parameter "i32": "x" is not an integer`),
		badStar("twice", "i32=1&i32=1", "i32", `set twice`),
		badStar("oneof", "user_id=1&email=1", "email", `set by another parameter`),
		badStar("bound", "name=q", "name", `taken from the path`),
		badStar("escape", "i32=%2", "i32", `hexadecimal`),
		badStar("semicolon", "i32=1;b=true", "i32", `semicolon`),
		badStar("system parameters are the query's", "key=1", "key", `no field`),
		badStar("map", "m[k]=v", "m[k]", `no field`),
		badStar("too many", strings.Repeat("rs=a&", 1001), "", `the form has more than 1000 parameters`),
		badStar("too deep", "node."+strings.Repeat("a.", 1000)+"leaf=1", "", `more than 100 messages deep`),
		badStar("JSON", `{"i32":3}`, "", `send application/json`),
		{name: "field", line: "PATCH /v1/body/n?i32=9", body: "size=3&tags=a", want: `name: "n" i32: 9 sub {size: 3 tags: "a"}`},
		{name: "field, unknown", line: "PATCH /v1/body/n", body: "naem=3", field: "naem", err: `t.v1.Sub has no field "naem"; did you mean "name"?`},
		{name: "field, from the top", line: "PATCH /v1/body/n", body: "sub.size=3", field: "sub.size", err: `no field`},
	})
	f := newFixture(t)
	for line, want := range map[string]bool{
		"POST /v1/star/p": true, "PATCH /v1/body/n": true, "POST /v1/rep/n": false, "GET /v1/things/n": false, "POST /v1/bodies/oneof/n": false,
	} {
		rule, _ := f.find(t, line, "")
		require.Equal(t, want, rule.plan.TakesForm(), line)
	}
}

func TestFormOptions(t *testing.T) {
	newFixtureWith(t, func(o *plan.Options) {
		o.UnknownFields, o.PathWins, o.FoldEnums, o.QueryMaps, o.QueryStructs = plan.Report, true, true, true, true
	}).run(t, plan.InBody, true, []bindCase{
		{name: "all", line: "POST /v1/star/p", body: "name=q&foo=1&color=red&m[k]=v&val=[1]", ignored: "body.foo",
			want: `name: "p" color: RED m {key: "k" value: "v"} val {list_value {values {number_value: 1}}}`},
		{name: "in the body's field", line: "PATCH /v1/body/n", body: "name=q&foo=1", want: `name: "n" sub {name: "q"}`, ignored: "body.foo"},
	})
	t.Run("unknown in the query", func(t *testing.T) {
		newFixtureWith(t, func(o *plan.Options) { o.UnknownFields = plan.Ignore }).run(t, plan.InQuery, true, []bindCase{
			{name: "C39", line: "PATCH /v1/body/n?bar=1", body: "foo=1", field: "bar", err: `no field "bar"`},
		})
	})
}

const maskProto = `syntax = "proto3"; package d;
	import "google/protobuf/field_mask.proto";
	import "google/protobuf/struct.proto";
	import "google/protobuf/any.proto";
	message Book {
		string name = 1; string title = 2; float float_value = 3; repeated string tags = 4; map<string, string> m = 5;
		Book inner = 6; repeated Book all = 7; google.protobuf.Struct st = 8; google.protobuf.Any any = 9;
		oneof which { Empty oneof_empty = 10; string text = 11; }
		google.protobuf.FieldMask own_mask = 12;
	}
	message Empty {}
	message Update { Book book = 1; google.protobuf.FieldMask update_mask = 2; string etag = 3; string user_id = 4; }
	message Two { Book book = 1; google.protobuf.FieldMask one = 2; google.protobuf.FieldMask other = 3; }
	message None { Book book = 1; repeated google.protobuf.FieldMask many = 2; }
	message Member { oneof by { string id = 1; google.protobuf.FieldMask mask = 2; } string x = 3; }
	message Choice { oneof by { string id = 1; Book whole = 2; } string x = 3; google.protobuf.FieldMask mask = 4; }`

func TestPatchMask(t *testing.T) {
	f := inline(t, maskProto)
	type binding = httprule.Binding
	field := binding{Method: "PATCH", Template: template(t, "/v1/{book.name}"), Body: "book"}
	whole := binding{Method: "PATCH", Template: template(t, "/v1/{book.name}"), Body: "*"}
	flat := binding{Method: "PATCH", Template: template(t, "/v1/{user_id}"), Body: "*"}
	with := func(b binding, change func(b *binding)) binding { change(&b); return b }
	for _, c := range []struct {
		name, input, mask string
		binding           binding
		query, body       string
		form              bool
		want, err         string
	}{
		{name: "H01", binding: field, body: `{"title": "t", "floatValue": 3}`, want: `book {title: "t" float_value: 3 name: "n"} update_mask {paths: ["title", "float_value"]}`},
		{name: "H01 proto names", binding: field, body: `{"float_value": 3}`, want: `book {float_value: 3 name: "n"} update_mask {paths: ["float_value"]}`},
		{name: "H01 the only one", mask: "*", binding: field, body: `{"title": "t"}`, want: `book {title: "t" name: "n"} update_mask {paths: ["title"]}`},
		{name: "H02", binding: field, body: `{"inner": {"inner": {"title": "t"}, "name": "x"}}`,
			want: `book {inner {inner {title: "t"} name: "x"} name: "n"} update_mask {paths: ["inner.inner.title", "inner.name"]}`},
		{name: "H03", binding: field, body: `{"m": {"a": "x"}}`, want: `book {m {key: "a" value: "x"} name: "n"} update_mask {paths: ["m"]}`},
		{name: "H04", binding: field, body: `{"tags": ["a"], "all": [{"title": "x"}]}`, want: `book {tags: "a" all {title: "x"} name: "n"} update_mask {paths: ["tags", "all"]}`},
		{name: "H05", binding: field, body: `{"any": {"@type": "type.googleapis.com/d.Book", "title": "x"}}`,
			want: `book {any {type_url: "type.googleapis.com/d.Book" value: "\x12\x01x"} name: "n"} update_mask {paths: ["any"]}`},
		{name: "H06", binding: field, body: `{"st": {"a": 1}}`, want: `book {st {fields {key: "a" value {number_value: 1}}} name: "n"} update_mask {paths: ["st"]}`},
		{name: "H07", binding: field, body: `{"oneofEmpty": {}}`, want: `book {oneof_empty {} name: "n"} update_mask {paths: ["oneof_empty"]}`},
		{name: "H08", binding: field, body: `{"title": {"a": 1}}`, err: `body: `},
		{name: "H09", binding: field, query: "updateMask=tags", body: `{"title": "t"}`, want: `book {title: "t" name: "n"} update_mask {paths: ["tags"]}`},
		{name: "H09 empty", binding: field, query: "update_mask=", body: `{"title": "t"}`, want: `book {title: "t" name: "n"} update_mask {}`},
		{name: "H09 in the body", binding: flat, body: `{"etag": "e", "updateMask": "etag,book"}`, want: `etag: "e" user_id: "n" update_mask {paths: ["etag", "book"]}`},
		{name: "H09 null", binding: flat, body: `{"etag": "e", "updateMask": null}`, want: `etag: "e" user_id: "n" update_mask {paths: ["etag"]}`},
		{name: "H10 whole body", binding: whole, body: `{"etag": "e", "book": {"name": "n", "title": "t"}}`,
			want: `etag: "e" book {name: "n" title: "t"} update_mask {paths: ["etag", "book.title"]}`},
		{name: "H10 bound", binding: flat, body: `{"userId": "n", "book": {"name": "x"}}`, want: `user_id: "n" book {name: "x"} update_mask {paths: ["book.name"]}`},
		{name: "H10 several", mask: "*", input: "d.Two", binding: field, body: `{"title": "t"}`, want: `book {title: "t" name: "n"}`},
		{name: "H10 several, named", mask: "other", input: "d.Two", binding: field, body: `{"title": "t"}`, want: `book {title: "t" name: "n"} other {paths: ["title"]}`},
		{name: "H10 none", mask: "*", input: "d.None", binding: field, body: `{"title": "t"}`, want: `book {title: "t" name: "n"}`},
		{name: "H10 another name", mask: "mask", binding: field, body: `{"title": "t"}`, want: `book {title: "t" name: "n"}`},
		{name: "H10 no mask", mask: "etag", binding: field, body: `{"title": "t"}`, want: `book {title: "t" name: "n"}`},
		{name: "H10 nested mask", binding: field, body: `{"ownMask": "title"}`, want: `book {own_mask {paths: "title"} name: "n"} update_mask {paths: ["own_mask"]}`},
		{name: "H11", binding: field, body: `{"title": null, "inner": null}`, want: `book {name: "n"} update_mask {paths: ["title", "inner"]}`},
		{name: "nothing set", binding: field, body: `{}`, want: `book {name: "n"}`},
		{name: "no body", binding: field, want: `book {name: "n"}`},
		{name: "what the path has", binding: field, body: `{"name": "n"}`, want: `book {name: "n"}`},
		{name: "of POST", binding: with(field, func(b *binding) { b.Method = "POST" }), body: `{"title": "t"}`, want: `book {title: "t" name: "n"}`},
		{name: "scalar", binding: with(flat, func(b *binding) { b.Body = "etag" }), body: `"e"`, want: `etag: "e" user_id: "n"`},
		{name: "the mask itself", binding: with(flat, func(b *binding) { b.Body = "update_mask" }), body: `"etag"`, want: `user_id: "n" update_mask {paths: "etag"}`},
		{name: "other members", mask: "mask", input: "d.Choice", binding: with(whole, func(b *binding) { b.Template = template(t, "/v1/{id}") }),
			body: `{"whole": {"title": "t"}, "x": "y"}`, want: `id: "n" x: "y" mask {paths: ["x"]}`},
		{name: "a member itself", mask: "mask", input: "d.Member", binding: with(whole, func(b *binding) { b.Template = template(t, "/v1/{id}") }),
			body: `{"x": "y"}`, want: `id: "n" x: "y"`},
		{name: "unknown", binding: field, body: `{"title": "t", "foo": {"bar": 1}}`, want: `book {title: "t" name: "n"} update_mask {paths: ["title"]}`},
		{name: "form", binding: field, form: true, body: "title=t&inner.floatValue=2&tags=a&tags=b&m[k]=v&m[l]=w&foo=1",
			want: `book {title: "t" inner {float_value: 2} tags: ["a", "b"] m {key: "k" value: "v"} m {key: "l" value: "w"} name: "n"}
				update_mask {paths: ["title", "inner.float_value", "tags", "m"]}`},
		{name: "form of all", binding: whole, form: true, body: "book.title=t&book.name=x&etag=e", want: `book {title: "t" name: "n"} etag: "e" update_mask {paths: ["book.title", "etag"]}`},
		{name: "form with a mask", binding: whole, form: true, body: "book.title=t&updateMask=etag", want: `book {title: "t" name: "n"} update_mask {paths: "etag"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options
			o.PatchMask, o.UnknownFields, o.PathWins, o.QueryMaps = "update_mask", plan.Ignore, true, true
			if c.mask != "" {
				o.PatchMask = c.mask
			}
			input := "d.Update"
			if c.input != "" {
				input = c.input
			}
			md := f.descriptor(t, protoreflect.FullName(input))
			p, err := f.planWith(t, md.FullName(), md.FullName(), &c.binding, o)
			require.NoError(t, err)
			r := &plan.Request{Path: "/v1/n", Captures: []plan.Span{{Start: 4, End: 5}}, RawQuery: c.query, Body: []byte(c.body), Form: c.form}
			got, err := f.bindRequest(t, &rule{plan: p, input: md}, r, new(plan.Scratch))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			f.same(t, c.want, got)
		})
	}
}

// A mask may be delimited by tags, as all messages may since editions.
func TestPatchMaskDelimited(t *testing.T) {
	f := inline(t, `edition = "2023"; package d; import "google/protobuf/field_mask.proto";
		message M { M book = 1; string title = 2; google.protobuf.FieldMask mask = 3 [features.message_encoding = DELIMITED]; }`)
	o := options
	o.PatchMask = "*"
	p, err := f.planWith(t, "d.M", "d.M", &httprule.Binding{Method: "PATCH", Template: template(t, "/x"), Body: "book"}, o)
	require.NoError(t, err)
	got, err := f.bindRequest(t, &rule{plan: p, input: f.descriptor(t, "d.M")}, &plan.Request{Path: "/x", Body: []byte(`{"title": "t"}`)}, new(plan.Scratch))
	require.NoError(t, err)
	f.same(t, `book {title: "t"} mask {paths: "title"}`, got)
}
