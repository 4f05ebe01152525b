package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// transfers is a service of files without end: of downloads in messages of as many
// bytes as they ask for, and of uploads of which it takes one message.
type transfers struct {
	address string
	// sent counts the bytes of downloads.
	sent counter
}

func startTransfers(t *testing.T) *transfers {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	// The window of an upload is as large as grpc-go makes it: 64 KiB.
	s, srv := &transfers{address: ln.Addr().String()}, grpc.NewServer()
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: "e2e.v1.Test",
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{
			{StreamName: "Download", Handler: s.download, ServerStreams: true},
			{StreamName: "Upload", Handler: s.upload, ClientStreams: true},
		},
	}, struct{}{})
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	return s
}

func (s *transfers) download(_ any, stream grpc.ServerStream) error {
	var in wrapperspb.Int64Value
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	chunk := &httpbody.HttpBody{ContentType: "application/x-zeros", Data: make([]byte, in.Value)}
	for {
		if err := stream.SendMsg(chunk); err != nil {
			return err
		}
		s.sent.Add(in.Value)
	}
}

func (s *transfers) upload(_ any, stream grpc.ServerStream) error {
	var in httpbody.HttpBody
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// gatewayPrefix is what the names of the gateway's own functions begin with;
// those of its tests' are below internal/.
const gatewayPrefix = "github.com/dragoman-gateway/dragoman/"

// owner says whose an allocation is: who asked for the memory, itself or by a
// function of the standard library that does no networking.
func owner(stack []uintptr) string {
	const nobody = "others"
	whose := nobody
	for frames := runtime.CallersFrames(stack); ; {
		frame, more := frames.Next()
		switch name := frame.Function; {
		case strings.Contains(name, "/grpc.(*Server)"), strings.HasPrefix(name, gatewayPrefix+"internal/"):
			return "the test's service"
		case whose != nobody:
		case strings.HasPrefix(name, gatewayPrefix):
			whose = "gateway"
		case strings.HasPrefix(name, "google.golang.org/grpc"):
			whose = "grpc-go"
		case strings.HasPrefix(name, "net/http"), strings.HasPrefix(name, "golang.org/x/net"):
			whose = "net/http"
		}
		if !more {
			return whose
		}
	}
}

// live is the memory in use by owner, in bytes: all of it, not a sample, if it was
// asked for after [runtime.MemProfileRate] became 1.
func live() map[string]int64 {
	// The first two empty the pools, the third one publishes what is left.
	for range 3 {
		runtime.GC()
	}
	records := make([]runtime.MemProfileRecord, 4096)
	for {
		n, ok := runtime.MemProfile(records, false)
		if ok {
			records = records[:n]
			break
		}
		records = make([]runtime.MemProfileRecord, 2*n)
	}
	total := map[string]int64{}
	for i := range records {
		total[owner(records[i].Stack())] += records[i].InUseBytes()
	}
	return total
}

// TestTransferBuffers holds what the gateway has of a file at once to less than 64
// KiB: of transfers that stand still because the other side takes nothing, and have
// filled all that can be filled. Counted is what the gateway's code asked memory for
// and is in use, whoever has it: grpc-go has the messages that it did not send yet. A
// message of a download is held whole, however large it is. What grpc-go and net/http
// have of their own, the windows of HTTP/2 above all, is shown beside it.
func TestTransferBuffers(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	rate := runtime.MemProfileRate
	runtime.MemProfileRate = 1
	defer func() { runtime.MemProfileRate = rate }()

	const transfers, bound = 8, 64 << 10
	for _, tt := range []struct {
		name string
		// message is the size of a download's, 0 for an upload.
		message int64
	}{
		{"upload", 0},
		{"download of 1 KiB", 1 << 10},
		// Two of these fit, and no larger ones.
		{"download of 26 KiB", 26 << 10},
		{"download of 64 KiB", 64 << 10},
		// More than is ever given back to a pool.
		{"download of 512 KiB", 512 << 10},
	} {
		for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(tt.name+" "+version, func(t *testing.T) {
				s := startTransfers(t)
				address := inProcess(t, s.address, &configpb.Descriptors{Source: &configpb.Descriptors_Image{Image: &configpb.ImageSource{Path: image(t)}}})
				c := newStallingClient(t, address, version)
				start := func(n int) {
					stalled := &c.sent
					for range n {
						if tt.message > 0 {
							stalled = &s.sent
							c.download(t, tt.message)
						} else {
							c.upload(t)
						}
					}
					stalled.stalls(t)
				}
				// The first one makes what is made once.
				start(1)
				before := live()
				start(transfers)
				held := live()
				each := func(owner string) int64 { return (held[owner] - before[owner]) / transfers }
				t.Logf("KiB held of each: gateway %d, grpc-go %d, net/http and its client %d", each("gateway")>>10, each("grpc-go")>>10, each("net/http")>>10)
				require.Positive(t, each("gateway"))
				// Memory for large messages comes in steps of at most an eighth.
				require.Less(t, each("gateway"), max(bound, tt.message+tt.message/8+bound/4), "bytes of the gateway's own for each transfer")
			})
		}
	}
}

// stallingClient begins transfers, and takes nothing of them.
type stallingClient struct {
	address string
	client  *http.Client
	// sent counts the bytes of uploads.
	sent counter
}

func newStallingClient(t *testing.T, address, version string) *stallingClient {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == "HTTP/1.1")
	protocols.SetUnencryptedHTTP2(version == "HTTP/2.0")
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &stallingClient{address: "http://" + address, client: &http.Client{Transport: transport}}
}

func (c *stallingClient) download(t *testing.T, message int64) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/v1/download/%d", c.address, message), nil)
	require.NoError(t, err)
	res, err := c.client.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func (c *stallingClient) upload(t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.address+"/v1/upload", &endless{n: &c.sent.Int64})
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-zeros")
	go func() {
		// It is not answered before the test has ended.
		if res, err := c.client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
}

// endless is a body of zeros that counts how many were read.
type endless struct{ n *atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.n.Add(int64(len(p)))
	return len(p), nil
}

func (*endless) Close() error { return nil }

var _ io.ReadCloser = (*endless)(nil)
