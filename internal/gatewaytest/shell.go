package gatewaytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/child"
)

// Root is the folder of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// grpcurl is the folder of grpcurl: that of PATH, or else of the one that
// tools/go.mod pins, which the go command builds and caches.
var grpcurl = sync.OnceValues(func() (string, error) {
	if path, err := exec.LookPath("grpcurl"); err == nil {
		return filepath.Dir(path), nil
	}
	cmd := exec.Command("go", "tool", "-modfile=tools/go.mod", "-n", "grpcurl")
	cmd.Dir = Root()
	out, err := cmd.Output()
	return filepath.Dir(strings.TrimSpace(string(out))), err
})

// NeedsCurl skips the test where curl is not installed.
func NeedsCurl(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed: apt-get install curl")
	}
}

// Shell is a bash script as a command in dir, with grpcurl in its PATH.
func Shell(t testing.TB, dir, script string) *exec.Cmd {
	t.Helper()
	tools, err := grpcurl()
	require.NoError(t, err, "building grpcurl")
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = dir
	child.NoOrphan(cmd)
	cmd.Env = append(os.Environ(), "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"), "LC_ALL=C.UTF-8")
	return cmd
}
