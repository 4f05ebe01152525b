package rest_test

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// E10: the table of google.rpc.Code, for statuses of the upstream.
func TestStatusTable(t *testing.T) {
	g := newGateway(t, func(request []byte, _ grpc.ServerStream) error {
		code, err := strconv.Atoi(string(request[2:])) // the tag and the length of name
		if err != nil {
			return err
		}
		return status.Error(codes.Code(code), "as wished")
	})
	want := []int{0: 200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}
	for code, http := range want {
		if code == 0 {
			continue // the other tests have it
		}
		t.Run("E10 "+codes.Code(code).String(), func(t *testing.T) {
			a := g.do(t, "GET /v1/things/"+strconv.Itoa(code), "")
			require.Equal(t, http, a.StatusCode)
			require.Equal(t, code, a.status(t).Code)
			require.Equal(t, "as wished", a.status(t).Message)
			require.Empty(t, a.Header.Get(rpc.ErrorHeader), "it is the upstream's error")
			x := <-g.exchanges
			require.Equal(t, code, x.Code)
			require.Empty(t, x.Reason)
		})
	}
	t.Run("E07", func(t *testing.T) {
		a := g.do(t, "GET /v1/things/1024", "")
		require.Equal(t, 500, a.StatusCode)
		require.Equal(t, 2, a.status(t).Code)
	})
}

