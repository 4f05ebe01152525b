package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// fileRule takes and gives a google.api.HttpBody.
func fileRule(t testing.TB) *rule {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(anypb.File_google_protobuf_any_proto),
		protodesc.ToFileDescriptorProto(httpbody.File_google_api_httpbody_proto),
	}}
	s, err := schema.New(set)
	require.NoError(t, err)
	c, err := codec.New(s)
	require.NoError(t, err)
	template, err := httprule.Parse("/x")
	require.NoError(t, err)
	md := (&httpbody.HttpBody{}).ProtoReflect().Descriptor()
	p, err := plan.Compile(c, md, md, &httprule.Binding{Method: "POST", Template: template, Body: "*"}, plan.Options{MaxDepth: 100, MaxJSONBytes: 1 << 20})
	require.NoError(t, err)
	settings := transcoder.DefaultSettings()
	return &rule{plan: p, settings: &settings}
}

// openUpload reads an upload from body.
func openUpload(t testing.TB, body io.Reader, contentType string) *upload {
	t.Helper()
	e := &elements{rule: fileRule(t), request: plan.Request{Path: "/x", ContentType: contentType}}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/x", body)
	e.in.open(r, "", e.settings.MaxRequestBytes)
	return newUpload(e)
}

// uploaded gives the messages of an upload that is read from body.
func uploaded(t testing.TB, body io.Reader, contentType string) ([]*httpbody.HttpBody, *rpc.Error) {
	t.Helper()
	u := openUpload(t, body, contentType)
	var out []*httpbody.HttpBody
	for {
		message, fault := u.next()
		if message == nil {
			again, same := u.next()
			require.Nil(t, again)
			require.Equal(t, fault, same)
			return out, fault
		}
		require.LessOrEqual(t, cap(message.B), 64<<10)
		var m httpbody.HttpBody
		require.NoError(t, proto.Unmarshal(message.B, &m))
		if canonical, err := proto.Marshal(&m); err == nil && len(out) > 0 {
			require.Equal(t, canonical, message.B, "the shortest form")
		}
		out = append(out, &m)
		message.Release()
	}
}

func TestChunks(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 16383, 16384, chunkBytes - 1, chunkBytes, chunkBytes + 1, 5*chunkBytes + 7} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * 7)
		}
		for name, body := range map[string]io.Reader{
			"at once": bytes.NewReader(data), "with the end": iotest.DataErrReader(bytes.NewReader(data)), "by halves": iotest.HalfReader(bytes.NewReader(data)),
		} {
			got, fault := uploaded(t, body, "a/b")
			require.Nil(t, fault)
			require.NotEmpty(t, got, name)
			var joined []byte
			for i, m := range got {
				require.Equal(t, i == 0, m.ContentType == "a/b")
				require.Equal(t, i == 0 && size == 0, len(m.Data) == 0)
				joined = append(joined, m.Data...)
			}
			require.True(t, bytes.Equal(data, joined), "%s %d", name, size)
		}
	}
}

func TestBrokenChunks(t *testing.T) {
	broken := errors.New("broken")
	got, fault := uploaded(t, io.MultiReader(bytes.NewReader([]byte("abc")), iotest.ErrReader(broken)), "")
	require.Len(t, got, 1, "what came before it counts")
	require.Equal(t, "abc", string(got[0].Data))
	require.NotNil(t, fault)
	require.ErrorIs(t, fault.Cause, broken)

	got, fault = uploaded(t, iotest.ErrReader(io.ErrUnexpectedEOF), "")
	require.Empty(t, got)
	require.Equal(t, rpc.ClientClosed, fault.Reason)
}

// endless is a body of whatever is there.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// BenchmarkUploadChunk is one message of an upload.
func BenchmarkUploadChunk(b *testing.B) {
	u := openUpload(b, endless{}, "a/b")
	b.SetBytes(chunkBytes)
	b.ReportAllocs()
	for b.Loop() {
		message, _ := u.next()
		message.Release()
	}
}

// unread is a response writer whose answers nobody wants.
type unread struct{ http.ResponseWriter }

func (unread) Write(p []byte) (int, error) { return len(p), nil }
func (unread) Flush()                      {}

// downloadOf gives what a message of a download with so much data takes.
func downloadOf(t testing.TB, size int) func() {
	t.Helper()
	wire, err := proto.Marshal(&httpbody.HttpBody{ContentType: "a/b", Data: make([]byte, size)})
	require.NoError(t, err)
	a := &answering{rule: fileRule(t), work: newWork(), w: unread{}, control: http.NewResponseController(unread{}), framing: download{}, begun: true}
	return func() {
		message := rpc.NewBufferFor(len(wire))
		message.B = append(message.B, wire...)
		a.message(message)
	}
}

func BenchmarkDownloadMessage(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			one := downloadOf(b, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}

// A message of a file costs no memory of the gateway's own, in either direction.
func TestFilesAllocateNothing(t *testing.T) {
	if RaceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	const runs, few = 1000, 0.05 // pools are emptied now and then
	u := openUpload(t, endless{}, "a/b")
	require.Less(t, testing.AllocsPerRun(runs, func() {
		message, err := u.next()
		if err != nil {
			t.Fatal(err)
		}
		message.Release()
	}), few)
	for _, size := range []int{1, 1 << 10, 16 << 10, 64 << 10, 200 << 10} {
		require.Less(t, testing.AllocsPerRun(runs, downloadOf(t, size)), few, "%d bytes", size)
	}
}
