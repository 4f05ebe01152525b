package outbound_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// The rows are those of the table of calls from gRPC to services of HTTP; I01 to I11 are
// about requests, and tested in package plan.

const (
	jsonType = "application/json"
	one      = `{"name":"books/1","title":"t"}`
)

func TestI12ResponseBody(t *testing.T) {
	g := serving(t, "List", answering(200, jsonType, `[{"name":"a"},{"name":"b"}]`))
	g.do(t, "").want(t, `{"books":[{"name":"a"},{"name":"b"}]}`)
}

func TestI13NoBodyIsTheEmptyMessage(t *testing.T) {
	for _, method := range []string{"Get", "List", "Bare"} {
		for _, status := range []int{200, 204, 201} {
			serving(t, method, answering(status, "", "")).do(t, `name: "books/1"`).want(t, `{}`)
		}
	}
	for _, body := range []string{" \n", "\ufeff", "\ufeff\n"} {
		serving(t, "Get", answering(200, "text/html", body)).do(t, `name: "books/1"`).want(t, `{}`)
	}
}

func TestI14UnknownFieldsAreIgnored(t *testing.T) {
	g := serving(t, "Get", answering(200, "application/json; charset=utf-8", `{"name":"books/1","shelf":{"a":[1,{"b":null}]},"title":"t"}`))
	g.do(t, `name: "books/1"`).want(t, one)
}

func TestI15StatusIsRestored(t *testing.T) {
	info := `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"R","domain":"d"}`
	for _, test := range []struct {
		name, contentType, body string
		status                  int
		want                    codes.Code
		message                 string
		details                 int
	}{
		{"Status", jsonType, `{"code":5,"message":"gone","details":[` + info + `]}`, 500, codes.NotFound, "gone", 1},
		{"error", jsonType, `{"error":{"code":9,"message":"m","details":[` + info + `,` + info + `]}}`, 400, codes.FailedPrecondition, "m", 2},
		{"AIP-193", jsonType, `{"error":{"code":400,"message":"m","status":"FAILED_PRECONDITION","details":[` + info + `]}}`, 400, codes.FailedPrecondition, "m", 1},
		{"AIP-193, status first", jsonType, ` {"error": {"status":"ABORTED","message":"m","code":409}}`, 409, codes.Aborted, "m", 0},
		{"AIP-193 without a name", jsonType, `{"error":{"code":403,"message":"m"}}`, 400, codes.PermissionDenied, "m", 0},
		{"AIP-193 in an array", jsonType, `[{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]`, 404, codes.NotFound, "m", 0},
		{"members beside", jsonType, `{"error":"m","code":5,"message":"m"}`, 404, codes.NotFound, "m", 0},
		{"unknown details", jsonType, `{"code":5,"message":"m","details":[{"@type":"x/unknown.T","a":{"details":[]}},` + info + `]}`, 404, codes.NotFound, "m", 1},
		{"details without a type", jsonType, `{"code":5,"message":"m","details":[{},` + info + `,{"a":1}]}`, 404, codes.NotFound, "m", 1},
		{"details that are none", jsonType, `{"code":5,"message":"m","details":{"a":1}}`, 404, codes.NotFound, "m", 0},
		{"problem media type", "application/problem+json; charset=utf-8", `{"code":7,"message":"m"}`, 403, codes.PermissionDenied, "m", 0},
		{"byte order mark", jsonType, "\ufeff" + `{"code":7,"message":"m"}`, 403, codes.PermissionDenied, "m", 0},
		{"no media type", "", `{"code":7,"message":"m"}`, 403, codes.PermissionDenied, "m", 0},
		{"code of HTTP", jsonType, `{"code":429,"message":"m"}`, 400, codes.ResourceExhausted, "m", 0},
		{"last code of HTTP", jsonType, `{"code":599,"message":"m"}`, 400, codes.Internal, "m", 0},
		{"last code of gRPC", jsonType, `{"code":16,"message":"m"}`, 400, codes.Unauthenticated, "m", 0},
	} {
		for _, method := range []string{"Get", "Watch", "Send", "List"} {
			t.Run(test.name+"/"+method, func(t *testing.T) {
				got := serving(t, method, answering(test.status, test.contentType, test.body)).do(t, `name: "`+map[string]string{"Send": "files/1"}[method]+map[string]string{"Get": "books/1"}[method]+`"`)
				require.Equal(t, test.want, got.status.Code, got.status.Message)
				require.Equal(t, test.message, got.status.Message)
				require.Empty(t, got.messages)
				require.Zero(t, got.heads, "an answer of trailers alone")
				if test.details == 0 {
					require.Empty(t, got.status.Details)
					return
				}
				details := got.details(t)
				require.Len(t, details, test.details)
				require.Empty(t, cmp.Diff(&errdetails.ErrorInfo{Reason: "R", Domain: "d"}, details[0], protocmp.Transform()))
			})
		}
	}
}

