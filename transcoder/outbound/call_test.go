package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound"
	"github.com/dragoman-gateway/dragoman/upstream"
)

func TestMetadata(t *testing.T) {
	seen := make(chan http.Header, 1)
	h := func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		w.Header()["X-Answer"] = []string{"1", "2"}
		w.Header().Set("X-Raw-Bin", "AP8")
		w.Header().Set("X-Odd-Bin", "*")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "h")
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("X-Dragoman-Error", "forged")
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, `{}`)
		w.Header().Set("X-Sum", "42")
	}
	a := newAPI(t)
	g := a.target(t, a.options(t, "Get", connect(t, serve(t, h), false)))
	call := g.call(t, `name: "books/1"`)
	call.Header = rpc.Header{
		{Name: "authorization", Value: "Bearer t"}, {Name: "x-two", Value: "1"}, {Name: "x-two", Value: "2"},
		{Name: "x-raw-bin", Value: "\x00\xff"}, {Name: "x-odd", Value: "a\nb"},
		{Name: "connection", Value: "close"}, {Name: "te", Value: "trailers"}, {Name: "grpc-timeout", Value: "1S"},
		{Name: "host", Value: "elsewhere"}, {Name: "content-length", Value: "7"}, {Name: "x-dragoman-error", Value: "forged"},
		{Name: "accept", Value: "text/html"}, {Name: "accept-encoding", Value: "gzip"},
		{Name: "range", Value: "bytes=0-1"}, {Name: "if-none-match", Value: "*"}, {Name: "if-match", Value: `"v1"`},
		{Name: "x-forwarded-for", Value: "192.0.2.1"},
		// The rule says what is done, and to what.
		{Name: "x-http-method-override", Value: "DELETE"}, {Name: "x-http-method", Value: "DELETE"}, {Name: "x-method-override", Value: "DELETE"},
		{Name: "x-original-url", Value: "/v1/books/2"}, {Name: "x-rewrite-url", Value: "/v1/books/2"},
		{Name: "if-modified-since", Value: "Sat, 29 Oct 1994 19:43:31 GMT"}, {Name: "if-range", Value: "*"},
	}
	got := g.doCall(t, t.Context(), call)
	got.want(t, `{}`)
	require.Equal(t, http.Header{
		"Accept": {jsonType}, "Authorization": {"Bearer t"}, "X-Two": {"1", "2"}, "X-Raw-Bin": {"AP8"}, "If-Match": {`"v1"`},
		"X-Forwarded-For": {"192.0.2.1"},
	}, <-seen)
	head := map[string][]string{}
	for _, f := range got.head {
		head[f.Name] = append(head[f.Name], f.Value)
	}
	require.NotEmpty(t, head["date"])
	delete(head, "date")
	require.Equal(t, map[string][]string{"x-answer": {"1", "2"}, "x-raw-bin": {"\x00\xff"}}, head)
	require.Equal(t, rpc.Header{{Name: "x-sum", Value: "42"}}, got.trailer)

	got = serving(t, "Get", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Why", "because")
		w.WriteHeader(404)
	}).do(t, `name: "books/1"`)
	require.Equal(t, "because", got.trailer.Get("x-why"))
}

func TestAccept(t *testing.T) {
	for method, want := range map[string][2]string{
		"Get": {jsonType, jsonType}, "Watch": {"application/x-ndjson, text/event-stream, application/json", "application/x-ndjson, text/event-stream, application/json"},
		"Fetch": {"*/*", "image/*"}, "Download": {"*/*", "image/*"}, "Send": {"*/*", "image/*"},
	} {
		seen := make(chan string, 1)
		g := serving(t, method, func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header.Get("Accept")
			w.WriteHeader(204)
		})
		for i, header := range []rpc.Header{nil, {{Name: "accept", Value: "image/*"}}} {
			call := g.call(t, map[string]string{"Get": `name: "books/1"`, "Send": `name: "files/1"`}[method])
			call.Header = header
			require.Zero(t, g.doCall(t, t.Context(), call).status.Code)
			require.Equal(t, want[i], <-seen, method)
		}
	}
}

func TestStreamsOfRequestsAreUnimplemented(t *testing.T) {
	for _, method := range []string{"Add", "Chat"} {
		g := serving(t, method, func(http.ResponseWriter, *http.Request) { t.Error("the upstream is not asked") })
		r := g.recorder(t)
		s := g.Start(t.Context(), &rpc.Call{Method: g.Method}, r)
		<-r.ended
		require.Equal(t, codes.Unimplemented, r.status.Code)
		require.Contains(t, r.status.Message, "l.v1.Library."+method)
		require.Error(t, s.Send(rpc.NewBuffer()))
		s.CloseSend()
		s.Cancel()
	}
}

