package rest

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/split"
)

// newElements reads messages google.protobuf.EnumValueDescriptorProto.
func newElements(t testing.TB) *elements {
	t.Helper()
	file := protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto)
	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	require.NoError(t, err)
	c, err := codec.New(s)
	require.NoError(t, err)
	template, err := httprule.Parse("/v1")
	require.NoError(t, err)
	md := (*descriptorpb.EnumValueDescriptorProto)(nil).ProtoReflect().Descriptor()
	p, err := plan.Compile(c, md, md, &httprule.Binding{Method: http.MethodPost, Template: template, Body: "*"}, plan.Options{MaxDepth: 100, MaxJSONBytes: 1 << 20})
	require.NoError(t, err)
	settings := transcoder.DefaultSettings()
	return &elements{rule: &rule{settings: &settings, plan: p}}
}

// through reads all of a body, and returns how many messages it has.
func (e *elements) through(t testing.TB, body *bytes.Reader) int {
	e.splitter.Reset(split.Array, 4<<20)
	e.in.source.body = body
	for n := 0; ; n++ {
		message, err := e.next()
		if err != nil {
			t.Fatal(err)
		}
		if message == nil {
			return n
		}
		message.Release()
	}
}

const manyElements = 1000

func elementsBody() []byte {
	one := []byte(`{"name":"shelves/1","number":7},`)
	body := append([]byte("["), bytes.Repeat(one, manyElements)...)
	body[len(body)-1] = ']'
	return body
}

// A message costs no memory of the gateway's own.
func TestElementsAllocateNothing(t *testing.T) {
	if RaceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	e, body := newElements(t), elementsBody()
	e.in.source = &watched{}
	r := bytes.NewReader(body)
	n := testing.AllocsPerRun(20, func() {
		r.Reset(body)
		require.Equal(t, manyElements, e.through(t, r))
	})
	// require itself, and a pool that was emptied meanwhile.
	require.Less(t, n, float64(manyElements)/20)
}

func BenchmarkElements(b *testing.B) {
	e, body := newElements(b), elementsBody()
	e.in.source = &watched{}
	r := bytes.NewReader(body)
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(body)
		e.through(b, r)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/manyElements, "ns/message")
}
