package readme

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

// TestFunctionsPage checks every configuration of docs/functions.md. Nothing is
// called: who could answer runs in the examples.
func TestFunctionsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(gatewaytest.Root(), "docs", "functions.md"))
	require.NoError(t, err)
	blocks := 0
	for _, block := range fence.FindAllStringSubmatch(string(page), -1) {
		if block[1] != "yaml" {
			continue
		}
		blocks++
		text := block[2] + "listeners: [{ name: public, address: \":8080\" }]\n"
		if !strings.Contains(text, "routes:\n") {
			text += "routes: [{ name: all, match: [{ prefix: / }], respond: {} }]\n"
		}
		path := filepath.Join(t.TempDir(), "dragoman.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		file, err := config.Load(path, func(string) (string, bool) { return "value", true })
		require.NoError(t, err, "%s", text)
		plan, err := config.Link(file)
		require.NoError(t, err, "%s", text)
		_, warnings, err := builtin.Check(plan)
		require.NoError(t, err, "%s", text)
		require.Empty(t, warnings, "%s", text)
	}
	require.NotZero(t, blocks)
}
