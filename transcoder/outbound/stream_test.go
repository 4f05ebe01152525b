package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
)

const (
	lines  = "application/x-ndjson"
	events = "text/event-stream"
)

func TestStreams(t *testing.T) {
	a, b := `{"name":"a"}`, `{"name":"b"}`
	for _, test := range []struct{ name, contentType, body string }{
		{"array", jsonType, ` [ {"name":"a"} , {"name":"b"} ] `},
		{"NDJSON", lines, "{\"name\":\"a\"}\n\n{\"name\":\"b\"}\n"},
		{"NDJSON without the last line feed", "application/jsonl", "{\"name\":\"a\"}\r\n{\"name\":\"b\"}"},
		{"NDJSON as JSON", jsonType, "{\"name\":\"a\"}\n{\"name\":\"b\"}\n"},
		{"NDJSON as nothing", "", "{\"name\":\"a\"}\n{\"name\":\"b\"}\n"},
		{"a mark before an array", jsonType, "\ufeff[{\"name\":\"a\"},{\"name\":\"b\"}]"},
		{"a mark before lines", lines, "\ufeff{\"name\":\"a\"}\n{\"name\":\"b\"}"},
		{"much white space", jsonType, strings.Repeat("\r\n\t ", 30_000) + "[" + strings.Repeat(" ", 100_000) + `{"name":"a"},{"name":"b"}` + strings.Repeat(" ", 100_000) + "]"},
		{"events", events, "data: {\"name\":\"a\"}\n\ndata: {\"name\":\"b\"}\n\n"},
		{"events with all there is", "Text/Event-Stream; charset=utf-8", "\ufeff: hello\n\nid: 1\revent: added\rdata: {\"name\":\rdata: \"a\"}\r\rretry: 5\r\n\r\ndata\n\ndata:{\"name\":\"b\"}\r\n\r\n"},
		{"events without the last end", events, "data: {\"name\":\"a\"}\n\ndata: {\"name\":\"b\"}"},
		{"unknown fields", lines, "{\"name\":\"a\",\"x\":[1]}\n{\"y\":{},\"name\":\"b\"}"},
		{"errors that are none", lines, "{\"error\":null,\"name\":\"a\"}\n{\"error\":{\"code\":5},\"name\":\"b\"}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			serving(t, "Watch", answering(200, test.contentType, test.body)).do(t, "").want(t, a, b)
		})
	}
	for name, h := range map[string]http.HandlerFunc{
		"204": answering(204, "", ""), "empty": answering(200, lines, ""), "empty array": answering(200, jsonType, "[]"),
		"comments": answering(200, events, ": 1\n\n: 2\n\n"),
	} {
		t.Run(name, func(t *testing.T) { serving(t, "Watch", h).do(t, "").want(t) })
	}
	t.Run("numbers", func(t *testing.T) {
		serving(t, "Numbers", answering(200, jsonType, `[1,"2", 3]`)).do(t, "").want(t, `"1"`, `"2"`, `"3"`)
	})
	t.Run("messages with a field error", func(t *testing.T) {
		serving(t, "Faults", answering(200, lines, `{"error":"x","name":"n"}`)).do(t, "").want(t, `{"error":"x","name":"n"}`)
	})
	t.Run("files", func(t *testing.T) {
		serving(t, "Download", answering(200, "image/x", "\x00\xff")).do(t, "").want(t, `{"contentType":"image/x","data":"AP8="}`)
		serving(t, "Download", answering(200, "image/x", "")).do(t, "").want(t, `{"contentType":"image/x"}`)
		serving(t, "Download", answering(204, "", "")).do(t, "").want(t)
	})
}

// TestStreamsThatFail: what came before arrives, and the end is never OK.
func TestStreamsThatFail(t *testing.T) {
	first := `{"name":"a"}`
	const status = `{"code":5,"message":"gone","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"R"}]}`
	for _, test := range []struct {
		name, contentType, body string
		want                    codes.Code
		message                 string
		reason                  rpc.Reason
	}{
		{"error element in an array", jsonType, `[` + first + `,{"error":` + status + `}]`, codes.NotFound, "gone", ""},
		{"error element in lines", lines, first + "\n" + `{ "error" : ` + status + "}\n" + first, codes.NotFound, "gone", ""},
		{"error element in events", events, "data: " + first + "\n\ndata: {\"error\":" + status + "}\n\n", codes.NotFound, "gone", ""},
		{"error event", events, "data: " + first + "\n\nevent: error\ndata: {\"error\":" + status + "}\n\n", codes.NotFound, "gone", ""},
		{"error event with a status", events, "data: " + first + "\n\ndata: " + status + "\nevent:error\n\n", codes.NotFound, "gone", ""},
		{"error event with text", events, "data: " + first + "\n\nevent: error\ndata: too bad\n\n", codes.Unknown, "too bad", ""},
		{"error element of its own", lines, first + "\n{\"error\":\"too bad\"}", codes.Unknown, `{"error":"too bad"}`, ""},
		{"error with code 0", lines, first + "\n{\"error\":{\"code\":0}}", codes.Unknown, `"code":0`, ""},
		{"array without its end", jsonType, `[` + first, codes.Internal, `upstream "web"`, rpc.UpstreamProtocol},
		{"array with more behind", jsonType, `[` + first + `] x`, codes.Internal, `upstream "web"`, rpc.UpstreamProtocol},
		{"array cut in an element", jsonType, `[` + first + `,{"name":`, codes.Internal, `upstream "web"`, rpc.UpstreamProtocol},
		{"line that is none", lines, first + "\n{\"name\"", codes.Internal, `upstream "web"`, rpc.UpstreamProtocol},
		{"event that is none", events, "data: " + first + "\n\ndata: {\n\n", codes.Internal, `upstream "web"`, rpc.UpstreamProtocol},
		{"element of another type", jsonType, `[` + first + `,7]`, codes.Internal, `upstream "web"`, rpc.UpstreamProtocol},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := serving(t, "Watch", answering(200, test.contentType, test.body)).do(t, "")
			require.Equal(t, test.want, got.status.Code, got.status.Message)
			require.Contains(t, got.status.Message, test.message)
			require.Equal(t, test.reason, got.status.Reason)
			got.wantMessages(t, first)
			if test.message == "gone" {
				require.Len(t, got.details(t), 1)
			}
		})
	}
	t.Run("page", func(t *testing.T) {
		got := serving(t, "Watch", answering(200, "text/html", first)).do(t, "")
		require.Equal(t, rpc.UpstreamProtocol, got.status.Reason)
	})
}

