package npmtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLockFiles checks that what install.sh installs is the same everywhere, and
// may come from any registry.
func TestLockFiles(t *testing.T) {
	for _, folder := range []string{"google", "lambda"} {
		var wanted struct {
			Dependencies map[string]string
		}
		var lock struct {
			Packages map[string]struct {
				Version, Resolved, Integrity string
			}
		}
		read(t, filepath.Join(folder, "package.json"), &wanted)
		read(t, filepath.Join(folder, "package-lock.json"), &lock)
		require.NotEmpty(t, wanted.Dependencies)
		for name, version := range wanted.Dependencies {
			require.Equal(t, version, lock.Packages["node_modules/"+name].Version, "%s: package.json names one version of %s", folder, name)
		}
		for name, p := range lock.Packages {
			if name == "" { // the folder itself
				continue
			}
			require.Empty(t, p.Resolved, "%s: %s has an address: npm install --package-lock-only --omit-lockfile-registry-resolved", folder, name)
			require.NotEmpty(t, p.Integrity, "%s: %s has no checksum", folder, name)
		}
	}
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, into), "%s", file)
}
