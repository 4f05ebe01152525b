package header_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform"
)

type serve func(w http.ResponseWriter, r *http.Request, x *route.Exchange)

func (s serve) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) { s(w, r, x) }

func refuse(w http.ResponseWriter, _ *http.Request, x *route.Exchange, err *rpc.Error) {
	x.Failure = err
	w.Header().Set(rpc.ErrorHeader, string(err.Reason))
	w.WriteHeader(err.HTTPStatus())
	_, _ = io.WriteString(w, err.Message)
}

// shows answers with the header of the request, as a handler of messages does: it shows
// each line to programs, and makes what it makes of the header after the first.
func shows(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	var wants bool
	if x.Messages != nil {
		wants, _ = x.Messages.Wants()
	}
	in := bufio.NewScanner(r.Body)
	for n := 0; in.Scan(); n++ {
		if !wants {
			break
		}
		if _, err := x.Messages.Request(nil, in.Bytes(), r); err != nil {
			refuse(w, r, x, err)
			return
		}
	}
	_ = json.NewEncoder(w).Encode(r.Header)
}

// TestAfterPrograms: edits come after all programs, those that wait for the first
// message included.
func TestAfterPrograms(t *testing.T) {
	edits, err := header.Merge(&header.Spec{Request: header.List{
		Set:    []header.Value{{Name: "x-a", Text: "edits"}, {Name: "x-seen", Program: program(t, `.headers["x-program"]`)}},
		Append: []header.Value{{Name: "x-list", Text: "edits"}},
		Remove: []string{"x-gone"},
	}})
	require.NoError(t, err)
	const sets = `.headers["x-a"] = "program" | .headers["x-gone"] = "program" | .headers["x-program"] = `
	for name, test := range map[string]struct {
		program, method string
		in              []string
	}{
		"head":     {sets + `"1"`, http.MethodPost, nil},
		"body":     {sets + `(.body | tostring)`, http.MethodPost, nil},
		"messages": {sets + `(.body | tostring)`, http.MethodPost, []string{"ndjson"}},
		"none":     {`.`, http.MethodPost, []string{"ndjson"}},
	} {
		t.Run(name, func(t *testing.T) {
			chain, err := transform.New([]transform.Spec{{Name: "t", Request: program(t, test.program)}}, transform.Options{
				MaxRequestBytes: 1 << 20, MaxResponseBytes: 1 << 20, FormBodies: true, Refuse: refuse,
			})
			require.NoError(t, err)
			e := &route.Entry{Method: "*", Protocol: "rest", In: test.in}
			h := chain.Wrap(e, edits.Wrap(serve(shows), refuse))
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				came := r.Header.Clone()
				h.Serve(w, r, &route.Exchange{Entry: e, Path: r.URL.Path})
				require.Equal(t, came, r.Header)
			}))
			defer srv.Close()
			body := "1"
			if test.in != nil {
				body = "1\n2\n3\n"
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/x", strings.NewReader(body))
			require.NoError(t, err)
			r.Header = http.Header{"X-List": {"came"}, "X-Gone": {"came"}}
			res, err := http.DefaultTransport.RoundTrip(r)
			require.NoError(t, err)
			defer res.Body.Close()
			var got http.Header
			require.NoError(t, json.NewDecoder(res.Body).Decode(&got))
			require.Equal(t, []string{"edits"}, got["X-A"])
			require.Equal(t, []string{"came", "edits"}, got["X-List"], "appended once")
			require.NotContains(t, got, "X-Gone")
			if name == "none" {
				require.NotContains(t, got, "X-Seen")
			} else {
				require.Equal(t, []string{"1"}, got["X-Seen"])
			}
		})
	}
}

// TestRefusedRequests: the handler is not called, and error programs see the failure.
// Within a stream the handler is told.
func TestRefusedRequests(t *testing.T) {
	edits, err := header.Merge(&header.Spec{Request: header.List{Set: []header.Value{{Name: "x-a", Program: program(t, `error("x")`)}}}})
	require.NoError(t, err)
	for name, test := range map[string]struct {
		request string
		in      []string
	}{"whole": {`.`, nil}, "stream": {`.`, []string{"ndjson"}}, "messages": {`.headers["x-b"] = .body`, []string{"ndjson"}}} {
		t.Run(name, func(t *testing.T) {
			chain, err := transform.New([]transform.Spec{{
				Name: "t", Request: program(t, test.request), Error: program(t, `.headers["x-error"] = .error.message`, "request"),
			}}, transform.Options{MaxRequestBytes: 1 << 20, MaxResponseBytes: 1 << 20, FormBodies: true, Refuse: refuse})
			require.NoError(t, err)
			e := &route.Entry{Method: "*", Protocol: "rest", In: test.in}
			called := false
			h := chain.Wrap(e, edits.Wrap(serve(func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
				called = true
				shows(w, r, x)
			}), refuse))
			r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader("1\n2\n"))
			w := httptest.NewRecorder()
			h.Serve(w, r, &route.Exchange{Entry: e, Path: "/x"})
			require.Equal(t, http.StatusInternalServerError, w.Code)
			require.Equal(t, "the program failed", w.Body.String())
			require.Equal(t, "the program failed", w.Header().Get("X-Error"))
			require.Equal(t, string(rpc.ProgramFailed), w.Header().Get(rpc.ErrorHeader))
			require.Equal(t, name == "messages", called)
		})
	}
}

// TestNoRequestEdits: what has none is not wrapped.
func TestNoRequestEdits(t *testing.T) {
	next := &route.Entry{}
	var none *header.Edits
	answers, err := header.Merge(&header.Spec{Response: set("a", "x")})
	require.NoError(t, err)
	for _, e := range []*header.Edits{none, answers} {
		h := e.Wrap(plain{next}, refuse)
		require.Equal(t, plain{next}, h)
	}
	require.NoError(t, none.EditHead(http.Header{}, 200, nil, nil))
}

type plain struct{ *route.Entry }

func (plain) Serve(http.ResponseWriter, *http.Request, *route.Exchange) {}

// wants are programs that look at messages of requests.
type wants struct{ route.Messages }

func (wants) Wants() (requests, responses bool) { return true, false }

// TestWebSockets: their header counts before the first message, so it is changed then,
// whatever looks at messages.
func TestWebSockets(t *testing.T) {
	edits, err := header.Merge(&header.Spec{Request: set("x-a", "edits")})
	require.NoError(t, err)
	var got http.Header
	h := edits.Wrap(serve(func(_ http.ResponseWriter, r *http.Request, _ *route.Exchange) { got = r.Header }), refuse)
	for method, want := range map[string][]string{route.MethodWebSocket: {"edits"}, http.MethodPost: nil} {
		x := &route.Exchange{Entry: &route.Entry{Method: method}, Messages: wants{}}
		h.Serve(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), x)
		require.Equal(t, want, got["X-A"], method)
	}
}

// TestRefusedStreams: the answer does not wait for a body that may never come.
func TestRefusedStreams(t *testing.T) {
	edits, err := header.Merge(&header.Spec{Request: header.List{Set: []header.Value{{Name: "x-a", Program: program(t, `error("x")`)}}}})
	require.NoError(t, err)
	h := edits.Wrap(serve(shows), refuse)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.Serve(w, r, &route.Exchange{Entry: &route.Entry{Method: "POST", In: []string{"ndjson"}}})
	}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
}