// TestCutAnswers: an answer whose connection breaks has failed, however whole it looks.
func TestCutAnswers(t *testing.T) {
	for _, test := range []struct{ method, contentType, body string }{
		{"Get", jsonType, `{"name":"a"}`},
		{"Send", "image/x", "bytes"},
		{"Watch", jsonType, `[{"name":"a"}]`},
		{"Watch", jsonType, `[{"name":"a"}`},
		{"Watch", lines, "{\"name\":\"a\"}\n"},
		{"Watch", events, "data: {\"name\":\"a\"}\n\n"},
		{"Download", "image/x", "bytes"},
	} {
		for _, http2 := range []bool{false, true} {
			for _, lie := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/%v/%v", test.method, test.contentType, http2, lie), func(t *testing.T) {
					a := newAPI(t)
					g := a.target(t, a.options(t, test.method, connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						w.Header().Set("Content-Type", test.contentType)
						if lie {
							w.Header().Set("Content-Length", "1000")
						}
						_, _ = io.WriteString(w, test.body)
						_ = http.NewResponseController(w).Flush()
						panic(http.ErrAbortHandler)
					}), http2)))
					got := g.do(t, map[string]string{"Get": `name: "books/1"`, "Send": `name: "files/1"`}[test.method])
					require.Equal(t, codes.Unavailable, got.status.Code, got.status.Message)
					require.Equal(t, rpc.UpstreamUnreachable, got.status.Reason)
					require.False(t, got.status.NotSent)
					require.Error(t, got.status.Cause)
					require.Empty(t, got.trailer)
				})
			}
		}
	}
}

// TestMessagesArriveAsTheyAreSent: each is there while the upstream holds the rest.
func TestMessagesArriveAsTheyAreSent(t *testing.T) {
	for _, test := range []struct {
		method, contentType string
		pieces, want        []string
	}{
		{"Watch", jsonType, []string{`[{"name":"a"}`, `,{"name":"b"}`, `]`}, []string{`{"name":"a"}`, `{"name":"b"}`, ""}},
		{"Watch", lines, []string{"{\"name\":\"a\"}\n", "{\"name\":", "\"b\"}\n"}, []string{`{"name":"a"}`, "", `{"name":"b"}`}},
		{"Watch", events, []string{"data: {\"name\":\"a\"}\n\n", "data: {\"name\":\"b\"}\n\n"}, []string{`{"name":"a"}`, `{"name":"b"}`}},
		{"Download", "text/plain", []string{"a", "b"}, []string{`{"contentType":"text/plain","data":"YQ=="}`, `{"data":"Yg=="}`}},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%s/%v", test.method, test.contentType, http2), func(t *testing.T) {
				pieces := make(chan string)
				a := newAPI(t)
				g := a.target(t, a.options(t, test.method, connect(t, serve(t, drip(test.contentType, pieces)), http2)))
				r := g.recorder(t)
				r.got = make(chan string)
				g.Start(t.Context(), g.call(t, ""), r)
				for i, piece := range test.pieces {
					pieces <- piece
					if test.want[i] != "" {
						require.JSONEq(t, test.want[i], <-r.got)
					}
				}
				close(pieces)
				<-r.ended
				require.Zero(t, r.status.Code, r.status.Message)
			})
		}
	}
}

func TestSinkThatRefuses(t *testing.T) {
	left := make(chan struct{})
	g := serving(t, "Watch", func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		w.Header().Set("Content-Type", lines)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("{\"name\":\"a\"}\n", 1000)); err != nil {
				return
			}
		}
	})
	r := g.recorder(t)
	r.refuse = errors.New("enough")
	g.Upstream.(rpc.Doer).Do(t.Context(), g.call(t, ""), r)
	<-r.ended
	require.Equal(t, codes.Canceled, r.status.Code)
	require.ErrorIs(t, r.status.Cause, r.refuse)
	<-left
}

// TestSinkPushesBack: while a message is not taken the upstream cannot send on for ever.
func TestSinkPushesBack(t *testing.T) {
	left := make(chan struct{})
	g := serving(t, "Watch", func(w http.ResponseWriter, _ *http.Request) {
		defer close(left)
		w.Header().Set("Content-Type", lines)
		line := `{"title":"` + strings.Repeat("x", 1<<20) + "\"}\n"
		for range 1000 {
			if _, err := io.WriteString(w, line); err != nil {
				return
			}
		}
		t.Error("the upstream has sent a gigabyte to nobody")
	})
	ctx, cancel := context.WithCancel(t.Context())
	r := g.recorder(t)
	r.got = make(chan string)
	g.Start(ctx, g.call(t, ""), r)
	<-r.got
	cancel()
	go func() {
		for range r.got { // what is on its way
		}
	}()
	<-r.ended
	close(r.got)
	require.Equal(t, codes.Canceled, r.status.Code)
	<-left
}
