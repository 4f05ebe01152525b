package readme

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

var update = flag.Bool("update", false, "rewrite the output in README.md, and fail")

func TestREADME(t *testing.T) {
	gatewaytest.NeedsCurl(t)
	demo := gatewaytest.Run(t, t.TempDir(), true, gatewaytest.Build(t, "./cmd/dragoman"),
		"demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json")
	address := demo.WaitFor(`"msg":"listening","listener":"default","address":"([^"]+)"`)[1]
	root := gatewaytest.Root()
	gatewaytest.Console(t, filepath.Join(root, "README.md"), root, "localhost:8080", address, *update)
}
