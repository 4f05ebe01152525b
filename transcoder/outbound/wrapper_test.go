package outbound_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// TestGRPCGateway reads the streams of the one that has these wrappers, as its library
// writes them.
func TestGRPCGateway(t *testing.T) {
	a := newAPI(t)
	forward := func(end error, texts ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			ctx := runtime.NewServerMetadataContext(r.Context(), runtime.ServerMetadata{})
			runtime.ForwardResponseStream(ctx, runtime.NewServeMux(), &runtime.JSONPb{}, w, r, func() (proto.Message, error) {
				if len(texts) == 0 {
					return nil, end
				}
				m := a.message(t, "l.v1.Book")
				err := prototext.Unmarshal([]byte(texts[0]), m)
				texts = texts[1:]
				return m, err
			})
		}
	}
	serving(t, "Watch", forward(io.EOF, `name: "a"`, ``, `name: "}{,\"" tags: ["x", "y"]`)).do(t, "").
		want(t, `{"name":"a"}`, `{}`, `{"name":"}{,\"","tags":["x","y"]}`)
	serving(t, "Watch", forward(io.EOF)).do(t, "").want(t)

	failure, err := status.New(codes.NotFound, "gone").WithDetails(&errdetails.ErrorInfo{Reason: "R"})
	require.NoError(t, err)
	got := serving(t, "Watch", forward(failure.Err(), `name: "a"`)).do(t, "")
	require.Equal(t, codes.NotFound, got.status.Code, got.status.Message)
	require.Equal(t, "gone", got.status.Message)
	require.Empty(t, cmp.Diff([]proto.Message{&errdetails.ErrorInfo{Reason: "R"}}, got.details(t), protocmp.Transform()))
	got.wantMessages(t, `{"name":"a"}`)
}

// TestWrappers are taken off only where they are nothing else.
func TestWrappers(t *testing.T) {
	const end = `{"error":{"code":5,"message":"gone"}}`
	for _, test := range []struct {
		name, method, body string
		want               []string
		// code is how the call ends.
		code codes.Code
	}{
		{"with white space", "Watch", " { \"result\" : {\"name\":\"a\"} } \r\n", []string{`{"name":"a"}`}, 0},
		{"in an array", "Watch", `[{"result":{"name":"a"}},{"name":"b"}]`, []string{`{"name":"a"}`, `{"name":"b"}`}, 0},
		{"beside another", "Watch", `{"result":{"name":"a"},"name":"b"}`, []string{`{"name":"b"}`}, 0},
		{"behind another", "Watch", `{"name":"b","result":{"name":"a"}}`, []string{`{"name":"b"}`}, 0},
		{"twice", "Watch", `{"result":{"name":"a"},"result":{"name":"b"}}`, []string{`{}`}, 0},
		{"another name", "Watch", `{"results":{"name":"a"}}`, []string{`{}`}, 0},
		{"nothing in it", "Watch", `{"result":{}}`, []string{`{}`}, 0},
		{"in another", "Watch", `{"result":{"result":{"name":"a"}}}`, []string{`{}`}, 0},
		{"another type", "Watch", `{"result":7}`, nil, codes.Internal},
		{"no value", "Watch", `{"result":}`, nil, codes.Internal},
		{"no JSON", "Watch", `{"result":{"name":"a"]}`, nil, codes.Internal},
		{"numbers", "Numbers", "{\"result\":\"1\"}\n2\n" + end, []string{`"1"`, `"2"`}, codes.NotFound},
		{"lists", "Shelves", `{"result":[{"name":"a"},{"name":"b"}]}` + "\n" + end, []string{`{"books":[{"name":"a"},{"name":"b"}]}`}, codes.NotFound},

		{"a field", "Outcomes", `{"result":{"name":"a"}}`, []string{`{"result":{"name":"a"}}`}, 0},
		{"an error beside a field", "Outcomes", `{"result":{"name":"a"}}` + "\n" + end, []string{`{"result":{"name":"a"}}`}, codes.NotFound},
		{"a field error", "Faults", `{"error":"x"}`, []string{`{"error":"x"}`}, 0},
		{"a field error in wrappers", "Faults", `{"result":{"error":"x"}}` + "\n" + end, []string{`{"error":"x"}`}, codes.NotFound},
		{"a field of a field", "Flaws", `{"error":"x"}`, []string{`{"flawed":{"error":"x"}}`}, 0},
		{"a wrapper of a field", "Flaws", `{"result":{"error":"x"}}`, []string{`{"flawed":{"error":"x"}}`}, 0},
		{"any object", "Structs", `{"result":{"a":1}}` + "\n" + `{"error":{"code":5}}`, []string{`{"result":{"a":1}}`, `{"error":{"code":5}}`}, 0},
		{"any value", "Values", `{"result":1}` + "\n" + `{"error":{"code":5}}`, []string{`{"result":1}`, `{"error":{"code":5}}`}, 0},
		{"a map", "Catalogs", `{"result":{"name":"a"}}` + "\n" + `{"error":{"name":"b"}}`, []string{`{"byName":{"result":{"name":"a"}}}`, `{"byName":{"error":{"name":"b"}}}`}, 0},

		{"no error", "Watch", "{\"error\":null}\n{\"error\":false}\n{\"error\":\"\"}", []string{`{}`, `{}`, `{}`}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := serving(t, test.method, answering(200, lines, test.body)).do(t, "")
			require.Equal(t, test.code, got.status.Code, got.status.Message)
			got.wantMessages(t, test.want...)
		})
	}
	t.Run("of one message", func(t *testing.T) {
		serving(t, "Get", answering(200, jsonType, `{"result":{"name":"a"}}`)).do(t, `name: "books/1"`).want(t, `{}`)
	})
}

func TestI14UnknownFieldsAreCounted(t *testing.T) {
	body := `{"name":"a","x":{"y":1},"tags":["t"],"z":null}`
	for method, want := range map[string]int{"Get": 2, "Watch": 4, "Send": 0} {
		answer := body
		if method == "Watch" {
			answer += "\n" + `{"result":` + body + `}`
		}
		got := serving(t, method, answering(200, jsonType, answer)).do(t, map[string]string{"Get": `name: "books/1"`, "Send": `name: "files/1"`}[method])
		require.Zero(t, got.status.Code, got.status.Message)
		require.Equal(t, want, got.status.UnknownFields, method)
	}
	// Each call counts for itself, and so do streams that fail.
	requests := 0
	g := serving(t, "Watch", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", lines)
		if requests++; requests == 1 {
			_, _ = io.WriteString(w, body+"\n"+body+"\nx")
		}
	})
	got := g.do(t, "")
	require.Equal(t, codes.Internal, got.status.Code)
	require.Equal(t, 4, got.status.UnknownFields)
	require.Zero(t, g.doCall(t, context.Background(), g.call(t, "")).status.UnknownFields)
}
