package gatewaytest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/child"
)

// patience bounds what should happen at once, on a busy machine too.
const patience = 60 * time.Second

// Build makes a command of this module and returns its path.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir = Root()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "building %s: %s", pkg, out)
	return path
}

// Process is a command that runs until its test ends.
type Process struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines chan string
	done  chan error
}

// Run starts a command in dir. When the test ends it gets SIGTERM, and if exits0
// is set must then exit with 0; otherwise it is killed. What it prints is shown
// if the test fails.
func Run(t testing.TB, dir string, exits0 bool, path string, args ...string) *Process {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	child.NoOrphan(cmd)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		require.NoError(t, err)
	}
	p := &Process{t: t, cmd: cmd, lines: make(chan string, 10_000), done: make(chan error, 1)}
	go p.read(r)
	t.Cleanup(func() { p.stop(exits0) })
	return p
}

// read writes lines to the test's output and hands them to WaitFor, and drops them when nobody has asked for long.
func (p *Process) read(r io.ReadCloser) {
	scanner := bufio.NewScanner(r)
	name := filepath.Base(p.cmd.Path)
	for scanner.Scan() {
		fmt.Fprintf(p.t.Output(), "%s: %s\n", name, scanner.Text())
		select {
		case p.lines <- scanner.Text():
		default:
		}
	}
	close(p.lines)
	r.Close()
	p.done <- p.cmd.Wait()
}

func (p *Process) stop(exits0 bool) {
	signal := os.Kill
	if exits0 {
		signal = syscall.SIGTERM
	}
	_ = p.cmd.Process.Signal(signal)
	select {
	case err := <-p.done:
		if exits0 {
			require.NoError(p.t, err, "%s", p.cmd.Path)
		}
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		p.t.Errorf("%s did not end in %v: %v", p.cmd.Path, patience, <-p.done)
	}
}

// WaitFor waits for a line that matches and returns the submatches.
func (p *Process) WaitFor(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	var seen []string
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				require.FailNow(p.t, "the process ended", "%s: no line like %s in %q", p.cmd.Path, pattern, seen)
			}
			if m := re.FindStringSubmatch(line); m != nil {
				return m
			}
			seen = append(seen, line)
		case <-timeout:
			require.FailNow(p.t, "waited in vain", "%s: no line like %s in %q", p.cmd.Path, pattern, seen)
		}
	}
}