func TestI16OtherTextIsADetail(t *testing.T) {
	for _, test := range []struct {
		name, contentType, body string
		status                  int
		want                    codes.Code
	}{
		{"text", "text/plain", "no such book", 404, codes.NotFound},
		{"page", "text/html", "<h1>Bad gateway</h1>", 502, codes.Internal},
		{"JSON of its own", jsonType, `{"errors":["x"]}`, 401, codes.Unauthenticated},
		{"JSON with code 0", jsonType, `{"code":0,"message":"fine"}`, 500, codes.Internal},
		{"JSON with the name OK", jsonType, `{"error":{"code":500,"message":"fine","status":"OK"}}`, 500, codes.Internal},
		{"JSON with code 200", jsonType, `{"code":200,"message":"fine"}`, 500, codes.Internal},
		{"JSON with a number of its own", jsonType, `{"code":1042,"message":"no such book"}`, 404, codes.NotFound},
		{"JSON with a number between", jsonType, `{"error":{"code":17,"message":"m"}}`, 409, codes.Aborted},
		{"JSON with the code of a redirection", jsonType, `{"code":399,"message":"m"}`, 403, codes.PermissionDenied},
		{"JSON with a code of its own", jsonType, `{"code":"E_17","message":"m"}`, 403, codes.PermissionDenied},
		{"half a JSON", jsonType, `{"code":5,"mess`, 404, codes.NotFound},
		{"status as text", "text/plain", `{"code":5,"message":"m"}`, 500, codes.Internal},
		{"array", jsonType, `[]`, 404, codes.NotFound},
		{"bytes", "application/x\xff", "\xff\x00", 429, codes.ResourceExhausted},
		{"odd status", "text/plain", "x", 599, codes.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := serving(t, "Get", answering(test.status, test.contentType, test.body)).do(t, `name: "books/1"`)
			require.Equal(t, rpc.CodeFromHTTP(test.status), got.status.Code)
			require.Equal(t, test.want, got.status.Code)
			require.Contains(t, got.status.Message, `upstream "web" answered with status `+strconv.Itoa(test.status))
			body := &httpbody.HttpBody{ContentType: strings.ToValidUTF8(test.contentType, "\uFFFD"), Data: []byte(test.body)}
			require.Empty(t, cmp.Diff([]proto.Message{body}, got.details(t), protocmp.Transform()))
		})
	}

	t.Run("no text", func(t *testing.T) {
		got := serving(t, "Get", answering(503, "", "")).do(t, `name: "books/1"`)
		require.Equal(t, codes.Unavailable, got.status.Code)
		require.Empty(t, got.status.Details)
	})
	t.Run("much text", func(t *testing.T) {
		got := serving(t, "Get", answering(400, "text/plain", strings.Repeat("x", 1<<20))).do(t, `name: "books/1"`)
		require.Equal(t, codes.InvalidArgument, got.status.Code)
		require.Len(t, got.details(t)[0].(*httpbody.HttpBody).Data, 4<<10, "it has to fit a header")
	})
	t.Run("compressed text", func(t *testing.T) {
		got := serving(t, "Get", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(404)
			_, _ = io.WriteString(w, "\x1f\x8b")
		}).do(t, `name: "books/1"`)
		require.Equal(t, codes.NotFound, got.status.Code)
		require.Empty(t, got.status.Details)
	})
	t.Run("retry after", func(t *testing.T) {
		got := serving(t, "Get", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(503)
		}).do(t, `name: "books/1"`)
		require.Equal(t, 7*time.Second, got.status.RetryAfter)
	})
	t.Run("retry after a time that has passed", func(t *testing.T) {
		got := serving(t, "Get", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "Sat, 29 Oct 1994 19:43:31 GMT")
			w.WriteHeader(503)
		}).do(t, `name: "books/1"`)
		require.Zero(t, got.status.RetryAfter, "less is never")
	})
}

