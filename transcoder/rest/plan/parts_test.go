package plan_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

const partsProto = `syntax = "proto3"; package d;
	import "google/api/httpbody.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/field_mask.proto";
	message Photo {
		string name = 1; bytes data = 2; repeated bytes more = 3; google.api.HttpBody file = 4; repeated google.api.HttpBody files = 5;
		Photo sub = 6; repeated Photo subs = 7; map<string, string> m = 8; map<string, Photo> mm = 9; repeated string tags = 10; int32 i = 11;
		google.protobuf.Struct st = 12; oneof o { Photo left = 13; bytes right = 14; } google.protobuf.FieldMask mask = 15;
		repeated google.protobuf.ListValue lists = 16; string _charset_ = 17 [json_name = "cs"];
	}
	message Plain { string name = 1; Photo sub = 2; google.protobuf.FieldMask mask = 3; }`

func textPart(name, value string) plan.Part { return plan.Part{Name: name, Data: []byte(value)} }

func jsonPart(name, value string) plan.Part {
	return plan.Part{Name: name, Type: "application/json; charset=utf-8", Data: []byte(value)}
}

func filePart(name, value string) plan.Part {
	return plan.Part{Name: name, Type: "image/png", File: true, FileName: "a.png", Data: []byte(value)}
}

func TestParts(t *testing.T) {
	type binding = httprule.Binding
	type parts = []plan.Part
	f := inline(t, partsProto)
	star := binding{Method: "POST", Template: template(t, "/v1/{name}"), Body: "*"}
	inSub := binding{Method: "POST", Template: template(t, "/v1/{sub.name}"), Body: "*"}
	body := func(name string) binding {
		return binding{Method: "POST", Template: template(t, "/v1/{name}"), Body: name}
	}
	lenient := func(o *plan.Options) { o.UnknownFields, o.PathWins, o.QueryMaps = plan.Report, true, true }
	for _, c := range []struct {
		name    string
		binding binding
		input   string
		options func(o *plan.Options)
		query   string
		parts   parts
		want    string
		ignored string
		// err is a part of the error's message, field the field that it blames.
		err, field string
	}{
		{name: "nothing", binding: star, want: `name: "n"`},
		{name: "text", binding: star, parts: parts{textPart("i", "3"), textPart("sub.name", "a+b %41"), textPart("tags", "x"), textPart("tags", "")},
			want: `name: "n" i: 3 sub {name: "a+b %41"} tags: ["x", ""]`},
		{name: "charset", binding: star, parts: parts{{Name: "tags", Type: `text/plain; charset="UTF-8"`, Data: []byte("é")}}, want: `name: "n" tags: "é"`},
		{name: "another charset", binding: star, parts: parts{{Name: "tags", Type: "text/plain; charset=latin1", Data: []byte("a")}}, field: "tags", err: `"latin1" is not supported`},
		{name: "bad type", binding: star, parts: parts{{Name: "tags", Type: "text/plain; =", Data: []byte("a")}}, field: "tags", err: `content-type`},
		{name: "not UTF-8", binding: star, parts: parts{textPart("tags", "\xff")}, field: "tags", err: `form parameter "tags": the value is not valid UTF-8`},
		{name: "not UTF-8, the name", binding: star, parts: parts{textPart("\xff", "")}, field: "\uFFFD", err: `the name is not valid UTF-8`},
		{name: "unknown", binding: star, parts: parts{textPart("tasg", "x")}, field: "tasg", err: `did you mean "tags"?`},
		{name: "twice", binding: star, parts: parts{textPart("i", "3"), textPart("i", "3")}, field: "i", err: `set twice`},
		{name: "bound", binding: star, parts: parts{textPart("name", "n")}, field: "name", err: `taken from the path`},
		{name: "charset part", binding: star, input: "d.Plain", parts: parts{textPart("_charset_", "utf-8")}, want: `name: "n"`},
		{name: "field of that name", binding: star, parts: parts{textPart("_charset_", "utf-8")}, want: `name: "n" _charset_: "utf-8"`},
		{name: "maps are off", binding: star, parts: parts{textPart("m[k]", "v")}, field: "m[k]", err: `no field`},
		{name: "maps", binding: star, options: lenient, parts: parts{textPart("m[k]", "v"), textPart("m[l]", "w")}, want: `name: "n" m {key: "k" value: "v"} m {key: "l" value: "w"}`},
		{name: "file in a map", binding: star, options: lenient, parts: parts{filePart("m[k]", "v")}, field: "m[k]", err: `plain text`},
		{name: "JSON in a map", binding: star, options: lenient, parts: parts{jsonPart("m[k]", `"v"`)}, field: "m[k]", err: `plain text`},
		{name: "ignored", binding: star, options: lenient, parts: parts{textPart("nope", "x"), textPart("name", "x"), jsonPart("sub", `{"nope":1}`), filePart("what", "")},
			want: `name: "n" sub {}`, ignored: "body.nope, body.sub.nope, body.what"},

		{name: "C40 bytes", binding: star, parts: parts{filePart("data", "\x00\xff="), filePart("more", "YQ=="), textPart("more", "b"), filePart("sub.data", "")},
			want: `name: "n" data: "\x00\xff=" more: ["YQ==", "b"] sub {data: ""}`},
		{name: "JSON for bytes is bytes", binding: star, parts: parts{jsonPart("data", `"YQ=="`)}, want: `name: "n" data: "\"YQ==\""`},
		{name: "bytes twice", binding: star, parts: parts{filePart("data", "a"), filePart("data", "a")}, field: "data", err: `set twice`},
		{name: "no file chosen", binding: star, parts: parts{{Name: "data", Type: "application/octet-stream", File: true}, {Name: "i", File: true}}, want: `name: "n"`},
		{name: "file for text", binding: star, parts: parts{filePart("tags", "a")}, field: "tags", err: `is a file`},
		{name: "long", binding: star, parts: parts{filePart("sub.data", strings.Repeat("x", 1000))}, want: `name: "n" sub {data: "` + strings.Repeat("x", 1000) + `"}`},

		{name: "C40 HttpBody", binding: star, parts: parts{filePart("file", "\xff"), filePart("files", "a"), {Name: "files", File: true, FileName: "x"}},
			want: `name: "n" file {content_type: "image/png" data: "\xff"} files {content_type: "image/png" data: "a"} files {}`},
		{name: "HttpBody, nested", binding: star, parts: parts{filePart("sub.file", "a"), textPart("sub.name", "s")}, want: `name: "n" sub {file {content_type: "image/png" data: "a"} name: "s"}`},
		{name: "HttpBody as JSON", binding: star, parts: parts{jsonPart("file", `{"data":"YQ=="}`)}, want: `name: "n" file {data: "a"}`},
		{name: "HttpBody by fields", binding: star, parts: parts{textPart("file.contentType", "a/b"), textPart("file.data", "YQ==")}, want: `name: "n" file {content_type: "a/b" data: "YQ=="}`},
		{name: "HttpBody as text", binding: star, parts: parts{textPart("file", "x")}, field: "file", err: `google.api.HttpBody`},
		{name: "HttpBody and a field", binding: star, parts: parts{textPart("file.contentType", "a/b"), filePart("file", "x")}, field: "file", err: `has set a field in it`},
		{name: "field and HttpBody", binding: star, parts: parts{filePart("file", "x"), textPart("file.contentType", "a/b")}, field: "file.contentType", err: `has set all of field "file"`},
		{name: "HttpBody and the path", binding: binding{Method: "POST", Template: template(t, "/v1/{file.content_type}"), Body: "*"}, parts: parts{filePart("file", "x")}, field: "file", err: `the path has set`},
		{name: "bad content type", binding: star, parts: parts{{Name: "file", Type: "\xff", File: true}, {Name: "file", Type: "\xff", File: true, Data: []byte("x")}}, field: "file", err: `UTF-8`},

		{name: "JSON", binding: star, parts: parts{jsonPart("sub", ` {"name":"s","tags":["a"]} `), jsonPart("i", "3"), jsonPart("tags", `["a","b"]`), jsonPart("tags", `"c"`), jsonPart("m", `{"k":"v"}`), jsonPart("mm", `{"k":{"i":1}}`)},
			want: `name: "n" sub {name: "s" tags: "a"} i: 3 tags: ["a", "b", "c"] m {key: "k" value: "v"} mm {key: "k" value {i: 1}}`},
		{name: "JSON, nested", binding: star, parts: parts{jsonPart("sub.sub", `{"i":1}`), textPart("sub.i", "2"), jsonPart("subs", `{"i":3}`), jsonPart("subs", `[{"i":4},{}]`)},
			want: `name: "n" sub {sub {i: 1} i: 2} subs {i: 3} subs {i: 4} subs {}`},
		{name: "JSON null", binding: star, parts: parts{jsonPart("sub", `null`)}, want: `name: "n"`},
		{name: "JSON file", binding: star, parts: parts{{Name: "st", Type: "application/geo+json", File: true, FileName: "a", Data: []byte(`{"a":1}`)}}, want: `name: "n" st {fields {key: "a" value {number_value: 1}}}`},
		{name: "JSON list of lists", binding: star, parts: parts{jsonPart("lists", `[[1]]`)}, want: `name: "n" lists {values {number_value: 1}}`},
		{name: "JSON breaks out", binding: star, parts: parts{jsonPart("sub", `{},"i":1`)}, field: "sub", err: `form parameter "sub": `},
		{name: "JSON breaks out of all", binding: star, parts: parts{jsonPart("sub", `{}},"i":1`)}, field: "sub", err: `form parameter "sub": `},
		{name: "JSON, cut", binding: star, parts: parts{jsonPart("sub", `{`)}, field: "sub", err: `form parameter "sub": `},
		{name: "JSON, empty", binding: star, parts: parts{jsonPart("sub", ``)}, field: "sub", err: `form parameter "sub": `},
		{name: "JSON, wrong", binding: star, parts: parts{jsonPart("sub.sub", "{\"i\":\"x\"}")}, field: "sub.sub.i", err: `form parameter "sub.sub": sub.sub.i: got "x", expected an integer (line 1, column 6, byte 5)`},
		{name: "JSON, wrong below", binding: star, parts: parts{jsonPart("sub", "{\n\"i\":\"x\"}")}, field: "sub.i", err: `(line 2, column 5, byte 6)`},
		{name: "JSON, bound", binding: inSub, parts: parts{jsonPart("sub", `{"name":"n","i":1}`)}, want: `sub {name: "n" i: 1}`},
		{name: "JSON, bound otherwise", binding: inSub, parts: parts{jsonPart("sub", `{"name":"o"}`)}, field: "sub.name", err: `path`},
		{name: "JSON, bound, the path wins", binding: inSub, options: lenient, parts: parts{jsonPart("sub", `{"name":"o","i":1}`)}, want: `sub {name: "n" i: 1}`},
		{name: "JSON, two members", binding: star, parts: parts{jsonPart("left", `{}`), filePart("right", "x")}, field: "right", err: `oneof`},
		{name: "JSON and a field", binding: star, parts: parts{textPart("sub.i", "1"), jsonPart("sub", `{}`)}, field: "sub", err: `has set a field in it`},
		{name: "field and JSON", binding: star, parts: parts{jsonPart("sub", `{}`), textPart("sub.i", "1")}, field: "sub.i", err: `has set all of field "sub"`},
		{name: "JSON twice", binding: star, parts: parts{jsonPart("sub", `{}`), jsonPart("sub", `{}`)}, field: "sub", err: `set twice`},
		{name: "JSON map twice", binding: star, parts: parts{jsonPart("m", `{}`), jsonPart("m", `{}`)}, field: "m", err: `set twice`},
		{name: "JSON map and entry", binding: star, options: lenient, parts: parts{jsonPart("m", `{}`), textPart("m[k]", "v")}, field: "m[k]", err: `all of the map`},
		{name: "entry and JSON map", binding: star, options: lenient, parts: parts{textPart("m[k]", "v"), jsonPart("m", `{}`)}, field: "m", err: `set twice`},

		{name: "in a field", binding: body("sub"), query: "i=1", parts: parts{filePart("data", "x"), jsonPart("sub", `{"i":2}`), textPart("name", "s")}, want: `name: "n" i: 1 sub {data: "x" sub {i: 2} name: "s"}`},
		{name: "in a field, wrong", binding: body("sub"), parts: parts{jsonPart("sub", `{"i":"x"}`)}, field: "sub.i", err: `column 6, byte 5`},
		{name: "C40 body is an HttpBody", binding: body("file"), query: "i=1", parts: parts{textPart("_charset_", "utf-8"), filePart("any name", "\xff")}, want: `name: "n" i: 1 file {content_type: "image/png" data: "\xff"}`},
		{name: "body is bytes", binding: body("data"), parts: parts{textPart("", "x")}, want: `name: "n" data: "x"`},
		{name: "C40 message is an HttpBody", binding: binding{Method: "POST", Template: template(t, "/v1/n"), Body: "*"}, input: "google.api.HttpBody", parts: parts{filePart("f", "x")}, want: `content_type: "image/png" data: "x"`},
		{name: "HttpBody and text", binding: body("file"), parts: parts{textPart("i", "1"), filePart("f", "x")}, field: "i", err: `part "i": the body is one file`},
		{name: "two files", binding: body("file"), parts: parts{filePart("f", "x"), filePart("g", "x")}, field: "g", err: `one file`},
		{name: "no file", binding: body("file"), err: `no file`},

		{name: "mask", binding: body("sub"), input: "d.Plain", options: masked, parts: parts{filePart("data", "x"), jsonPart("sub", `{"i":2,"sub":{"name":"x"},"left":null}`), textPart("tags", "a"), jsonPart("tags", `"b"`), jsonPart("more", `x`)},
			want: `name: "n" sub {data: "x" sub {i: 2 sub {name: "x"}} tags: ["a", "b"] more: "x"} mask {paths: ["data", "sub.i", "sub.sub.name", "sub.left", "tags", "more"]}`},
		{name: "mask of all", binding: inSub, options: masked, parts: parts{textPart("i", "1"), jsonPart("sub", `{"name":"n","i":2}`)},
			want: `i: 1 sub {name: "n" i: 2} mask {paths: ["i", "sub.i"]}`},
		{name: "mask, given", binding: star, options: masked, parts: parts{textPart("i", "1"), textPart("mask", "tags")}, want: `name: "n" i: 1 mask {paths: "tags"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, input := options, "d.Photo"
			if c.options != nil {
				c.options(&o)
			}
			if c.input != "" {
				input = c.input
			}
			if o.PatchMask != "" {
				c.binding.Method = "PATCH"
			}
			md := f.descriptor(t, protoreflect.FullName(input))
			p, err := f.planWith(t, md.FullName(), md.FullName(), &c.binding, o)
			require.NoError(t, err)
			require.True(t, p.TakesParts())
			r := &plan.Request{Path: "/v1/n", RawQuery: c.query, Multipart: true, Parts: c.parts}
			if len(c.binding.Template.Variables) > 0 {
				r.Captures = []plan.Span{{Start: 4, End: 5}}
			}
			s := new(plan.Scratch)
			got, err := f.bindRequest(t, &rule{plan: p, input: md}, r, s)
			require.Equal(t, c.ignored, string(s.Outcome.Ignored))
			if c.err != "" {
				var pe *plan.Error
				require.ErrorAs(t, err, &pe, "%v", got)
				require.Contains(t, pe.Message, c.err)
				require.Equal(t, c.field, pe.Field)
				require.Equal(t, plan.InBody, pe.Place)
				return
			}
			require.NoError(t, err)
			f.same(t, c.want, got)
		})
	}
}

func masked(o *plan.Options) { o.PatchMask = "mask" }

// A file that comes in pieces is in one field of many messages.
func TestBindFurtherParts(t *testing.T) {
	f := inline(t, partsProto)
	p, err := f.plan(t, "d.Photo", "d.Photo", &httprule.Binding{Method: "POST", Template: template(t, "/v1/{name}"), Body: "*"})
	require.NoError(t, err)
	s := new(plan.Scratch)
	piece := func(name, value string) plan.Part {
		a := filePart(name, value)
		a.Piece = true
		return a
	}
	first := &plan.Request{Path: "/v1/n", Captures: []plan.Span{{Start: 4, End: 5}}, Multipart: true, Parts: []plan.Part{textPart("i", "1"), piece("file", "a")}}
	got, err := f.bindRequest(t, &rule{plan: p, input: f.descriptor(t, "d.Photo")}, first, s)
	require.NoError(t, err)
	f.same(t, `name: "n" i: 1 file {content_type: "image/png" data: "a"}`, got)
	further := func(part plan.Part) *plan.Request {
		return &plan.Request{Path: first.Path, Captures: first.Captures, Multipart: true, Parts: []plan.Part{part}}
	}
	for name, want := range map[string]string{"data": `data: "b"`, "sub.data": `sub {data: "b"}`, "file": `file {data: "b"}`} {
		next := piece(name, "b")
		next.Type = ""
		wire, err := p.BindFurther([]byte("kept"), further(next), s)
		require.NoError(t, err)
		f.same(t, want, f.parse(t, "d.Photo", wire[len("kept"):]))
	}
	for _, name := range []string{"more", "files", "tags", "st", "name"} {
		wire, err := p.BindFurther([]byte("kept"), further(piece(name, "b")), s)
		var pe *plan.Error
		require.ErrorAs(t, err, &pe, name)
		require.Contains(t, pe.Message, "is a file", name)
		require.Equal(t, "kept", string(wire))
	}
}

func TestTakesParts(t *testing.T) {
	f := newFixture(t)
	for line, want := range map[string]bool{
		"POST /v1/star/p": true, "PATCH /v1/body/n": true, "POST /v1/rep/n": false, "GET /v1/things/n": false, "POST /v1/bodies/oneof/n": false,
	} {
		rule, _ := f.find(t, line, "")
		require.Equal(t, want, rule.plan.TakesParts(), line)
	}
}

// A mask repeats the names above a field, so that many small parts of JSON could
// ask for a large one.
func TestPartsMaskLimit(t *testing.T) {
	f := inline(t, partsProto)
	o := options
	o.PatchMask = "mask"
	b := &httprule.Binding{Method: "PATCH", Template: template(t, "/x"), Body: "*"}
	p, err := f.planWith(t, "d.Photo", "d.Photo", b, o)
	require.NoError(t, err)
	deep := strings.Repeat(`{"name":"x","i":1,"data":"","sub":`, 90) + "{}" + strings.Repeat("}", 90)
	r := &plan.Request{Path: "/x", Multipart: true}
	r.Parts = []plan.Part{jsonPart("sub", deep)}
	_, err = p.Bind(nil, r, new(plan.Scratch))
	require.NoError(t, err)
	r.Parts = []plan.Part{jsonPart("sub.sub", deep), jsonPart("sub.left", deep)}
	_, err = p.Bind(nil, r, new(plan.Scratch))
	require.ErrorContains(t, err, "the field mask of the form is larger than")
}

func TestExplainParts(t *testing.T) {
	f := inline(t, partsProto)
	o := options
	o.UnknownFields, o.QueryMaps = plan.Ignore, true
	p, err := f.planWith(t, "d.Photo", "d.Photo", &httprule.Binding{Method: "POST", Template: template(t, "/x"), Body: "*"}, o)
	require.NoError(t, err)
	r := &plan.Request{Path: "/x", Multipart: true, Parts: []plan.Part{
		textPart("sub.i", "3"), filePart("data", "abc"), textPart("more", "x"), jsonPart("tags", `["a"]`), textPart("m[k]", "v"), textPart("nope", "x"), jsonPart("left", `{"nope":1}`),
		{Name: "file", File: true, FileName: "x"},
	}}
	s := new(plan.Scratch)
	_, err = p.Bind(nil, r, s)
	require.NoError(t, err)
	bound, ignored := p.Explain(r, s)
	require.Equal(t, []plan.Bound{
		{Field: "sub.i", Source: "form", From: "sub.i", Value: "3"},
		{Field: "data", Source: "form", From: "data", Value: "<a.png, image/png, 3 bytes>"},
		{Field: "more", Source: "form", From: "more", Value: "<1 bytes>"},
		{Field: "tags", Source: "form", From: "tags", Value: `["a"]`},
		{Field: "m[k]", Source: "form", From: "m[k]", Value: "v"},
		{Field: "left", Source: "form", From: "left", Value: `{"nope":1}`},
		{Field: "file", Source: "form", From: "file", Value: "<x, 0 bytes>"},
	}, bound)
	require.Equal(t, []string{"body.nope", "body.left.nope"}, ignored)

	p, err = f.planWith(t, "d.Photo", "d.Photo", &httprule.Binding{Method: "POST", Template: template(t, "/x"), Body: "file"}, o)
	require.NoError(t, err)
	r.Parts = r.Parts[1:2]
	_, err = p.Bind(nil, r, s)
	require.NoError(t, err)
	bound, _ = p.Explain(r, s)
	require.Equal(t, []plan.Bound{{Field: "file", Source: "form", From: "data", Value: "<a.png, image/png, 3 bytes>"}}, bound)
}

// FuzzParts checks that no part makes Bind panic, that what it accepts is a
// message, that the same request gives the same again, and that texts give the
// message that they give as a form.
func FuzzParts(f *testing.F) {
	fx := inline(f, partsProto)
	var plans []*plan.Plan
	for _, b := range []httprule.Binding{
		{Method: "PATCH", Template: template(f, "/v1/{name}"), Body: "*"}, {Method: "PATCH", Template: template(f, "/v1/{sub.name}"), Body: "*"},
		{Method: "POST", Template: template(f, "/v1/{name}"), Body: "sub"}, {Method: "POST", Template: template(f, "/v1/{name}"), Body: "file"},
	} {
		for _, wins := range []bool{false, true} {
			o := options
			if wins {
				o.UnknownFields, o.PathWins, o.QueryMaps, o.QueryStructs, o.PatchMask = plan.Report, true, true, true, "mask"
			}
			p, err := fx.planWith(f, "d.Photo", "d.Photo", &b, o)
			require.NoError(f, err)
			plans = append(plans, p)
		}
	}
	for which := range uint8(len(plans)) {
		f.Add(which, uint8(0), "sub.name", "text/plain", "x", "i", "3")
		f.Add(which, uint8(1), "data", "image/png", "\xff", "file", "x")
		f.Add(which, uint8(0), "sub", "application/json", `{"name":"n","sub":{"nope":[]}}`, "sub.i", "3")
		f.Add(which, uint8(0), "sub", "application/json", `{}},"i":{{"a":1`, "m[k]", "3")
		f.Add(which, uint8(3), "files", "application/json", `[]`, "files", `{}`)
		f.Add(which, uint8(0), "m", "application/json", `{"a":"b"}`, "m[a]", `{}`)
	}
	md := fx.descriptor(f, "d.Photo")
	used := new(plan.Scratch)
	f.Fuzz(func(t *testing.T, which, files uint8, name, media, value, name2, value2 string) {
		p := plans[int(which)%len(plans)]
		r := &plan.Request{Path: "/v1/n", Captures: []plan.Span{{Start: 4, End: 5}}, Multipart: true, Parts: []plan.Part{
			{Name: name, Type: media, File: files&1 != 0, FileName: name2, Data: []byte(value)}, {Name: name2, File: files&2 != 0, Data: []byte(value2)},
		}}
		first, err := p.Bind(nil, r, new(plan.Scratch))
		second, again := p.Bind(nil, r, used)
		require.Equal(t, err, again)
		require.Equal(t, first, second)
		var pe *plan.Error
		message := dynamicpb.NewMessage(md)
		if err != nil {
			require.ErrorAs(t, err, &pe)
		} else {
			require.NoError(t, proto.UnmarshalOptions{Resolver: fx.types}.Unmarshal(first, message))
			bound, _ := p.Explain(r, used)
			require.NotEmpty(t, bound, "the path sets a field")
		}
		if media != "" || files != 0 || which%8 >= 6 || name == "_charset_" || name2 == "_charset_" ||
			strings.Contains(name+name2, "data") || strings.Contains(name+name2, "more") || strings.Contains(name+name2, "right") {
			return // bytes are base64 in a form
		}
		form := &plan.Request{
			Path: r.Path, Captures: r.Captures, Form: true,
			Body: []byte(url.QueryEscape(name) + "=" + url.QueryEscape(value) + "&" + url.QueryEscape(name2) + "=" + url.QueryEscape(value2)),
		}
		wire, asForm := p.Bind(nil, form, used)
		require.Equal(t, err == nil, asForm == nil, "%v, %v", err, asForm)
		if err == nil {
			other := dynamicpb.NewMessage(md)
			require.NoError(t, proto.UnmarshalOptions{Resolver: fx.types}.Unmarshal(wire, other))
			require.Empty(t, cmp.Diff(other, message, protocmp.Transform()))
		}
	})
}