func TestLimits(t *testing.T) {
	endless := func(contentType, begin, piece string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			for _, err := io.WriteString(w, begin); err == nil; {
				_, err = io.WriteString(w, piece)
			}
		}
	}
	x := strings.Repeat("x", 1000)
	for name, test := range map[string]struct {
		method  string
		handler http.HandlerFunc
	}{
		"endless message":      {"Get", endless(jsonType, `{"name":"`, x)},
		"endless white space":  {"Get", endless(jsonType, ``, strings.Repeat(" ", 1000))},
		"endless file":         {"Send", endless("image/x", ``, x)},
		"endless element":      {"Watch", endless(jsonType, `[{"name":"`, x)},
		"endless line":         {"Watch", endless(lines, `{"name":"`, x)},
		"endless event":        {"Watch", endless(events, `data: {"name":"`, x)},
		"endless event fields": {"Watch", endless(events, "data: {}\n", "id: "+x+"\n")},
		"announced":            {"Get", answering(200, jsonType, `"`+strings.Repeat("x", 20_001)+`"`)},
		"message":              {"Put", answering(200, jsonType, `{"name":"`+strings.Repeat("x", 11_000)+`"}`)},
		"file":                 {"Send", answering(200, "image/x", strings.Repeat("x", 10_000))},
		"line":                 {"Watch", answering(200, lines, `{"name":"`+strings.Repeat("x", 20_000)+`"}`)},
		"event":                {"Watch", answering(200, events, `data: {"name":"`+strings.Repeat("x", 20_000)+"\"}\n\n")},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			o := a.options(t, test.method, connect(t, serve(t, test.handler), false))
			o.MaxMessageBytes, o.MaxJSONBytes = 10_000, 20_000
			got := a.target(t, o).do(t, map[string]string{"Get": `name: "books/1"`, "Send": `name: "files/1"`}[test.method])
			require.Equal(t, rpc.UpstreamTooLarge, got.status.Reason, got.status.Message)
			require.Equal(t, codes.ResourceExhausted, got.status.Code)
			require.Empty(t, got.messages)
		})
	}
	t.Run("endless error", func(t *testing.T) {
		got := serving(t, "Get", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			for _, err := io.WriteString(w, x); err == nil; {
				_, err = io.WriteString(w, x)
			}
		}).do(t, `name: "books/1"`)
		require.Equal(t, codes.NotFound, got.status.Code)
	})
	t.Run("as much as there may be", func(t *testing.T) {
		a := newAPI(t)
		name := strings.Repeat("x", 9_990)
		o := a.options(t, "Watch", connect(t, serve(t, answering(200, events, `data: {"name":"`+name+"\"}\n\n")), false))
		o.MaxMessageBytes, o.MaxJSONBytes = 10_000, 10_001
		a.target(t, o).do(t, "").want(t, `{"name":"`+name+`"}`)
	})
	t.Run("files of any size", func(t *testing.T) {
		a := newAPI(t)
		o := a.options(t, "Download", connect(t, serve(t, answering(200, "", strings.Repeat("x", 200))), false))
		o.MaxMessageBytes = 16
		got := a.target(t, o).do(t, "")
		require.Zero(t, got.status.Code, got.status.Message)
		require.GreaterOrEqual(t, len(got.messages), 200/8)
	})
}

// TestEndOfCallEndsTheRequest: cancelled or out of time, before the answer and in it.
func TestEndOfCallEndsTheRequest(t *testing.T) {
	for _, method := range []string{"Get", "Watch"} {
		for _, begun := range []int{0, 200, 500} {
			for _, why := range []string{"cancel", "deadline", "stream"} {
				t.Run(fmt.Sprintf("%s/%d/%s", method, begun, why), func(t *testing.T) {
					arrived, left := make(chan struct{}), make(chan struct{})
					g := serving(t, method, func(w http.ResponseWriter, r *http.Request) {
						defer close(left)
						if begun != 0 {
							w.WriteHeader(begun)
							_ = http.NewResponseController(w).Flush()
						}
						close(arrived)
						<-r.Context().Done()
					})
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					call := g.call(t, `name: "books/1"`)
					want := codes.Canceled
					if why == "deadline" {
						// Long enough for the request to arrive.
						want, call.Deadline = codes.DeadlineExceeded, time.Now().Add(200*time.Millisecond)
					}
					r := g.recorder(t)
					s := g.Start(ctx, call, r)
					if why != "deadline" {
						<-arrived
					}
					switch why {
					case "cancel":
						cancel()
					case "stream":
						s.Cancel()
					}
					<-r.ended
					require.Equal(t, want, r.status.Code, r.status.Message)
					<-left
				})
			}
		}
	}
}

