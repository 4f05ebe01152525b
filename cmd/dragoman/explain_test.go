package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
	"github.com/dragoman-gateway/dragoman/internal/demo"
	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

// recorder notes the requests that a library gets.
type recorder struct {
	address string

	mu       sync.Mutex
	messages []proto.Message
	header   metadata.MD
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	rec := &recorder{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	rec.address = ln.Addr().String()
	srv := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		rec.mu.Lock()
		rec.messages = append(rec.messages, proto.CloneOf(req.(proto.Message)))
		rec.header, _ = metadata.FromIncomingContext(ctx)
		rec.mu.Unlock()
		return next(ctx, req)
	}))
	demo.Register(srv)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return rec
}

// last is the only request since it was asked the last time.
func (rec *recorder) last(t *testing.T) (proto.Message, metadata.MD) {
	t.Helper()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	require.Len(t, rec.messages, 1)
	m, md := rec.messages[0], rec.header
	rec.messages, rec.header = nil, nil
	return m, md
}

func explain(t *testing.T, args ...string) *answer {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), append([]string{"explain", "--json"}, args...), streams{out: &out, err: &errs})
	require.Zero(t, code, errs.String())
	a := new(answer)
	require.NoError(t, json.Unmarshal(out.Bytes(), a), out.String())
	return a
}

// TestExplainedCall runs what explain prints for grpcurl and for buf curl: the
// same message must arrive as by way of HTTP.
func TestExplainedCall(t *testing.T) {
	rec := newRecorder(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "library's.binpb"), image(t), 0o600))
	config := func(name, descriptors string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte("upstreams: [{name: library, grpc: {target: \"dns:///"+rec.address+"\"}, descriptors: {"+descriptors+"}}]\n"+
			"routes: [{name: books, transcode: {upstream: library}}]\n"), 0o600))
		return file
	}
	want := &librarypb.CreateShelfRequest{Shelf: &librarypb.Shelf{Theme: "Queen's, \"Poetry\" $HOME"}}
	for name, from := range map[string][]string{
		"reflection": {rec.address},
		"image":      {"-c", config("image.yaml", `image: {path: "library's.binpb"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			a := explain(t, append([]string{"POST", "/v1/shelves"}, append(from, "-d", `{"theme": "Queen's, \"Poetry\" $HOME"}`, "-H", `X-Note: a, "b"; c`)...)...)
			require.Nil(t, a.Refused)
			require.Equal(t, "library.v1.Library.CreateShelf", a.RPC)
			for tool, line := range map[string]string{"grpcurl": a.Grpcurl, "buf": a.BufCurl} {
				t.Run(tool, func(t *testing.T) {
					out, err := toolShell(t, tool, line).CombinedOutput()
					require.NoError(t, err, "%s: %s", line, out)
					got, md := rec.last(t)
					require.True(t, proto.Equal(want, got), "%v", got)
					require.Equal(t, []string{`a, "b"; c`}, md.Get("x-note"))
				})
			}
		})
	}
}

// TestExplainedCallThroughGateway is about descriptors that only the gateway has.
func TestExplainedCallThroughGateway(t *testing.T) {
	rec := newRecorder(t)
	root := gatewaytest.Root()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := ln.Addr().String()
	require.NoError(t, ln.Close())
	file := filepath.Join(t.TempDir(), "dragoman.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
listeners: [{name: public, address: "`+address+`"}]
admin: {address: "127.0.0.1:0"}
upstreams: [{name: library, grpc: {target: "`+rec.address+`"}, descriptors: {proto: {roots: ["`+filepath.Join(root, "examples", "library", "proto")+`"]}}}]
routes: [{name: books, hosts: [api.example.com], transcode: {upstream: library}}]
`), 0o600))
	a := explain(t, "-c", file, "GET", "https://api.example.com/v1/shelves/2", "-H", "X-Note: n")
	require.Nil(t, a.Refused)
	p := gatewaytest.Run(t, t.TempDir(), true, gatewaytest.Build(t, "./cmd/dragoman"), "serve", "-c", file, "--log-format", "json")
	p.WaitFor(`"msg":"listening","listener":"public"`)
	for tool, line := range map[string]string{"grpcurl": a.Grpcurl, "buf": a.BufCurl} {
		t.Run(tool, func(t *testing.T) {
			out, err := toolShell(t, tool, line).CombinedOutput()
			require.NoError(t, err, "%s: %s", line, out)
			got, md := rec.last(t)
			require.True(t, proto.Equal(&librarypb.GetShelfRequest{Name: "shelves/2"}, got), "%v", got)
			require.Equal(t, []string{"n"}, md.Get("x-note"))
		})
	}
}

// toolShell is a line for bash with a tool in its PATH.
func toolShell(t *testing.T, tool, line string) *exec.Cmd {
	t.Helper()
	cmd := gatewaytest.Shell(t, t.TempDir(), line)
	if tool == "buf" {
		if _, err := exec.LookPath("buf"); err != nil {
			find := exec.Command("go", "tool", "-modfile=tools/go.mod", "-n", "buf")
			find.Dir = gatewaytest.Root()
			out, err := find.Output()
			require.NoError(t, err, "building buf")
			cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(strings.TrimSpace(string(out)))+string(os.PathListSeparator)+os.Getenv("PATH"))
		}
	}
	return cmd
}

// image is the library's descriptors with everything they import.
func image(t *testing.T) []byte {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	seen := make(map[string]bool)
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
	}
	add(librarypb.File_library_v1_library_proto)
	raw, err := proto.Marshal(set)
	require.NoError(t, err)
	return raw
}
