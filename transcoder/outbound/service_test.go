package outbound_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound"
)

func TestServices(t *testing.T) {
	a := newAPI(t)
	h := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write([]byte(`{"name":"` + r.Method + " " + r.URL.Path + `"}`))
	}
	up, err := outbound.NewService(a.schema, "l.v1.Library", outbound.Options{Name: "web", Upstream: connect(t, serve(t, h), false)})
	require.NoError(t, err)
	call := func(method, text string) result {
		g := &target{a, up, a.options(t, method, nil)}
		// Both ways to call.
		done, r := g.do(t, text), g.recorder(t)
		up.Start(t.Context(), g.call(t, text), r)
		<-r.ended
		require.Equal(t, done.status.Code, r.status.Code)
		require.Equal(t, done.messages, r.messages)
		return done
	}
	call("Get", `name: "books/1"`).want(t, `{"name":"GET /v1/books/1"}`)
	call("Bare", "").want(t, `{"name":"POST /l.v1.Library/Bare"}`)
	call("Watch", "").want(t, `{"name":"GET /v1/books:watch"}`)
	require.Equal(t, codes.Unimplemented, call("Chat", "").status.Code)

	g := &target{a, up, a.options(t, "Get", nil)}
	unknown := g.call(t, `name: "books/1"`)
	unknown.Method = &rpc.Method{Path: "/l.v1.Library/Got"}
	got := g.doCall(t, t.Context(), unknown)
	require.Equal(t, codes.Unimplemented, got.status.Code)
	require.Equal(t, "no method /l.v1.Library/Got", got.status.Message)
}

func TestServicesThatCannotBe(t *testing.T) {
	a := newAPI(t)
	o := outbound.Options{Name: "web", Upstream: stub{}}
	for _, name := range []string{"l.v1.Nobody", "l.v1.Book"} {
		_, err := outbound.NewService(a.schema, protoreflect.FullName(name), o)
		require.EqualError(t, err, `no service "`+name+`" in the schema`)
	}

	// A service with two rules that cannot be, and one that can.
	linked, err := a.schema.FindFileByPath("l.proto")
	require.NoError(t, err)
	file := protodesc.ToFileDescriptorProto(linked)
	service := file.Service[0]
	service.Method = service.Method[:3]
	for i, rule := range []*annotations.HttpRule{
		{Pattern: &annotations.HttpRule_Get{Get: "/v1/{title}/{nobody}"}},
		{Pattern: &annotations.HttpRule_Get{Get: "v1"}},
	} {
		service.Method[i].Options = new(descriptorpb.MethodOptions)
		proto.SetExtension(service.Method[i].Options, annotations.E_Http, rule)
	}
	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	require.NoError(t, err)
	_, err = outbound.NewService(s, "l.v1.Library", o)
	require.ErrorContains(t, err, `method "Get": GET /v1/{title}/{nobody}: path variable "nobody": l.v1.Book has no field "nobody"`)
	require.ErrorContains(t, err, `method "Put": `)
	require.NotContains(t, err.Error(), "List")
}
