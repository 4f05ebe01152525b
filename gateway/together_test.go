package gateway_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTogether sends many requests at once, over both versions of HTTP, through a route
// that does everything: programs over both bodies, retries, edits, compression, and
// going on to the next route. Each answer must be its own request's.
func TestTogether(t *testing.T) {
	var attempts sync.Map
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Id")
		n, _ := attempts.LoadOrStore(id, new(atomic.Int32))
		attempt := n.(*atomic.Int32).Add(1)
		if attempt == 1 && strings.Contains(id, "early") {
			// It answers without having read.
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil:
			panic(http.ErrAbortHandler)
		case attempt == 1 && strings.Contains(id, "again"):
			w.WriteHeader(http.StatusServiceUnavailable)
		case strings.Contains(id, "gone"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, strings.Repeat("not here ", 1000))
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"by": "first", "got": %s}`, body)
		}
	}))
	t.Cleanup(first.Close)
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"by": "second", "got": %s}`, body)
	}))
	t.Cleanup(second.Close)
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: first, http: {url: %q}}
- {name: second, http: {url: %q}}
routes:
- name: first
  match: [{prefix: /do}]
  forward: {upstream: first, compression: {min_bytes: 1}}
  transform: [{request: '.body.seen = "1"', response: '.body.of = "1"'}]
  headers: {request: {set: [{name: x-id, jq: '.headers["x-client-id"]'}]}, response: {set: [{name: x-by, value: "1"}, {name: x-of, jq: '$request.headers["x-client-id"]'}]}}
  retry: {on: ["503"], attempts: 3, backoff: 1ms, budget_percent: 100}
  fall_through: {on: ["404"]}
- name: second
  match: [{prefix: /}]
  forward: {upstream: second, compression: {min_bytes: 1}}
  transform: [{request: '.body.seen2 = "2"', response: '.body.of = "2"'}]
  headers: {response: {set: [{name: x-by, value: "2"}, {name: x-of, jq: '$request.headers["x-client-id"]'}]}}
`, first.URL, second.URL), nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	srv, h2 := serveBoth(t, g)
	h1 := &http.Transport{}
	t.Cleanup(h1.CloseIdleConnections)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			tr := []*http.Transport{h1, h2}[worker%2]
			for i := range 40 {
				id := fmt.Sprintf("%d-%d-%s", worker, i, []string{"ok", "again", "early", "gone", "again-gone"}[i%5])
				pad := strings.Repeat("x", rand.IntN(40<<10))
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.URL+"/do/"+id, strings.NewReader(fmt.Sprintf(`{"id":%q,"pad":%q}`, id, pad)))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("X-Client-Id", id)
				res, err := tr.RoundTrip(req)
				if err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				by, seen := "first", `"seen":"1"`
				if strings.Contains(id, "gone") {
					by, seen = "second", `"seen2":"2"`
				}
				text := string(body)
				if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("X-Of") != id || !strings.Contains(text, id) || !strings.Contains(text, `"pad":"`+pad+`"`) ||
					!strings.Contains(text, `"by":"`+by+`"`) || !strings.Contains(text, seen) || strings.Contains(text, "seen2") != (by == "second") || strings.Contains(text, `"seen":`) != (by == "first") {
					t.Errorf("%s: %v %d %v %.200s", id, err, res.StatusCode, res.Header, text)
				}
			}
		})
	}
	all.Wait()
}
