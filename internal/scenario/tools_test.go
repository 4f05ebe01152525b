package scenario

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// findGrpcurl is the folder of grpcurl: that of PATH, or else the one that
// tools/go.mod pins, which the go command builds and caches.
var findGrpcurl = sync.OnceValues(func() (string, error) {
	if path, err := exec.LookPath("grpcurl"); err == nil {
		return filepath.Dir(path), nil
	}
	cmd := exec.Command("go", "tool", "-modfile=tools/go.mod", "-n", "grpcurl")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	return filepath.Dir(strings.TrimSpace(string(out))), err
})

func grpcurl(t *testing.T) string {
	t.Helper()
	dir, err := findGrpcurl()
	require.NoError(t, err)
	return dir
}
