package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestErrorsPage compares the table of docs/errors.md with the one in package
// rpc: every reason, its HTTP status and its gRPC code.
func TestErrorsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(gatewaytest.Root(), "docs", "errors.md"))
	require.NoError(t, err)
	documented := make(map[rpc.Reason]bool)
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_0-9]+)` \\| ([0-9]+) \\| ([0-9]+) ").FindAllStringSubmatch(string(page), -1) {
		reason := rpc.Reason(m[1])
		documented[reason] = true
		require.Equal(t, m[2], strconv.Itoa(reason.HTTPStatus()), "%s: HTTP", reason)
		require.Equal(t, m[3], strconv.Itoa(int(reason.Code())), "%s: gRPC", reason)
	}
	source, err := os.ReadFile(filepath.Join(gatewaytest.Root(), "rpc", "reason.go"))
	require.NoError(t, err)
	reasons := regexp.MustCompile(`Reason = "([A-Z_0-9]+)"`).FindAllStringSubmatch(string(source), -1)
	require.NotEmpty(t, reasons)
	for _, m := range reasons {
		require.True(t, documented[rpc.Reason(m[1])], "docs/errors.md lacks %s", m[1])
	}
	require.Len(t, documented, len(reasons), "docs/errors.md has a reason that does not exist")
}
