package readme

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

var update = flag.Bool("update", false, "rewrite the output in README.md, and fail")

// TestDemo runs the lines of README.md, and those that the demo itself shows,
// each against a demo of their own.
func TestDemo(t *testing.T) {
	gatewaytest.NeedsCurl(t)
	dragoman := gatewaytest.Build(t, "./cmd/dragoman")
	start := func(t *testing.T) *gatewaytest.Process {
		return gatewaytest.Run(t, t.TempDir(), true, dragoman,
			"demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json")
	}
	t.Run("README", func(t *testing.T) {
		t.Setenv("PATH", filepath.Dir(dragoman)+string(os.PathListSeparator)+os.Getenv("PATH"))
		address := start(t).WaitFor(`"msg":"listening","listener":"default","address":"([^"]+)"`)[1]
		root := gatewaytest.Root()
		gatewaytest.Console(t, filepath.Join(root, "README.md"), root, "localhost:8080", address, *update)
	})
	t.Run("start-up screen", func(t *testing.T) {
		demo := start(t)
		tried := 0
		for {
			line := strings.TrimSpace(demo.WaitFor(`^ +(?:curl|grpcurl|node|Ctrl-C) .*`)[0])
			if strings.HasPrefix(line, "Ctrl-C") {
				break
			}
			if ws := regexp.MustCompile(`new WebSocket\("([^"]+)"\)`).FindStringSubmatch(line); ws != nil {
				require.NotEmpty(t, framesOf(t, ws[1]))
				tried++
				continue
			}
			// Without this curl exits with 0 whatever the answer is.
			line = regexp.MustCompile(`^curl `).ReplaceAllString(line, "curl --fail-with-body -sS ")
			out, err := gatewaytest.Shell(t, t.TempDir(), line).CombinedOutput()
			require.NoError(t, err, "%s: %s", line, out)
			tried++
		}
		require.NotZero(t, tried)
	})
}

// framesOf is what comes over a WebSocket to its good end.
func framesOf(t *testing.T, url string) (frames []string) {
	conn, _, err := websocket.Dial(t.Context(), url, nil)
	require.NoError(t, err, url)
	defer conn.CloseNow()
	for {
		_, frame, err := conn.Read(t.Context())
		if err != nil {
			require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err), err)
			return frames
		}
		frames = append(frames, string(frame))
	}
}
