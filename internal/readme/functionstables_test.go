package readme

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

// TestFunctionTables has an example for every row of the tables of docs/functions.md
// about what becomes of requests and answers, and sends it to a gateway in front of the
// emulator of Lambda. A row is known by its text: whoever changes one looks at its example.
func TestFunctionTables(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(gatewaytest.Root(), "docs", "functions.md"))
	require.NoError(t, err)
	// Those who issue tokens on machines of Google and Azure, and issue none here.
	issuer := server(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	t.Setenv("GCE_METADATA_HOST", issuer)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("IDENTITY_ENDPOINT", "http://"+issuer)
	t.Setenv("IDENTITY_HEADER", "header")
	for heading, examples := range map[string]map[string][]example{
		"Events": events(), "What functions return": answers(), "Invocation": invocations(), "What fails": failures(),
	} {
		t.Run(heading, func(t *testing.T) {
			rows := table(t, string(page), heading)
			var list []example
			for _, row := range rows {
				require.Contains(t, examples, row, "the row has no example")
				require.NotEmpty(t, examples[row])
				for _, e := range examples[row] {
					e.row = row
					list = append(list, e)
				}
			}
			require.Len(t, rows, len(examples), "an example is about no row")
			try(t, list)
		})
	}
}

// table has the rows of the first table below a heading.
func table(t *testing.T, page, heading string) []string {
	t.Helper()
	_, text, ok := strings.Cut(page, "# "+heading+"\n")
	require.True(t, ok, heading)
	_, text, ok = strings.Cut(text, "|---")
	require.True(t, ok, heading)
	_, text, _ = strings.Cut(text, "\n")
	var rows []string
	for line := range strings.Lines(text) {
		row, ok := strings.CutPrefix(strings.TrimSpace(line), "| ")
		if !ok {
			break
		}
		rows = append(rows, strings.TrimSuffix(row, " |"))
	}
	require.NotEmpty(t, rows)
	return rows
}

// example is a request and what becomes of it.
type example struct {
	row string
	// event and invocation are those of the route.
	event, invocation string
	// returns is what the function returns; handler is another function, with timeout
	// and concurrency, if it is not empty.
	returns, handler string
	timeout          time.Duration
	concurrency      int
	// endpoint and credentials are others than those of the emulator, settings more of the
	// upstream, kind all of it; route is more of the route.
	endpoint, credentials, settings, kind, route string
	// fault is what the service does.
	fault *lambdatest.Fault
	// before is done before the request.
	before func(t *testing.T, url string)
	// method is GET, or POST if there is a body.
	method, body string
	length       int // of a body of digits

	status int // 200 if zero
	header http.Header
	absent []string // headers that are not there
	want   string   // the body
	reason string
	code   int
	has    string // is in the body, hides is not
	hides  string
	sent   func(t *testing.T, event map[string]any)
}

// try sends the requests of examples, each on a route to a function of its own.
func try(t *testing.T, examples []example) {
	var functions []lambdatest.Function
	var upstreams, routes strings.Builder
	known := make(map[string]string) // functions by what they return
	for i, e := range examples {
		name := fmt.Sprint("f", i)
		function := name
		f := lambdatest.Function{Name: name, Handler: "returns", Timeout: e.timeout, Concurrency: e.concurrency, Environment: []string{"RETURNS=" + e.returns}}
		if e.handler != "" {
			f.Handler = e.handler
		}
		switch same := known[e.returns]; {
		case e.handler == "missing":
		case e.handler == "" && e.fault == nil && same != "":
			function = same // a process less
		default:
			functions = append(functions, f)
			if e.handler == "" && e.fault == nil {
				known[e.returns] = name
			}
		}
		upstream, lambda := e.kind, ""
		if upstream == "" {
			upstream = fmt.Sprintf("aws_lambda: { function: %s, region: us-east-1, endpoint: %q, credentials: %s%s }",
				function, cmp.Or(e.endpoint, "${ENDPOINT}"), cmp.Or(e.credentials, "{ static: { access_key_id: AKIDLAMBDATEST, secret_access_key: not-a-secret } }"), e.settings)
			lambda = fmt.Sprintf(", lambda: { event: %q, invocation: %q }", e.event, e.invocation)
		}
		fmt.Fprintf(&upstreams, "- name: %s\n  %s\n", name, upstream)
		fmt.Fprintf(&routes, "- { name: %[1]s, match: [{ path: \"/%[1]s/{id}\" }], forward: { upstream: %[1]s%[2]s%[3]s } }\n", name, lambda, e.route)
	}
	s := lambdatest.Start(t, lambdatest.Options{Functions: functions})
	text := "listeners: [{ name: public, address: \"127.0.0.1:0\" }]\nupstreams:\n" + upstreams.String() + "routes:\n" + routes.String()
	path := filepath.Join(t.TempDir(), "dragoman.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	g, err := gatewaytest.TryStart(t, path, map[string]string{"ENDPOINT": s.URL})
	require.NoError(t, err, "%s", text)
	for i, e := range examples {
		name := fmt.Sprint("f", i)
		t.Run(e.row, func(t *testing.T) {
			if e.fault != nil {
				fault := *e.fault
				// It may meet the dry run that the gateway makes when it has started.
				fault.Function, fault.Times = name, 2
				s.Inject(fault)
			}
			e.try(t, s, "http://"+g.Address+"/"+name+"/a%20b?x=1&x=%20")
		})
	}
}

func (e example) try(t *testing.T, s *lambdatest.Service, url string) {
	if e.before != nil {
		e.before(t, url)
	}
	body := e.body + strings.Repeat("1", e.length)
	method := e.method
	if method == "" && body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header["X-Tag"] = []string{"blue", "green"}
	r.Header["Cookie"] = []string{"a=1; b=2"}
	if body != "" {
		r.Header.Set("Content-Type", "text/plain")
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if e.status == 0 {
		e.status = http.StatusOK
	}
	require.Equal(t, e.status, resp.StatusCode, "%s", answer)
	for name, values := range e.header {
		require.Equal(t, values, resp.Header[name], name)
	}
	for _, name := range e.absent {
		require.NotContains(t, resp.Header, name)
	}
	require.Contains(t, string(answer), e.has)
	if e.hides != "" {
		require.NotContains(t, string(answer), e.hides)
	}
	if e.reason != "" {
		var failure struct {
			Code    int
			Details []struct{ Reason string }
		}
		require.NoError(t, json.Unmarshal(answer, &failure), "%s", answer)
		require.NotEmpty(t, failure.Details)
		require.Equal(t, e.reason, failure.Details[0].Reason)
		require.Equal(t, e.code, failure.Code)
	} else if e.has == "" {
		require.Equal(t, e.want, string(answer))
	}
	if e.sent != nil {
		s.Wait()
		// The gateway makes dry runs of its own, when it has started.
		calls := slices.DeleteFunc(s.Calls(), func(c lambdatest.Call) bool { return c.Type == "DryRun" })
		require.NotEmpty(t, calls)
		var event map[string]any
		require.NoError(t, json.Unmarshal(calls[len(calls)-1].Payload, &event))
		e.sent(t, event)
	}
}

// server is the address of something that answers so.
func server(t *testing.T, h http.HandlerFunc) string {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}
