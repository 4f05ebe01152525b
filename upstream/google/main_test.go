package google

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// TestMain is also the program of the functions, when it is started as such.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_FUNCTIONS") != "" {
		serveFunctions()
		return
	}
	// There is a metadata server for all tests, or none: the library looks only once.
	_ = os.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	_ = os.Unsetenv("GOOGLE_APPLICATION_CREDENTIALS")
	goleak.VerifyTestMain(m)
}

// seen is what a function says that it was called with.
type seen struct {
	Method, Path, Query, Host, Body string
	Header                          http.Header
}

// serveFunctions serves an HTTP function at /, an event function at /event, and at /last
// the event that it had last.
func serveFunctions() {
	ctx := context.Background()
	var mu sync.Mutex
	var last []byte
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	check(funcframework.RegisterHTTPFunctionContext(ctx, "/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(seen{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, string(body), r.Header})
	}))
	check(funcframework.RegisterHTTPFunctionContext(ctx, "/last", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = w.Write(last)
	}))
	check(funcframework.RegisterCloudEventFunctionContext(ctx, "/event", func(_ context.Context, e cloudevents.Event) error {
		if err := e.Validate(); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		var err error
		last, err = json.Marshal(e)
		return err
	}))
	check(funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT")))
}

// functions starts the program of the functions, which is this one.
func functions(t *testing.T) http.Handler {
	t.Helper()
	return googletest.StartFunction(t, os.Args[0], "", "TEST_FUNCTIONS=yes")
}

// start makes an upstream that has its tokens from g.
func start(t *testing.T, g *googletest.Google, cfg *configpb.GoogleFunctionUpstream) *Upstream {
	t.Helper()
	up, err := try(t, g, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return up
}

func try(t *testing.T, g *googletest.Google, cfg *configpb.GoogleFunctionUpstream) (*Upstream, error) {
	t.Helper()
	pool := new(http.Transport)
	t.Cleanup(pool.CloseIdleConnections)
	return newUpstream(cfg, upstream.Env{Name: "function", Dir: t.TempDir()}, g.Transport(pool))
}

// request is one as the gateway sends it: the path has the base in front.
func request(t *testing.T, up upstream.HTTP, method, target string, body io.Reader, header http.Header) *http.Request {
	t.Helper()
	ctx := upstream.WithAbout(t.Context(), &upstream.About{Path: target, RequestID: "5f3b1c9e-0000-4000-8000-000000000001", Time: time.Unix(1700000000, 0)})
	r, err := http.NewRequestWithContext(ctx, method, "http://gateway"+up.Origin().BasePath+target, body)
	require.NoError(t, err)
	r.URL.RawPath = r.URL.EscapedPath()
	r.Host = up.Origin().Host
	if header != nil {
		r.Header = header
	}
	return r
}

func send(t *testing.T, up upstream.HTTP, r *http.Request) (int, string) {
	t.Helper()
	resp, err := up.Send(r, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, string(body)
}

// call is what the function says it was called with.
func call(t *testing.T, up upstream.HTTP, method, target string, body io.Reader, header http.Header) seen {
	t.Helper()
	status, text := send(t, up, request(t, up, method, target, body, header))
	require.Equal(t, http.StatusOK, status, text)
	var out seen
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return out
}