func TestUpstreamStatus(t *testing.T) {
	api := newAPI(t)
	sub := &anypb.Any{TypeUrl: "type.googleapis.com/t.v1.Sub", Value: api.wire(t, "Sub", `name: "x"`)}
	stranger := &anypb.Any{TypeUrl: "type.googleapis.com/other.v1.Stranger", Value: []byte("\x0a\x01x")}
	for _, c := range []struct {
		name   string
		answer backend
		want   string
		status int
	}{
		{"E01", func([]byte, grpc.ServerStream) error { return status.Error(codes.NotFound, "no such thing") },
			`{"code":5,"message":"no such thing","details":[]}`, 404},
		{"E03", func([]byte, grpc.ServerStream) error {
			return status.ErrorProto(&spb.Status{Code: 3, Message: "m", Details: []*anypb.Any{sub}})
		}, `{"code":3,"message":"m","details":[{"@type":"type.googleapis.com/t.v1.Sub","name":"x"}]}`, 400},
		{"E04", func([]byte, grpc.ServerStream) error {
			return status.ErrorProto(&spb.Status{Code: 3, Message: "m", Details: []*anypb.Any{stranger}})
		}, `{"code":3,"message":"m","details":[{"@type":"type.googleapis.com/other.v1.Stranger","value":"CgF4"}]}`, 400},
		{"E05", func([]byte, grpc.ServerStream) error { return status.Error(codes.Aborted, "é 100%\n") },
			`{"code":10,"message":"é 100%\n","details":[]}`, 409},
		{"E08", func(_ []byte, stream grpc.ServerStream) error {
			if err := stream.SendHeader(metadata.Pairs("x-head", "1")); err != nil {
				return err
			}
			return status.Error(codes.NotFound, "m")
		}, `{"code":5,"message":"m","details":[]}`, 404},
		{"E09", func(request []byte, stream grpc.ServerStream) error {
			if err := echo(request, stream); err != nil {
				return err
			}
			return status.Error(codes.DataLoss, "m")
		}, `{"code":15,"message":"m","details":[]}`, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, (func([]byte, grpc.ServerStream) error)(c.answer))
			a := g.do(t, "GET /v1/things/n", "")
			require.Equal(t, c.want, a.body)
			require.Equal(t, c.status, a.StatusCode)
			require.Equal(t, "application/json", a.Header.Get("Content-Type"))
			for name := range a.Header {
				require.False(t, strings.HasPrefix(name, "Grpc-"), name)
			}
			if c.name == "E08" {
				require.Equal(t, "1", a.Header.Get("X-Head"))
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	g := newGateway(t)
	for _, c := range []struct {
		name, line, body string
		reason           rpc.Reason
		status, code     int
		message, field   string
	}{
		{"A08", "GET /v1/things/%FF", "", rpc.InvalidPath, 400, 3, `path variable "name"`, "name"},
		{"A20", "PUT /v1/things/search", "", rpc.MethodNotAllowed, 405, 12, "", ""},
		{"A65", "GET /v1/int/abc", "", rpc.InvalidPath, 400, 3, `path variable "i32"`, "i32"},
		{"B01", "GET /v1/things/n?snake_nam=1", "", rpc.InvalidQuery, 400, 3, `did you mean "snakeName"?`, "snake_nam"},
		{"C06", "POST /v1/star/p", " ", rpc.InvalidBody, 400, 3, "line 1", ""},
		{"C10", "POST /v1/star/p", "null", rpc.InvalidBody, 400, 3, "line 1, column 1, byte 0", ""},
		{"E13", "POST /v1/star/p", `{"sub":{"tags":["a",1]}}`, rpc.InvalidBody, 400, 3, "sub.tags[1]", "sub.tags[1]"},
		{"E14", "POST /v1/star/p", "{\n  \"i32\": x}", rpc.InvalidBody, 400, 3, "line 2, column 10, byte 11", ""},
		{"required", "POST /v1/old", "{}", rpc.MissingRequired, 400, 3, "id", "id"},
		{"A24", "GET /v1/things", "", rpc.NoRoute, 404, 5, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := g.do(t, c.line, c.body)
			require.Equal(t, c.status, a.StatusCode, a.body)
			require.Equal(t, string(c.reason), a.Header.Get(rpc.ErrorHeader))
			require.Equal(t, "application/json", a.Header.Get("Content-Type"))
			st := a.status(t)
			require.Equal(t, c.code, st.Code)
			require.Contains(t, st.Message, c.message)
			require.Equal(t, map[string]any{
				"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": string(c.reason), "domain": "dragoman",
			}, st.Details[0])
			if c.field == "" {
				require.Len(t, st.Details, 1)
			} else {
				require.Len(t, st.Details, 2)
				require.Equal(t, "type.googleapis.com/google.rpc.BadRequest", st.Details[1]["@type"])
				violation := st.Details[1]["fieldViolations"].([]any)[0].(map[string]any)
				require.Equal(t, c.field, violation["field"])
				require.NotEmpty(t, violation["description"])
			}
			if c.status == 405 {
				require.Equal(t, "GET, HEAD, OPTIONS, POST", a.Header.Get("Allow"))
			}
			x := <-g.exchanges
			require.Equal(t, string(c.reason), x.Reason)
			require.Equal(t, c.code, x.Code)
		})
	}
}

// What the upstream sends may be broken: nothing of it is half-sent.
func TestBadUpstreamMessages(t *testing.T) {
	api := newAPI(t)
	for _, c := range []struct {
		name    string
		wire    []byte
		reason  rpc.Reason
		code    codes.Code
		message string
	}{
		{"D11", []byte("\x0a\x05ab"), rpc.UpstreamProtocol, codes.Internal, "t.v1.Req"},
		{"D22", []byte("\x52\x03\x0a\x01\xff"), rpc.UpstreamProtocol, codes.Internal, "sub.name"},
		{"D23", api.wire(t, "Req", `name: "n" ts {seconds: 999999999999}`), rpc.UpstreamProtocol, codes.Internal, "ts: "},
		{"D24", api.wire(t, "Req", `name: "`+strings.Repeat("x", 3000)+`"`), rpc.UpstreamTooLarge, codes.ResourceExhausted, "t.v1.Req"},
		{"D24 message", api.wire(t, "Req", `name: "`+strings.Repeat("x", 5000)+`"`), rpc.UpstreamTooLarge, codes.ResourceExhausted, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, func(_ []byte, stream grpc.ServerStream) error { return send(stream, c.wire) },
				func(s *transcoder.Settings) { s.MaxJSONBytes, s.MaxMessageBytes = 2000, 4000 })
			for _, line := range []string{"GET /v1/things/n", "GET /v1/stream/n"} {
				a := g.do(t, line, "")
				require.Equal(t, http.StatusBadGateway, a.StatusCode, a.body)
				require.Equal(t, string(c.reason), a.Header.Get(rpc.ErrorHeader))
				require.Equal(t, int(c.code), a.status(t).Code)
				require.Contains(t, a.status(t).Message, c.message)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	settings := transcoder.DefaultSettings()
	g := newGatewayTo(t, l.Addr().String(), &settings, false)
	t.Run("E15", func(t *testing.T) {
		for _, line := range []string{"GET /v1/things/n", "GET /v1/stream/n"} {
			a := g.do(t, line, "")
			require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
			require.Equal(t, int(codes.Unavailable), a.status(t).Code)
			require.Equal(t, string(rpc.UpstreamUnreachable), a.Header.Get(rpc.ErrorHeader))
			x := <-g.exchanges
			require.Equal(t, string(rpc.UpstreamUnreachable), x.Reason)
			require.Error(t, x.Error)
		}
	})
}