func TestI17HTTPBodyIsRaw(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", r.Header.Get("Content-Type")+"; of="+r.URL.Path[1:3])
		_, _ = w.Write(append(body, '!'))
	}
	g := serving(t, "Send", echo)
	g.do(t, `name: "files/1" file { content_type: "image/x" data: "\x00\xff" }`).
		want(t, `{"contentType":"image/x; of=v1","data":"AP8h"}`)
	serving(t, "Fetch", answering(200, "text/csv", "a,b")).do(t, "").want(t, `{"file":{"contentType":"text/csv","data":"YSxi"}}`)
	serving(t, "Fetch", answering(200, "text/csv\xff", "")).do(t, "").want(t, "{\"file\":{\"contentType\":\"text/csv\uFFFD\"}}")
	serving(t, "Fetch", answering(204, "", "")).do(t, "").want(t, `{}`)
	// Several are JSON, as one body is one file.
	serving(t, "Files", answering(200, jsonType, `[{"contentType":"text/csv","data":"YQ=="}]`)).do(t, "").want(t, `{"files":[{"contentType":"text/csv","data":"YQ=="}]}`)
}

func TestI18DeadlineIsAHeader(t *testing.T) {
	seen := make(chan http.Header, 1)
	a := newAPI(t)
	o := a.options(t, "Get", connect(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }), false))
	for _, test := range []struct {
		header   string
		deadline bool
	}{{"X-Server-Timeout", true}, {"x-time-left", true}, {"X-Server-Timeout", false}, {"", true}} {
		o.TimeoutHeader = test.header
		g := a.target(t, o)
		call := g.call(t, `name: "books/1"`)
		if test.deadline {
			call.Deadline = time.Now().Add(time.Hour)
		}
		g.doCall(t, t.Context(), call).want(t, `{}`)
		got := (<-seen).Get(test.header)
		if !test.deadline || test.header == "" {
			require.Empty(t, got)
			continue
		}
		seconds, err := strconv.ParseFloat(got, 64)
		require.NoError(t, err)
		require.Greater(t, seconds, 3000.0)
		require.LessOrEqual(t, seconds, 3600.0)
	}
}

func TestI19RedirectionIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 304, 307, 308} {
		requests := 0
		got := serving(t, "Get", func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.Header().Set("Location", "https://elsewhere.example/x")
			w.WriteHeader(status)
		}).do(t, `name: "books/1"`)
		require.Equal(t, codes.Unknown, got.status.Code)
		require.Contains(t, got.status.Message, strconv.Itoa(status))
		require.Contains(t, got.status.Message, `"https://elsewhere.example/x"`)
		require.Equal(t, 1, requests)
	}
}

func TestMalformedAnswers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"no JSON":       answering(200, jsonType, "<html>"),
		"half a JSON":   answering(200, jsonType, `{"name":"a"`),
		"more":          answering(200, jsonType, `{} {}`),
		"other type":    answering(200, jsonType, `{"pages":"many"}`),
		"an array":      answering(200, jsonType, `[]`),
		"a page":        answering(200, "text/html", `{}`),
		"deeply nested": answering(200, jsonType, `{"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`),
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "GZIP")
			_, _ = io.WriteString(w, `{}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := serving(t, "Get", h).do(t, `name: "books/1"`)
			require.Equal(t, rpc.UpstreamProtocol, got.status.Reason, got.status.Message)
			require.Equal(t, codes.Internal, got.status.Code)
			require.Contains(t, got.status.Message, `upstream "web"`)
			require.Empty(t, got.messages)
		})
	}
}

func TestRequestsThatCannotBeMade(t *testing.T) {
	g := serving(t, "Get", func(http.ResponseWriter, *http.Request) { t.Error("the upstream is not asked") })
	got := g.do(t, `name: "shelves/1"`)
	require.Equal(t, codes.InvalidArgument, got.status.Code, got.status.Message)
	require.Equal(t, codes.InvalidArgument, g.do(t, ``).status.Code)

	call := g.call(t, "")
	call.Request.Release()
	call.Request = nil
	require.Equal(t, codes.InvalidArgument, g.doCall(t, context.Background(), call).status.Code)

	call = g.call(t, `name: "books/1"`)
	call.Method = &rpc.Method{Path: "/l.v1.Library/Put"}
	require.Equal(t, codes.Unimplemented, g.doCall(t, context.Background(), call).status.Code)
}
