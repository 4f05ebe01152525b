// Package e2e runs the real binary as a process of its own, in front of a real
// gRPC server, and does to it what happens in production: upstreams die,
// clients stop reading, the process is told to end.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/dragoman-gateway/dragoman/internal/child"
)

const source = `
syntax = "proto3";
package e2e.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/wrappers.proto";
service Test {
  // Wait answers when the test lets it.
  rpc Wait(google.protobuf.StringValue) returns (google.protobuf.StringValue) {
    option (google.api.http) = {get: "/v1/wait/{value}"};
  }
  // Flood streams messages of 16 KiB, Pour of 64 KiB.
  rpc Flood(google.protobuf.Int64Value) returns (stream google.protobuf.BytesValue) {
    option (google.api.http) = {get: "/v1/flood/{value}"};
  }
  rpc Pour(google.protobuf.Int64Value) returns (stream google.protobuf.BytesValue) {
    option (google.api.http) = {get: "/v1/pour/{value}"};
  }
  // Count streams numbers, each when the test lets it.
  rpc Count(google.protobuf.Int64Value) returns (stream google.protobuf.Int64Value) {
    option (google.api.http) = {get: "/v1/count/{value}"};
  }
  // Download streams that many bytes, Upload counts them.
  rpc Download(google.protobuf.Int64Value) returns (stream google.api.HttpBody) {
    option (google.api.http) = {get: "/v1/download/{value}"};
  }
  rpc Upload(stream google.api.HttpBody) returns (google.protobuf.Int64Value) {
    option (google.api.http) = {post: "/v1/upload" body: "*"};
  }
}
`

// buildDir is where the gateway is built, once a test needs it.
var buildDir string

var binary = sync.OnceValues(func() (string, error) {
	var err error
	if buildDir, err = os.MkdirTemp("", "dragoman-e2e-"); err != nil {
		return "", err
	}
	path := filepath.Join(buildDir, "dragoman")
	args := []string{"build", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "../../cmd/dragoman")...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, err
})

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		runRole(role)
		return
	}
	code := m.Run()
	_ = os.RemoveAll(buildDir)
	os.Exit(code)
}

// image writes the descriptor set of source.
func image(t testing.TB) string {
	t.Helper()
	builtin := map[string]*descriptorpb.FileDescriptorProto{
		"google/api/annotations.proto": protodesc.ToFileDescriptorProto(annotations.File_google_api_annotations_proto),
		"google/api/httpbody.proto":    protodesc.ToFileDescriptorProto(httpbody.File_google_api_httpbody_proto),
		"google/api/http.proto":        protodesc.ToFileDescriptorProto(annotations.File_google_api_http_proto),
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"e2e.proto": source})},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if file := builtin[path]; file != nil {
				return protocompile.SearchResult{Proto: file}, nil
			}
			return protocompile.SearchResult{}, fmt.Errorf("%s: no such file", path)
		}),
	})}
	files, err := compiler.Compile(t.Context(), "e2e.proto")
	require.NoError(t, err)
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(files[0])}})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "image.binpb")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	return path
}

// service is the gRPC server behind the gateway.
type service struct {
	address string
	server  *grpc.Server
	// arrived gets one value per call that reached the server; each value sent
	// to proceed lets one waiting step of a call go on.
	arrived, proceed chan struct{}
	// sent counts the bytes of floods; left gets one value for each that broke off.
	sent counter
	left chan struct{}
}

func startService(t *testing.T) *service {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &service{
		address: ln.Addr().String(), server: grpc.NewServer(),
		arrived: make(chan struct{}, 1000), proceed: make(chan struct{}, 1000), left: make(chan struct{}, 2000),
	}
	s.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "e2e.v1.Test",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Wait", Handler: s.wait}},
		Streams: []grpc.StreamDesc{
			{StreamName: "Flood", Handler: s.flood(16 << 10), ServerStreams: true},
			{StreamName: "Pour", Handler: s.flood(64 << 10), ServerStreams: true},
			{StreamName: "Count", Handler: s.count, ServerStreams: true},
			{StreamName: "Download", Handler: download, ServerStreams: true},
			{StreamName: "Upload", Handler: upload, ClientStreams: true},
		},
	}, struct{}{})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.server.Serve(ln)
	}()
	t.Cleanup(func() {
		s.server.Stop()
		<-served
	})
	return s
}

// next waits until the test lets a step go on.
func (s *service) next(ctx context.Context) error {
	select {
	case <-s.proceed:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (s *service) wait(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var in wrapperspb.StringValue
	if err := decode(&in); err != nil {
		return nil, err
	}
	s.arrived <- struct{}{}
	if err := s.next(ctx); err != nil {
		return nil, err
	}
	return &in, nil
}

func (s *service) flood(size int) grpc.StreamHandler {
	chunk := wrapperspb.Bytes(bytes.Repeat([]byte{'x'}, size))
	return func(_ any, stream grpc.ServerStream) error {
		var in wrapperspb.Int64Value
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		for range in.Value {
			if err := stream.SendMsg(chunk); err != nil {
				s.left <- struct{}{}
				return err
			}
			s.sent.Add(int64(size))
		}
		return nil
	}
}

func (s *service) count(_ any, stream grpc.ServerStream) error {
	var in wrapperspb.Int64Value
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	s.arrived <- struct{}{}
	for n := range in.Value {
		if err := s.next(stream.Context()); err != nil {
			return err
		}
		if err := stream.SendMsg(wrapperspb.Int64(n + 1)); err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
	}
	return nil
}

// patience bounds what should happen at once, on a busy machine too.
const patience = 60 * time.Second

// process is a running gateway.
type process struct {
	cmd            *exec.Cmd
	gateway, admin string
	exited         chan error
	log            *logBuffer
}

// logBuffer keeps what the gateway logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) add(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.WriteString(line + "\n")
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startGateway runs dragoman in front of the service and waits until it listens.
func startGateway(t *testing.T, s *service, args ...string) *process {
	t.Helper()
	return startProcess(t, append([]string{"--descriptors", image(t), s.address}, args...)...)
}

// startProcess runs dragoman serve with the given arguments and waits until it
// listens.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json"}, args...)
	p := &process{cmd: exec.Command(path, args...), exited: make(chan error, 1), log: new(logBuffer)}
	child.NoOrphan(p.cmd)
	log, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	lines := bufio.NewScanner(log)
	logged, started := make(chan struct{}), false
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		if !started {
			_ = p.cmd.Wait()
			return
		}
		<-logged
		if strings.Contains(p.log.String(), "DATA RACE") {
			t.Errorf("the gateway has a race:\n%s", p.log)
		}
	})
	// A gateway that hangs at the start is killed, which ends its log.
	slow := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer slow.Stop()
	for p.gateway == "" || p.admin == "" {
		require.True(t, lines.Scan(), "the gateway ended at the start, or did not listen in %v:\n%s", patience, p.log)
		p.log.add(lines.Text())
		var line struct{ Msg, Listener, Address string }
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Msg != "listening" {
			continue
		}
		if line.Listener == "admin" {
			p.admin = line.Address
		} else {
			p.gateway = line.Address
		}
	}
	started = true
	go func() {
		defer close(logged)
		for lines.Scan() {
			p.log.add(lines.Text())
		}
		p.exited <- p.cmd.Wait()
	}()
	return p
}

// terminate sends SIGTERM.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
}

// residentKiB is the memory that the process has resident.
func (p *process) residentKiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		var kib int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			return kib
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
