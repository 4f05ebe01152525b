package scenario

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// restServer is an upstream of HTTP that a session has named.
type restServer struct {
	name string
	kind []string
	// requests counts those that came.
	requests atomic.Int64
}

// startREST starts the session's upstreams of HTTP, and returns the environment that
// has their addresses.
func startREST(t *testing.T, s *Session) map[string]string {
	env := make(map[string]string)
	for _, up := range s.REST {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		env[strings.ToUpper(up.Name)] = lis.Addr().String()
		if up.Kind == "refuses" {
			require.NoError(t, lis.Close())
			continue
		}
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(true)
		srv := &http.Server{Handler: &restServer{name: up.Name, kind: strings.Fields(up.Kind)}, Protocols: protocols}
		go srv.Serve(lis)
		t.Cleanup(func() { srv.Close() })
	}
	return env
}

// ServeHTTP does what the upstream's kind says.
func (u *restServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := u.requests.Add(1)
	switch u.kind[0] {
	case "pets":
		u.pets(w, r)
		return
	case "hangs":
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		return
	case "answers":
		text := u.kind[1]
		if text == "as" { // asked
			text = r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		}
		u.status(w, text)
		return
	case "streams":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"name": "a"}, {"name": "b"}]`)
		return
	case "things":
		if u.things(w, r) {
			return
		}
	case "fails": // N times with STATUS
		if most, _ := strconv.ParseInt(u.kind[1], 10, 64); n <= most {
			u.status(w, u.kind[4])
			return
		}
	}
	u.echo(w, r, n)
}

// status answers with a status; each 503 asks for a second of patience.
func (u *restServer) status(w http.ResponseWriter, text string) {
	status, _ := strconv.Atoi(text)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	answerJSON(w, status, map[string]any{"upstream": u.name, "status": status})
}

// echo answers with the request.
func (u *restServer) echo(w http.ResponseWriter, r *http.Request, n int64) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	header := make(map[string]string)
	for name, values := range r.Header {
		header[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	w.Header().Set("X-Served-By", u.name)
	answerJSON(w, http.StatusOK, map[string]any{
		"upstream": u.name, "request": n, "method": r.Method, "path": path, "query": query, "host": r.Host,
		"headers": header, "body": string(body),
	})
}

// things answers the methods Get and Stream of the fixture, by their rules.
func (u *restServer) things(w http.ResponseWriter, r *http.Request) bool {
	if name, ok := strings.CutPrefix(r.URL.Path, "/v1/things/"); ok {
		if name == "none" {
			answerJSON(w, http.StatusNotFound, map[string]any{"code": 5, "message": "there is no thing \"none\""})
			return true
		}
		answerJSON(w, http.StatusOK, map[string]any{"name": name, "i32": len(name)})
		return true
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/v1/stream/"); ok {
		w.Header().Set("Content-Type", "application/x-ndjson")
		for i := range 3 {
			_ = json.NewEncoder(w).Encode(map[string]any{"name": name, "i32": i})
		}
		return true
	}
	return false
}

// pets is the store of the guides.
func (u *restServer) pets(w http.ResponseWriter, r *http.Request) {
	dog := map[string]any{"id": 1, "name": "Dog", "status": "available"}
	cat := map[string]any{"id": 2, "name": "Cat", "status": "pending"}
	switch {
	case r.URL.Path == "/api/pets" && r.Method == http.MethodPost:
		answerJSON(w, http.StatusCreated, map[string]any{"id": 101})
	case r.URL.Path == "/api/pets":
		answerJSON(w, http.StatusOK, []any{dog, cat})
	case r.URL.Path == "/api/pets/1":
		answerJSON(w, http.StatusOK, dog)
	default:
		answerJSON(w, http.StatusNotFound, map[string]any{"code": 404, "message": "path " + r.URL.Path + " was not found"})
	}
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// shares sends the request of x again and again, and counts who has answered.
func (h *host) shares(t *testing.T, at string, x *Exchange) {
	tr := new(http.Transport)
	defer tr.CloseIdleConnections()
	method, path, _ := strings.Cut(x.RequestLine, " ")
	got := make(map[string]int)
	for range x.Times {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.gateway.Address+path, nil)
		require.NoError(t, err, at)
		res, err := tr.RoundTrip(r)
		require.NoError(t, err, at)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err, at)
		_ = res.Body.Close()
		require.Equal(t, x.Status, res.StatusCode, at)
		got[res.Header.Get("X-Served-By")]++
	}
	for _, s := range x.Shares {
		n := got[s.Name]
		require.True(t, s.Least <= n && n <= s.Most, "%s: %s has answered %d of %d, want %d to %d", at, s.Name, n, x.Times, s.Least, s.Most)
	}
}

// restConfig are the upstreams of HTTP in the default configuration.
func (s *Session) restConfig() string {
	var b strings.Builder
	for _, up := range s.REST {
		fmt.Fprintf(&b, "- name: %s\n  http: { url: \"http://${%s}\" }\n", up.Name, strings.ToUpper(up.Name))
	}
	for _, yaml := range s.More["upstreams"] {
		for i, line := range strings.Split(yaml, "\n") {
			if i > 0 {
				b.WriteString(strings.TrimPrefix(line, "  ") + "\n")
			}
		}
	}
	return b.String()
}
