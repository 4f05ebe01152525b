package plan_test

import (
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

const files = `edition = "2023";
package f.v1;
import "google/api/httpbody.proto";
message File {
  string name = 1 [features.field_presence = IMPLICIT];
  google.api.HttpBody content = 2;
  google.api.HttpBody far = 3000;
  google.api.HttpBody delimited = 4 [features.message_encoding = DELIMITED];
  repeated google.api.HttpBody many = 5;
  oneof body { google.api.HttpBody one = 6; string other = 7; }
  Info info = 8;
}
message Info { string title = 1; int32 age = 2 [features.field_presence = IMPLICIT]; bytes hash = 3; Info below = 4; }
`

// filePlan is a rule whose body and response_body are of these names; * and "" are
// the whole of a google.api.HttpBody.
func filePlan(t testing.TB, f *fixture, name, path string) *plan.Plan {
	t.Helper()
	b := &httprule.Binding{Method: "POST", Template: template(t, path), Body: name, ResponseBody: name}
	message := protoreflect.FullName("f.v1.File")
	if name == "*" {
		b.ResponseBody, message = "", "google.api.HttpBody"
	}
	p, err := f.plan(t, message, message, b)
	require.NoError(t, err)
	return p
}

func TestHTTPBody(t *testing.T) {
	f := inline(t, files)
	for name, want := range map[string]string{
		"*":         `content_type: "a/b; c=d" data: "\xff\x00"`,
		"content":   `content { content_type: "a/b; c=d" data: "\xff\x00" }`,
		"far":       `far { content_type: "a/b; c=d" data: "\xff\x00" }`,
		"delimited": `delimited { content_type: "a/b; c=d" data: "\xff\x00" }`,
		"one":       `one { content_type: "a/b; c=d" data: "\xff\x00" }`,
	} {
		t.Run(name, func(t *testing.T) {
			p := filePlan(t, f, name, "/v1/files")
			require.True(t, p.TakesHTTPBody())
			require.True(t, p.GivesHTTPBody())
			require.False(t, p.TakesForm())
			message := protoreflect.FullName("f.v1.File")
			if name == "*" {
				message = "google.api.HttpBody"
			}
			for _, r := range []plan.Request{
				{ContentType: "a/b; c=d", Body: []byte("\xff\x00")},
				{ContentType: "a/b"}, {Body: []byte("x")}, {},
			} {
				wire, err := p.Bind(nil, &r, new(plan.Scratch))
				require.NoError(t, err)
				if len(r.Body) > 1 {
					f.same(t, want, f.parse(t, message, wire))
				}
				var got plan.HTTPBody
				require.NoError(t, p.ReadHTTPBody(&got, wire))
				require.Equal(t, r.ContentType, string(got.ContentType))
				require.Equal(t, string(r.Body), string(got.Data))
				require.Equal(t, len(r.Body)+len(r.ContentType) == 0, len(wire) == 0)
				if len(r.Body) > 0 {
					require.NotPanics(t, func() { require.Same(t, &got.Data[0], find(wire, &got.Data[0])) }, "the data is no copy")
				}
			}
			for cut := range len("\x0a\x03a/b\x12") {
				var got plan.HTTPBody
				broken := p.AppendHTTPBody(nil, "a/b", []byte("x"))[:cut+1]
				if name != "*" || cut != 4 { // which ends behind the content type
					require.Error(t, p.ReadHTTPBody(&got, broken), "%x", broken)
				}
			}
		})
	}
	asJSON := options
	asJSON.JSONFiles = true
	p, err := f.planWith(t, "f.v1.File", "f.v1.File", &httprule.Binding{Method: "POST", Template: template(t, "/x"), Body: "content", ResponseBody: "content"}, asJSON)
	require.NoError(t, err)
	require.False(t, p.TakesHTTPBody())
	require.False(t, p.GivesHTTPBody())
	p, err = f.plan(t, "f.v1.File", "f.v1.File", &httprule.Binding{Method: "POST", Template: template(t, "/x"), Body: "many", ResponseBody: "many"})
	require.NoError(t, err)
	require.False(t, p.TakesHTTPBody())
	require.False(t, p.GivesHTTPBody())
}

// find is the address of the byte in wire that p points to, if it does.
func find(wire []byte, p *byte) *byte {
	for i := range wire {
		if &wire[i] == p {
			return p
		}
	}
	return nil
}

func TestHTTPBodyWithPathAndQuery(t *testing.T) {
	f := inline(t, files)
	p := filePlan(t, f, "content", "/v1/{name}")
	r := plan.Request{Path: "/v1/n", Captures: []plan.Span{{Start: 4, End: 5}}, RawQuery: "info.title=hi&far.data=aGk&far.content_type=x/y", ContentType: "a/b", Body: []byte("data")}
	wire, err := p.Bind(nil, &r, new(plan.Scratch))
	require.NoError(t, err)
	f.same(t, `name: "n" info { title: "hi" } far { content_type: "x/y" data: "hi" } content { content_type: "a/b" data: "data" }`, f.parse(t, "f.v1.File", wire))
	r.RawQuery = "content.data=aGk"
	_, err = p.Bind(nil, &r, new(plan.Scratch))
	require.ErrorContains(t, err, "the field is taken from the body")
}

// The data can come from one place only; its type may be that of the path.
func TestHTTPBodyDataInPath(t *testing.T) {
	f := inline(t, files)
	compile := func(path, body string, o plan.Options) error {
		_, err := f.planWith(t, "f.v1.File", "f.v1.File", &httprule.Binding{Method: "POST", Template: template(t, path), Body: body}, o)
		return err
	}
	require.ErrorContains(t, compile("/{content.data}", "content", options), `path variable "content.data": the body is the data of this google.api.HttpBody already`)
	require.NoError(t, compile("/{content.content_type}", "content", options))
	require.NoError(t, compile("/{far.data}", "content", options))
	asJSON := options
	asJSON.JSONFiles = true
	require.NoError(t, compile("/{content.data}", "content", asJSON))
	_, err := f.plan(t, "google.api.HttpBody", "f.v1.File", &httprule.Binding{Method: "POST", Template: template(t, "/{data}"), Body: "*"})
	require.ErrorContains(t, err, `path variable "data"`)
}

func TestHTTPBodyInParts(t *testing.T) {
	f := inline(t, files)
	p := filePlan(t, f, "one", "/x")
	merged := append(f.wire(t, "f.v1.File", `one { content_type: "a/b" data: "first" extensions { type_url: "x/y" } }`),
		f.wire(t, "f.v1.File", `one { data: "second" extensions { type_url: "z/y" } }`)...)
	var got plan.HTTPBody
	require.NoError(t, p.ReadHTTPBody(&got, merged))
	require.Equal(t, "a/b", string(got.ContentType))
	require.Equal(t, "second", string(got.Data))
	require.Len(t, got.Extensions, 2)
	require.NoError(t, p.ReadHTTPBody(&got, append(merged, f.wire(t, "f.v1.File", `other: "x"`)...)))
	require.Empty(t, got.Data, "another member of the oneof has taken its place")
	require.Empty(t, got.Extensions)
}

func TestForeignHTTPBody(t *testing.T) {
	set, err := compile("google/api/httpbody.proto", &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{
		"google/api/httpbody.proto": `syntax = "proto3"; package google.api; message HttpBody { string content_type = 1; string data = 2; }`,
	})})
	require.NoError(t, err)
	f, err := link(set)
	require.NoError(t, err)
	_, err = f.plan(t, "google.api.HttpBody", "google.api.HttpBody", &httprule.Binding{Method: "POST", Template: template(t, "/x"), Body: "*"})
	require.ErrorContains(t, err, `body "*": the google.api.HttpBody of google/api/httpbody.proto is not Google's: field "data" should be number 2, of kind bytes`)
	require.ErrorContains(t, err, `answer: the google.api.HttpBody of`)
}

