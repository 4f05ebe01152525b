package outbound_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// An upstream that answers before anything is done can have no method whose answer says
// something.
func TestSilentUpstreams(t *testing.T) {
	file := librarypb.File_library_v1_library_proto
	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(file)}})
	require.NoError(t, err)
	c, err := codec.New(s)
	require.NoError(t, err)
	methods := s.Services()[0].Methods()
	up := stub{upstream.Origin{Silent: true}, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 202, Body: http.NoBody}, nil
	}}
	for name, want := range map[protoreflect.Name]string{
		"DeleteShelf": "",
		"ImportBooks": "", // refused call by call, as everywhere
		"GetShelf":    "library.v1.Library.GetShelf: the upstream answers before anything is done, so nobody gets the library.v1.Shelf; expose only methods here that return a message without fields",
		"StreamBooks": "library.v1.Library.StreamBooks: the upstream answers before anything is done, so nobody gets the library.v1.Book; expose only methods here that return a message without fields",
	} {
		method := rpc.NewMethod(methods.ByName(name))
		_, err := outbound.New(outbound.Options{Name: "later", Upstream: up, Method: method, Codec: c})
		if want == "" {
			require.NoError(t, err, name)
		} else {
			require.EqualError(t, err, want)
		}
	}
}
