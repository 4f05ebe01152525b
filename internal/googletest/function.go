package googletest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/child"
)

// Function is a program on one of Google's functions frameworks, run as the container of
// a function is (docs: run/docs/container-contract), but on the loopback. It is the
// handler of its requests.
type Function struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has
	proxy *httputil.ReverseProxy
	pool  *http.Transport
}

const (
	// startTimeout is how long a program may take until it listens.
	startTimeout = 60 * time.Second
	// pollPause is between two looks whether it does.
	pollPause = 5 * time.Millisecond
	// starts is how many ports are tried: another process may have taken a free one.
	starts = 3
)

// errEnded is that of a program that ended before it listened.
var errEnded = errors.New("the program ended before it listened on its port")

// StartFunction is [NewFunction] for a test, which ends it and has its output.
func StartFunction(t testing.TB, program, target string, env ...string) *Function {
	t.Helper()
	f, err := NewFunction(program, target, t.Output(), env...)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	return f
}

// NewFunction starts a program that is to serve its function target, or all that it has
// if that is empty, and waits until it listens. What it writes goes to log; env, each
// NAME=value, is added to its environment. The caller closes it.
func NewFunction(program, target string, log io.Writer, env ...string) (*Function, error) {
	program, err := filepath.Abs(program) // of this process
	if err != nil {
		return nil, err
	}
	for range starts {
		var f *Function
		if f, err = newFunction(program, target, log, env); !errors.Is(err, errEnded) {
			return f, err
		}
	}
	return nil, err
}

func newFunction(program, target string, log io.Writer, env []string) (*Function, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("looking for a free port: %w", err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(address)
	f := &Function{cmd: exec.Command(program), ended: make(chan struct{}), pool: new(http.Transport)}
	child.NoOrphan(f.cmd)
	f.cmd.Env = append(append(os.Environ(), "PORT="+port, "FUNCTION_TARGET="+target), env...)
	f.cmd.Stdout, f.cmd.Stderr = log, log
	f.cmd.WaitDelay = time.Second
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("function %q: %w", target, err)
	}
	go func() {
		_ = f.cmd.Wait()
		close(f.ended)
	}()
	goal := &url.URL{Scheme: "http", Host: address}
	f.proxy = &httputil.ReverseProxy{Transport: f.pool, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(goal)
		r.Out.Host = r.In.Host
		r.Out.Header = r.In.Header.Clone()
	}}
	if err := f.wait(address); err != nil {
		f.Close()
		return nil, fmt.Errorf("function %q: %w", target, err)
	}
	return f, nil
}

// wait waits until the program listens.
func (f *Function) wait(address string) error {
	deadline, tick := time.NewTimer(startTimeout), time.NewTicker(pollPause)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-f.ended:
			return errEnded
		case <-deadline.C:
			return fmt.Errorf("the program does not listen on its port after %v", startTimeout)
		}
	}
}

// ServeHTTP is what the program answers. It sees requests as they come.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.proxy.ServeHTTP(w, r) }

// Close kills the program, and waits for its end.
func (f *Function) Close() {
	_ = f.cmd.Process.Kill() // it may have ended
	<-f.ended
	f.pool.CloseIdleConnections()
}