func TestUpstreamThatDoesNotAnswer(t *testing.T) {
	a := newAPI(t)
	address := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	got := a.target(t, a.options(t, "Put", connect(t, address, false))).do(t, "")
	require.Equal(t, codes.Unavailable, got.status.Code)
	require.Contains(t, got.status.Message, `upstream "web"`)
	require.NotContains(t, got.status.Message, address, "addresses are for the operator")
}

// stub is an upstream that answers as the test says; it is none of HTTP at all, as
// functions are none.
type stub struct {
	origin upstream.Origin
	send   func(r *http.Request) (*http.Response, error)
}

func (stub) Close() error              { return nil }
func (s stub) Origin() upstream.Origin { return s.origin }
func (s stub) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	return s.send(r)
}

// TestFailuresOfFunctions: reason, message, header and patience are told.
func TestFailuresOfFunctions(t *testing.T) {
	failure := &upstream.Error{
		Reason: rpc.FunctionThrottled, NotSent: true, RetryAfter: time.Second, Message: "too many",
		Header: http.Header{"X-Amz-Function-Error": {"Unhandled"}}, Err: errors.New("secret"),
	}
	a := newAPI(t)
	for _, early := range []bool{true, false} {
		g := a.target(t, a.options(t, "Watch", stub{send: func(*http.Request) (*http.Response, error) {
			if early {
				return nil, failure
			}
			body := io.MultiReader(strings.NewReader("{\"name\":\"a\"}\n"), failing{failure})
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {lines}}, Body: io.NopCloser(body), ContentLength: -1}, nil
		}}))
		got := g.do(t, "")
		require.Equal(t, rpc.FunctionThrottled, got.status.Reason)
		require.Equal(t, codes.ResourceExhausted, got.status.Code)
		require.Equal(t, "too many", got.status.Message)
		require.Equal(t, time.Second, got.status.RetryAfter)
		require.Equal(t, "Unhandled", got.trailer.Get("x-amz-function-error"))
		require.Equal(t, early, got.status.NotSent, "an answer was begun")
		require.Len(t, got.messages, map[bool]int{false: 1}[early])
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// TestTellsOfTheClient as the upstream wants to know it.
func TestTellsOfTheClient(t *testing.T) {
	a := newAPI(t)
	const list, standard = "X-Forwarded-For", "Forwarded"
	for _, test := range []struct {
		forwarded upstream.Forwarded
		header    rpc.Header
		want      http.Header
	}{
		{upstream.XForwarded, nil, http.Header{}},
		{upstream.StandardForwarded, nil, http.Header{}},
		{upstream.XForwarded, told, http.Header{list: {"192.0.2.1, 192.0.2.2"}, "X-Forwarded-Host": {"own"}, "X-Forwarded-Proto": {"https"}}},
		{upstream.StandardForwarded, told, http.Header{standard: {`for=192.0.2.1;host="own";proto=https, for=192.0.2.2`}}},
		{upstream.XForwarded | upstream.StandardForwarded, told, http.Header{
			list: {"192.0.2.1, 192.0.2.2"}, "X-Forwarded-Host": {"own"}, "X-Forwarded-Proto": {"https"},
			standard: {`for=192.0.2.1;host="own";proto=https, for=192.0.2.2`},
		}},
		{upstream.None, told, http.Header{}},
	} {
		var got http.Header
		g := a.target(t, a.options(t, "Put", stub{upstream.Origin{Forwarded: test.forwarded}, func(r *http.Request) (*http.Response, error) {
			got = r.Header
			return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
		}}))
		call := g.call(t, "")
		// Nobody believes the last one.
		call.Header = append(test.header[:len(test.header):len(test.header)], rpc.HeaderField{Name: "forwarded", Value: "for=6.6.6.6"})
		require.Zero(t, g.doCall(t, t.Context(), call).status.Code)
		delete(got, "Accept")
		delete(got, "Content-Type")
		require.Equal(t, test.want, got)
	}
}

var told = rpc.Header{
	{Name: "x-forwarded-for", Value: "192.0.2.1, 192.0.2.2"}, {Name: "x-forwarded-host", Value: "own"}, {Name: "x-forwarded-proto", Value: "https"},
}

