package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"

	"github.com/dragoman-gateway/dragoman/internal/child"
	"github.com/dragoman-gateway/dragoman/internal/demo"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dragoman": main})
}

// TestScript runs the terminal sessions in testdata. Besides testscript's own
// commands they know:
//
//	library             start the demo's gRPC service; $LIBRARY is its address
//	library ADDRESS     the same on a given address
//	address NAME        set $NAME to a free address
//	start ARGS…         start dragoman; $GATEWAY and $ADMIN are its addresses
//	stop                send SIGTERM to it and demand exit code 0
//	http METHOD URL [FILE]  send a request, FILE its body; print status and body
//	until-http STATUS URL  ask again until the answer has this status
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"library":    cmdLibrary,
			"address":    cmdAddress,
			"start":      cmdStart,
			"stop":       cmdStop,
			"http":       cmdHTTP,
			"until-http": cmdUntilHTTP,
		},
		Setup: func(env *testscript.Env) error {
			env.Values["started"] = new(started)
			env.Setenv("NO_COLOR", "1")
			return nil
		},
	})
}

// started is the dragoman that a script has running.
type started struct{ cmd *exec.Cmd }

func cmdLibrary(ts *testscript.TestScript, _ bool, args []string) {
	address := "127.0.0.1:0"
	if len(args) > 0 {
		address = args[0]
	}
	ln, err := net.Listen("tcp", address)
	ts.Check(err)
	srv := grpc.NewServer()
	demo.Register(srv)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	ts.Defer(func() {
		srv.Stop()
		<-done
	})
	ts.Setenv("LIBRARY", ln.Addr().String())
}

func cmdAddress(ts *testscript.TestScript, _ bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(ln.Close())
	ts.Setenv(args[0], ln.Addr().String())
}

func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	path, err := exec.LookPath("dragoman")
	ts.Check(err)
	cmd := exec.Command(path, args...)
	cmd.Dir = ts.Getenv("WORK")
	child.NoOrphan(cmd)
	var out bytes.Buffer
	cmd.Stdout = &out
	log, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Value("started").(*started).cmd = cmd
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(log)
	var seen strings.Builder
	for gateway, admin := false, false; !gateway || !admin; {
		if !lines.Scan() {
			ts.Fatalf("dragoman ended at the start:\n%s", seen.String())
		}
		fmt.Fprintln(&seen, lines.Text())
		var line struct{ Msg, Listener, Address string }
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Msg != "listening" {
			continue
		}
		if line.Listener == adminListener {
			ts.Setenv("ADMIN", line.Address)
			admin = true
		} else {
			ts.Setenv("GATEWAY", line.Address)
			gateway = true
		}
	}
	go func() { _, _ = io.Copy(io.Discard, log) }()
}

func cmdStop(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value("started").(*started)
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	ts.Check(s.cmd.Wait())
}

func cmdHTTP(ts *testscript.TestScript, _ bool, args []string) {
	content := ""
	if len(args) > 2 {
		content = ts.ReadFile(args[2])
	}
	status, body, err := send(args[0], args[1], content)
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%d\n%s\n", status, body)
	ts.Check(err)
}

func cmdUntilHTTP(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		status, body, err := send(http.MethodGet, args[1], "")
		if err == nil && fmt.Sprint(status) == args[0] {
			_, err = fmt.Fprintf(ts.Stdout(), "%d\n%s\n", status, body)
			ts.Check(err)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: still %d %s %v", args[1], status, body, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func send(method, url, body string) (int, string, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, string(raw), err
}
