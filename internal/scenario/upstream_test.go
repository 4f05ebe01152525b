package scenario

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // some rows answer compressed
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// upstream is a server that records what arrives and answers by a script. It is
// a grpc-go server, or for scripts that no gRPC server would follow a plain
// HTTP/2 one.
type upstream struct {
	schema  *schema
	address string

	mu     sync.Mutex
	script *script
}

// script is one exchange as the upstream sees it.
type script struct {
	*Upstream
	reached  chan struct{} // closed by the first call
	released chan struct{} // a token for each "waits"
	ended    chan struct{} // closed when the first call has been answered

	mu    sync.Mutex
	calls []*call
	sent  int
}

// call is one call that arrived.
type call struct {
	method    string
	header    metadata.MD
	messages  [][]byte
	cancelled bool
	left      time.Duration // until the deadline; 0 for none
}

func newScript(up *Upstream) *script {
	return &script{Upstream: up, reached: make(chan struct{}), released: make(chan struct{}, 16), ended: make(chan struct{})}
}

func (u *upstream) use(s *script) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script = s
}

func (u *upstream) current() *script {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.script
}

// add records a call; first says whether it is the script's first one.
func (s *script) add(c *call) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	if len(s.calls) == 1 {
		close(s.reached)
		return true
	}
	return false
}

func startUpstream(t *testing.T, sch *schema, s *Session) *upstream {
	u := &upstream{schema: sch}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	u.address = lis.Addr().String()
	switch {
	case s.Down:
		require.NoError(t, lis.Close())
	case s.RawAnswers:
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		srv := &http.Server{Handler: u, Protocols: protocols}
		go srv.Serve(lis)
		t.Cleanup(func() { srv.Close() })
	default:
		srv := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.UnknownServiceHandler(u.serve))
		if s.Reflects != "" {
			u.reflect(srv, s.Reflects)
		}
		go srv.Serve(lis)
		t.Cleanup(srv.Stop)
	}
	return u
}

// reflect serves reflection for the scripted services, one version only.
func (u *upstream) reflect(srv *grpc.Server, version string) {
	opts := reflection.ServerOptions{Services: u, DescriptorResolver: u.schema.files}
	if version == "v1" {
		reflectionpb.RegisterServerReflectionServer(srv, reflection.NewServerV1(opts))
		return
	}
	reflectionv1alphapb.RegisterServerReflectionServer(srv, reflection.NewServer(opts))
}

// GetServiceInfo lists the services for reflection.
func (u *upstream) GetServiceInfo() map[string]grpc.ServiceInfo {
	info := make(map[string]grpc.ServiceInfo)
	u.schema.files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Services().Len() {
			info[string(fd.Services().Get(i).FullName())] = grpc.ServiceInfo{}
		}
		return true
	})
	return info
}

// serve answers every call that is not one of reflection.
func (u *upstream) serve(_ any, stream grpc.ServerStream) error {
	s := u.current()
	name, _ := grpc.MethodFromServerStream(stream)
	c := &call{method: strings.TrimPrefix(name, "/")}
	c.header, _ = metadata.FromIncomingContext(stream.Context())
	if deadline, ok := stream.Context().Deadline(); ok {
		c.left = time.Until(deadline)
	}
	md, err := u.schema.method(c.method)
	if err != nil {
		return status.Error(codes.Unimplemented, err.Error())
	}
	for {
		var raw []byte
		if err := stream.RecvMsg(&raw); err != nil {
			if err == io.EOF {
				break
			}
			return err
		}
		c.messages = append(c.messages, raw)
		if !md.IsStreamingClient() {
			break
		}
	}
	if s.add(c) {
		defer close(s.ended)
	}
	st := &spb.Status{}
	messages := 0
	for _, step := range s.Steps {
		switch step.Kind {
		case "header", "trailer":
			pair := pairOf(step.Value)
			if step.Kind == "trailer" {
				stream.SetTrailer(pair)
				break
			}
			if err := stream.SetHeader(pair); err != nil {
				return err
			}
		case "message", "wire":
			raw, err := u.answer(step, c.method)
			if err != nil {
				return status.Error(codes.Internal, err.Error())
			}
			if err := stream.SendMsg(raw); err != nil {
				return err
			}
			messages++
			s.mu.Lock()
			s.sent++
			s.mu.Unlock()
		case "flood":
			return u.flood(stream, s, step, c.method)
		case "wait":
			select {
			case <-s.released:
			case <-stream.Context().Done():
				return status.FromContextError(stream.Context().Err()).Err()
			}
		case "hang":
			<-stream.Context().Done()
			s.mu.Lock()
			c.cancelled = true
			s.mu.Unlock()
			return status.FromContextError(stream.Context().Err()).Err()
		case "status":
			code, message, _ := strings.Cut(step.Value, " ")
			n, _ := strconv.Atoi(code)
			st.Code, st.Message = int32(n), message
		case "detail":
			detail, err := u.detail(step.Value)
			if err != nil {
				return status.Error(codes.Internal, err.Error())
			}
			st.Details = append(st.Details, detail)
		}
	}
	if st.Code != 0 {
		return status.FromProto(st).Err()
	}
	if messages == 0 && !md.IsStreamingServer() {
		return stream.SendMsg([]byte(nil))
	}
	return nil
}

