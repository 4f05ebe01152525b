package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/child"
	"github.com/dragoman-gateway/dragoman/internal/demo"
	"github.com/dragoman-gateway/dragoman/server"
)

// roleVariable makes the test binary run as something else.
const roleVariable = "DRAGOMAN_E2E_ROLE"

// runRole is a service in a process of its own, so that what it allocates is not
// counted: the demo's, streams of small messages, or one of HTTP that answers with the
// body of the request. It ends when its input does. Or it is the program of a function,
// which ends when it is killed.
func runRole(role string) {
	switch role {
	case "lambda":
		runLambda()
		return
	case "google":
		runGoogle()
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	if role == "web" {
		web := &http.Server{Handler: http.HandlerFunc(echo)}
		fmt.Println(ln.Addr())
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			_ = web.Close()
		}()
		_ = web.Serve(ln)
		return
	}
	srv := grpc.NewServer()
	if role == "library" {
		demo.Register(srv)
	} else {
		srv.RegisterService(&grpc.ServiceDesc{
			ServiceName: "e2e.v1.Test",
			HandlerType: (*any)(nil),
			Streams:     []grpc.StreamDesc{{StreamName: "Flood", Handler: new(service).flood(100), ServerStreams: true}},
		}, struct{}{})
	}
	fmt.Println(ln.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		srv.Stop()
	}()
	_ = srv.Serve(ln)
}

// inRole runs this binary as a service of its own and returns its address.
func inRole(t testing.TB, role string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	child.NoOrphan(cmd)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(address)
}

// inProcess runs the whole gateway in this process, with programs on its route, and
// returns its address.
func inProcess(t testing.TB, target string, descriptors *configpb.Descriptors, programs ...*configpb.Transform) string {
	t.Helper()
	return configured(t, &configpb.Config{
		Listeners: []*configpb.Listener{{Name: "default", Address: "127.0.0.1:0"}},
		Upstreams: []*configpb.Upstream{{
			Name:        "library",
			Kind:        &configpb.Upstream_Grpc{Grpc: &configpb.GRPCUpstream{Target: target}},
			Descriptors: descriptors,
		}},
		Routes: []*configpb.Route{{
			Name: "library", Transform: programs,
			Action: &configpb.Route_Transcode{Transcode: &configpb.TranscodeRoute{Upstream: "library"}},
		}},
	})
}

// configured runs the whole gateway in this process, and returns the address of its
// listener, whose name is default.
func configured(t testing.TB, cfg *configpb.Config) string {
	t.Helper()
	file, err := config.FromMessage("test", cfg)
	require.NoError(t, err)
	plan, err := config.Link(file)
	require.NoError(t, err)
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	g, err := builtin.Gateway(plan, log, log)
	require.NoError(t, err)
	t.Cleanup(func() { _ = g.Close() })
	require.NoError(t, g.Start(t.Context()))
	srv, err := server.Listen(t.Context(), []server.Listener{{Name: "default", Address: "127.0.0.1:0", Handler: g.Handler("default")}}, log)
	require.NoError(t, err)
	go func() { _ = srv.Serve(t.Context(), 0) }()
	return srv.Address("default")
}

// allocations counts those of the process for each GET of a book, on one connection
// to the gateway at an address.
func allocations(t *testing.T, address string) float64 {
	t.Helper()
	return allocationsOf(t, address, "GET /v1/shelves/1/books/1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n")
}

// allocationsOf counts those for each request, as it is sent.
func allocationsOf(t *testing.T, address, text string) float64 {
	t.Helper()
	request := []byte(text)
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	// The first answer tells how long the others are: nothing in it varies but
	// the digits of the date.
	_, err = conn.Write(request)
	require.NoError(t, err)
	in := bufio.NewReaderSize(conn, 64<<10)
	res, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var again bytes.Buffer
	res.Body = io.NopCloser(bytes.NewReader(body))
	require.NoError(t, res.Write(&again))
	answer := make([]byte, again.Len())

	return testing.AllocsPerRun(2000, func() {
		if _, err := conn.Write(request); err != nil {
			panic(err)
		}
		if _, err := io.ReadFull(in, answer); err != nil {
			panic(err)
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 OK\r\n")) || !bytes.HasSuffix(answer, body) {
			panic(fmt.Sprintf("unexpected answer %q", answer))
		}
	})
}

// TestAllocations holds a small unary request, through the whole gateway with
// the access log on, to its budget. 84 of the allocations are grpc-go's client.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	n := allocations(t, inProcess(t, inRole(t, "library"), reflected()))
	t.Logf("%.1f allocations a request", n)
	require.LessOrEqual(t, n, 120.0)
}

// TestTransformAllocations holds a program that looks at headers alone to what it
// may cost on top of the same route without it.
func TestTransformAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	target := inRole(t, "library")
	without := allocations(t, inProcess(t, target, reflected()))
	for name, program := range map[string]*configpb.Transform{
		"request": {Request: `.headers["x-tenant"] = "acme" | .headers["x-from"] = .headers["user-agent"]`},
		"answer":  {Response: `.headers["x-served-by"] = "dragoman"`},
		"when":    {When: `.path | startswith("/v1/")`, Request: `.headers["x-tenant"] = "acme"`},
	} {
		n := allocations(t, inProcess(t, target, reflected(), program)) - without
		t.Logf("%s: %.1f allocations more", name, n)
		require.LessOrEqual(t, n, 15.0, name)
		require.Positive(t, n, "%s: the program does not run", name)
	}
}

func reflected() *configpb.Descriptors {
	return &configpb.Descriptors{Source: &configpb.Descriptors_Reflection{Reflection: &configpb.ReflectionSource{}}}
}