// FuzzReadHTTPBody holds what is found on the wire to protobuf's own library.
func FuzzReadHTTPBody(f *testing.F) {
	fx := inline(f, files)
	names := []string{"*", "content", "far", "delimited", "one"}
	var plans []*plan.Plan
	for _, name := range names {
		plans = append(plans, filePlan(f, fx, name, "/x"))
	}
	for i := range names {
		f.Add(uint8(i), plans[i].AppendHTTPBody(nil, "text/plain", []byte("data")))
		f.Add(uint8(i), fx.wire(f, "f.v1.File", `one { data: "a" } name: "n" delimited { data: "b" extensions { type_url: "c" } }`))
	}
	f.Add(uint8(4), append(plans[4].AppendHTTPBody(nil, "a/b", nil), fx.wire(f, "f.v1.File", `other: "x"`)...))
	used := new(plan.HTTPBody)
	f.Fuzz(func(t *testing.T, which uint8, wire []byte) {
		which %= uint8(len(plans))
		name := protoreflect.FullName("f.v1.File")
		if which == 0 {
			name = "google.api.HttpBody"
		}
		m := dynamicpb.NewMessage(fx.descriptor(t, name))
		err := proto.UnmarshalOptions{Resolver: fx.types}.Unmarshal(wire, m)
		found := plans[which].ReadHTTPBody(used, wire)
		if err != nil {
			return // other fields, and text that is not UTF-8, are nobody's business here
		}
		require.NoError(t, found)
		body := m.ProtoReflect()
		if which != 0 {
			body = m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(names[which]))).Message()
		}
		fields := body.Descriptor().Fields()
		require.Equal(t, body.Get(fields.ByName("content_type")).String(), string(used.ContentType))
		require.Equal(t, string(body.Get(fields.ByName("data")).Bytes()), string(used.Data))
		require.Equal(t, body.Get(fields.ByName("extensions")).List().Len(), len(used.Extensions))
	})
}
