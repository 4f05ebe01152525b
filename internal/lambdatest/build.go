package lambdatest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// build makes the program of internal/lambdatest/functions once in the life of a
// process. It stays in the user's cache, one for each tree of sources: nothing
// tells a package when the tests of its process are over, and the go command
// does not link again what is up to date.
var build = sync.OnceValues(func() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	here := filepath.Dir(file)
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("building the Lambda functions: %w", err)
	}
	sum := sha256.Sum256([]byte(here))
	path := filepath.Join(cache, "dragoman-lambdatest", hex.EncodeToString(sum[:8]), "functions")
	// Without cgo and symbols it links and starts faster.
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "./functions")
	cmd.Dir = here
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the Lambda functions: %w: %s", err, out)
	}
	return path, nil
})