func TestAwareUpstreams(t *testing.T) {
	a := newAPI(t)
	var about *upstream.About
	var path string
	send := func(r *http.Request) (*http.Response, error) {
		about, path = upstream.AboutOf(r.Context()), r.URL.EscapedPath()
		require.NotContains(t, r.Header, "X-Forwarded-For", "the upstream does not want it")
		require.NotContains(t, r.Header, "X-Forwarded-Proto")
		return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
	}
	o := a.options(t, "Get", stub{upstream.Origin{Aware: true, BasePath: "/base", Forwarded: upstream.None}, send})
	o.Route = "books"
	g := a.target(t, o)
	call := g.call(t, `name: "books/a b%" title: "t"`)
	call.Authority = "library.example"
	call.Header = rpc.Header{{Name: "x-forwarded-for", Value: "192.0.2.1, 192.0.2.2"}, {Name: "x-forwarded-proto", Value: "https"}}
	require.Zero(t, g.doCall(t, t.Context(), call).status.Code)
	require.Equal(t, "/base/v1/books/a%20b%25", path)
	require.Regexp(t, "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", about.RequestID)
	require.WithinDuration(t, time.Now(), about.Time, time.Hour)
	about.RequestID, about.Time = "", time.Time{}
	require.Equal(t, &upstream.About{
		Method: "GET", Scheme: "https", Host: "library.example", Path: "/v1/books/a%20b%25", RawQuery: "title=t",
		Client: "192.0.2.2", Route: "books", Resource: "/v1/{name=books/*}", Vars: []upstream.Var{{Name: "name", Text: "books/a b%"}},
	}, about)

	// One that takes a body alone gets everything there.
	var body []byte
	g = a.target(t, a.options(t, "Get", stub{upstream.Origin{Aware: true, Whole: true}, func(r *http.Request) (*http.Response, error) {
		body, _ = io.ReadAll(r.Body)
		return send(r)
	}}))
	require.Zero(t, g.do(t, `name: "books/1" pages: 3`).status.Code)
	require.JSONEq(t, `{"name":"books/1","pages":3}`, string(body))
	require.Empty(t, about.Resource)
	require.Equal(t, "/l.v1.Library/Get", about.Path)
}

// TestMemoryIsNotSharedWithTheTransport: a transport that reads on when the call is over
// gets nothing of the next one.
func TestMemoryIsNotSharedWithTheTransport(t *testing.T) {
	a := newAPI(t)
	var late []io.ReadCloser
	for _, method := range []string{"Put", "Send"} {
		g := a.target(t, a.options(t, method, stub{send: func(r *http.Request) (*http.Response, error) {
			again, err := r.GetBody()
			require.NoError(t, err)
			late = append(late, r.Body, again)
			_, err = r.Body.Read(make([]byte, 3))
			require.NoError(t, err)
			for _, old := range late[:len(late)-2] {
				n, err := old.Read(make([]byte, 100))
				require.Zero(t, n)
				require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
			}
			return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
		}}))
		for range 5 {
			require.Zero(t, g.do(t, map[string]string{"Put": `name: "secret"`, "Send": `name: "files/1" file { data: "secret" }`}[method]).status.Code)
		}
	}
}

// TestEarlyAnswersAtOnce has many calls whose bodies are large and not read by the
// upstream, which answers at once; each has its own answer.
func TestEarlyAnswersAtOnce(t *testing.T) {
	a := newAPI(t)
	for _, http2 := range []bool{false, true} {
		g := a.target(t, a.options(t, "Put", connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			head := make([]byte, 64)
			_, _ = io.ReadFull(r.Body, head)
			w.Header().Set("Content-Type", jsonType)
			name, _, _ := strings.Cut(strings.TrimPrefix(string(head), `{"name":"`), `"`)
			_, _ = fmt.Fprintf(w, `{"name":%q}`, name)
		}), http2)))
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for n := range 10 {
					name := fmt.Sprintf("%d-%d", i, n)
					got := g.do(t, fmt.Sprintf(`name: %q title: %q`, name, strings.Repeat("x", 300_000)))
					if got.status.Code != codes.OK {
						// The connection may have gone while the body was still on its way.
						continue
					}
					if len(got.messages) != 1 || !strings.Contains(got.messages[0], `"`+name+`"`) {
						t.Errorf("%s got %v", name, got.messages)
					}
				}
			})
		}
		all.Wait()
	}
}

func TestNewRefuses(t *testing.T) {
	a := newAPI(t)
	o := a.options(t, "List", stub{})
	o.Bindings[0].ResponseBody = "book"
	_, err := outbound.New(o)
	require.ErrorContains(t, err, `GET /v1/books: response_body: l.v1.Page has no field "book"`)
}

// TestBodiesThatWereRead are at their end, whoever asks when: net/http looks behind the
// last byte, perhaps when the answer has come, and closes the connection of a request that
// it takes for broken.
func TestBodiesThatWereRead(t *testing.T) {
	a := newAPI(t)
	var body io.Reader
	g := a.target(t, a.options(t, "Put", stub{send: func(r *http.Request) (*http.Response, error) {
		body = r.Body
		_, err := io.ReadFull(body, make([]byte, r.ContentLength))
		require.NoError(t, err)
		return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
	}}))
	require.Zero(t, g.do(t, `name: "books/1"`).status.Code)
	n, err := body.Read(make([]byte, 1))
	require.Zero(t, n)
	require.ErrorIs(t, err, io.EOF)
}
