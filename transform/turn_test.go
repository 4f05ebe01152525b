package transform_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
)

// values is a body of two megabytes that takes some forty as values.
var values = "[" + strings.Repeat("[],", 600_000) + "0]"

// TestLargeBodiesTogether holds the memory of many large bodies at a time to that of
// a few, in a process of its own: of requests and of answers, while programs run and
// while the upstream takes its time.
func TestLargeBodiesTogether(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory, too")
	}
	const env = "TRANSFORM_TOGETHER"
	if os.Getenv(env) == "" {
		self, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.Command(self, "-test.run=^TestLargeBodiesTogether$", "-test.v")
		cmd.Env = append(os.Environ(), env+"=1", "GOMAXPROCS=2")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		_, grown, _ := strings.Cut(string(out), "GROWN ")
		grown, _, _ = strings.Cut(grown, " ")
		n, err := strconv.Atoi(grown)
		require.NoError(t, err, "%s", out)
		t.Logf("%d MiB", n)
		require.Less(t, n, 500)
		return
	}
	const clients = 24
	arrived, leave := make(chan bool, clients), make(chan bool)
	o := options()
	o.MaxRequestBytes, o.MaxResponseBytes = 4<<20, 4<<20
	g := serve(t, setup{
		options: o,
		specs:   []spec{{request: `.headers["x-length"] = (.body | length)`, response: `.headers["x-length"] = (.body | length)`}},
		next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
			arrived <- true
			<-leave
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, values)
		},
	})
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			resp, err := g.Client().Post(g.URL+"/v1/a", "application/json", strings.NewReader(values))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body)
			if got := resp.Header.Get("X-Length"); got != "600001" {
				t.Error("length", got)
			}
			<-g.done
		})
	}
	for range clients {
		<-arrived
	}
	runtime.GC()
	close(leave)
	wg.Wait()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	fmt.Printf("GROWN %d \n", u.Maxrss>>10)
}