// flood sends one message over and over, until the stream breaks.
func (u *upstream) flood(stream grpc.ServerStream, s *script, step Step, method string) error {
	raw, err := u.answer(Step{"message", step.Value}, method)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	for {
		if err := stream.SendMsg(raw); err != nil {
			return err
		}
		s.mu.Lock()
		s.sent += len(raw)
		s.mu.Unlock()
	}
}

// answer is the message of a step, as bytes.
func (u *upstream) answer(step Step, method string) ([]byte, error) {
	if step.Kind == "wire" {
		return unhex(step.Value)
	}
	md, err := u.schema.method(method)
	if err != nil {
		return nil, err
	}
	m, err := u.schema.message(md.Output(), step.Value)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(m)
}

// detail reads an Any; of a type that is in no schema, value is its content.
func (u *upstream) detail(text string) (*anypb.Any, error) {
	out := &anypb.Any{}
	err := protojson.UnmarshalOptions{Resolver: resolver{u.schema.types}}.Unmarshal([]byte(text), out)
	if err == nil {
		return out, nil
	}
	var raw struct {
		Type  string `json:"@type"`
		Value string `json:"value"`
	}
	if json.Unmarshal([]byte(text), &raw) != nil || raw.Value == "" {
		return nil, err
	}
	value, err := base64.StdEncoding.DecodeString(raw.Value)
	return &anypb.Any{TypeUrl: raw.Type, Value: value}, err
}

// ServeHTTP answers as the script's HTTP answer says.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := u.current()
	c := &call{method: strings.TrimPrefix(r.URL.Path, "/"), header: metadata.MD{}}
	for k, v := range r.Header {
		c.header.Append(k, v...)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	if len(body) >= 5 {
		c.messages = append(c.messages, body[5:])
	}
	if s.add(c) {
		defer close(s.ended)
	}
	for _, line := range s.HTTP.Header {
		k, v, _ := strings.Cut(line, ":")
		w.Header().Add(k, strings.TrimSpace(v))
	}
	if s.HTTP.Body == "" && s.HTTP.Trailer == nil {
		w.WriteHeader(s.HTTP.Status)
		return
	}
	w.WriteHeader(s.HTTP.Status)
	io.WriteString(w, s.HTTP.Body)
	for _, line := range s.HTTP.Trailer {
		k, v, _ := strings.Cut(line, ":")
		w.Header().Add(http.TrailerPrefix+k, strings.TrimSpace(v))
	}
}

func pairOf(line string) metadata.MD {
	k, v, _ := strings.Cut(line, ":")
	k, v = strings.ToLower(k), strings.TrimSpace(v)
	if strings.HasSuffix(k, "-bin") {
		raw, err := base64.StdEncoding.DecodeString(v)
		if err == nil {
			v = string(raw)
		}
	}
	return metadata.Pairs(k, v)
}

func unhex(s string) ([]byte, error) {
	return hex.DecodeString(strings.Join(strings.Fields(s), ""))
}

// bytesCodec carries messages as bytes, and those of reflection as usual.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case []byte:
		return mem.BufferSlice{mem.SliceBuffer(v)}, nil
	case proto.Message:
		raw, err := proto.Marshal(v)
		return mem.BufferSlice{mem.SliceBuffer(raw)}, err
	}
	return nil, fmt.Errorf("cannot marshal %T", v)
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	raw := data.Materialize()
	switch v := v.(type) {
	case *[]byte:
		*v = raw
		return nil
	case proto.Message:
		return proto.Unmarshal(raw, v)
	}
	return fmt.Errorf("cannot unmarshal %T", v)
}

func ctx() context.Context { return context.Background() }
