//go:build unix

package npmtest

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/child"
	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

// patience is how long a program may take to start, on a busy machine too.
const patience = 2 * time.Minute

// root is where install.sh installs.
func root() string {
	if dir := os.Getenv("DRAGOMAN_NPM"); dir != "" {
		return dir
	}
	return filepath.Join(gatewaytest.Root(), ".cache", "npm")
}

// install copies the functions of a folder beside this file to one of the test,
// where they find what install.sh has installed for them. Without that the test is
// skipped.
func install(t *testing.T, folder string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root(), folder, "installed")); err != nil {
		t.Skipf("npm packages are not installed: %v (make npm)", err)
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed: apt-get install nodejs")
	}
	modules, err := filepath.Abs(filepath.Join(root(), folder, "node_modules"))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(folder)))
	require.NoError(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))
	return dir
}

// node runs a program of an npm package in dir until the test ends, with
// variables of the form NAME=value. It returns when all of the addresses answer.
func node(t *testing.T, dir string, env []string, addresses []net.Addr, program string, args ...string) {
	t.Helper()
	cmd := exec.Command("node", append([]string{filepath.Join("node_modules", program)}, args...)...)
	cmd.Dir = dir
	// They keep files in HOME, which makes the next start a shorter one.
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(root(), "home"))
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	// What it has started may hold its output open.
	cmd.WaitDelay = time.Second
	child.NoOrphan(cmd)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	late, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for _, address := range addresses {
		for {
			conn, err := net.Dial(address.Network(), address.String())
			if err == nil {
				require.NoError(t, conn.Close())
				break
			}
			select {
			case <-tick.C:
			case <-ended:
				require.FailNow(t, "the program has ended", strings.Join(cmd.Args, " "))
			case <-late:
				require.FailNow(t, "the program does not serve", "%s: %v", strings.Join(cmd.Args, " "), err)
			}
		}
	}
}

// freePorts are addresses of the loopback that nobody listens at, no two the same.
func freePorts(t *testing.T, n int) []net.Addr {
	t.Helper()
	var ports []net.Addr
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close() // when there are all of them
		ports = append(ports, l.Addr())
	}
	return ports
}

// listen starts a server that hands on the bodies of what it is sent.
func listen(t *testing.T) (string, <-chan string) {
	t.Helper()
	heard := make(chan string, 16)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		heard <- string(body)
	}))
	t.Cleanup(server.Close)
	return server.URL, heard
}

// hear is the next that a server of [listen] is sent.
func hear(t *testing.T, heard <-chan string) string {
	t.Helper()
	select {
	case said := <-heard:
		return said
	case <-time.After(patience / 4):
		require.FailNow(t, "the function says nothing")
		return ""
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), into), "%s", text)
}
