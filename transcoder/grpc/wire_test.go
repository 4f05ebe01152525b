package grpc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// service is a test service made of functions.
type service struct {
	testpb.UnimplementedTestServiceServer
	unary  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	server func(*testpb.StreamingOutputCallRequest, testpb.TestService_StreamingOutputCallServer) error
	duplex func(testpb.TestService_FullDuplexCallServer) error
}

func (s *service) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return s.unary(ctx, r)
}

func (s *service) StreamingOutputCall(r *testpb.StreamingOutputCallRequest, stream testpb.TestService_StreamingOutputCallServer) error {
	return s.server(r, stream)
}

// StreamingInputCall reads to the end: what is wrong with a request shows before
// the call has ended.
func (s *service) StreamingInputCall(stream testpb.TestService_StreamingInputCallServer) error {
	for {
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
}

func (s *service) FullDuplexCall(stream testpb.TestService_FullDuplexCallServer) error {
	return s.duplex(stream)
}

const (
	unaryPath  = "/grpc.testing.TestService/UnaryCall"
	serverPath = "/grpc.testing.TestService/StreamingOutputCall"
	clientPath = "/grpc.testing.TestService/StreamingInputCall"
	emptyPath  = "/grpc.testing.TestService/EmptyCall"
)

// frame frames a message.
func frame(flags byte, message []byte) []byte {
	b := append([]byte{flags, 0, 0, 0, 0}, message...)
	binary.BigEndian.PutUint32(b[1:], uint32(len(message)))
	return b
}

func zip(message []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(message)
	_ = z.Close()
	return b.Bytes()
}

// post sends a body over HTTP/2 without TLS, as it stands.
func post(t testing.TB, target, path string, body io.Reader, headers ...string) (*http.Response, []byte) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+target+path, body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/grpc")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, data
}

// field is a header, or the trailer.
func field(res *http.Response, name string) string {
	if v := res.Header.Get(name); v != "" {
		return v
	}
	return res.Trailer.Get(name)
}

// TestBadFrames is rows C1 to C7 of the attack list, and what is right beside them.
func TestBadFrames(t *testing.T) {
	var calls int
	m := newMux(t, newUpstream(t, serveGRPC(t, &service{unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		calls++
		return &testpb.SimpleResponse{Payload: r.Payload}, nil
	}, server: func(*testpb.StreamingOutputCallRequest, testpb.TestService_StreamingOutputCallServer) error {
		calls++
		return nil
	}})), func() transcoder.Settings {
		s := transcoder.DefaultSettings()
		s.MaxRequestBytes = 1000
		return s
	}())
	target := serve(t, m)
	message, err := proto.Marshal(&testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 900)}})
	require.NoError(t, err)

	for _, test := range []struct {
		name    string
		path    string
		body    []byte
		headers []string
		code    codes.Code
		reason  rpc.Reason
		message string
	}{
		{name: "one message", body: frame(0, message)},
		{name: "C1 length over the limit", body: []byte{0, 255, 255, 255, 255}, code: codes.ResourceExhausted, reason: rpc.RequestTooLarge,
			message: "the message has 4294967295 bytes, and the limit is 1000"},
		{name: "one byte over the limit", body: frame(0, make([]byte, 1001)), code: codes.ResourceExhausted, reason: rpc.RequestTooLarge,
			message: "the message has 1001 bytes, and the limit is 1000"},
		{name: "C2 half a prefix", body: []byte{0, 0, 0}, code: codes.InvalidArgument, reason: rpc.InvalidRequest,
			message: "message frame: the request ends inside of a message"},
		{name: "C2 half a message", body: frame(0, message)[:100], code: codes.InvalidArgument, reason: rpc.InvalidRequest,
			message: "message frame: the request ends inside of a message"},
		{name: "C3 compressed without encoding", body: frame(1, zip(message)), code: codes.InvalidArgument, reason: rpc.InvalidRequest,
			message: "message frame: the message is flagged as compressed, but there is no grpc-encoding"},
		{name: "identity", body: frame(0, message), headers: []string{"grpc-encoding", "identity"}},
		{name: "gzip", body: frame(1, zip(message)), headers: []string{"grpc-encoding", "gzip"}},
		{name: "not compressed with gzip", body: frame(0, message), headers: []string{"grpc-encoding", "gzip"}},
		{name: "not gzip", body: frame(1, message), headers: []string{"grpc-encoding", "gzip"}, code: codes.InvalidArgument, reason: rpc.InvalidRequest,
			message: "the message is not gzip: gzip: invalid header"},
		{name: "gzip cut short", body: frame(1, zip(message)[:30]), headers: []string{"grpc-encoding", "gzip"}, code: codes.InvalidArgument, reason: rpc.InvalidRequest,
			message: "the message cannot be decompressed: unexpected EOF"},
		{name: "gzip bomb", body: frame(1, zip(make([]byte, 500_000))), headers: []string{"grpc-encoding", "gzip"}, code: codes.ResourceExhausted, reason: rpc.RequestTooLarge,
			message: "the message is larger than the limit of 1000 bytes after decompression"},
		{name: "C4 unknown encoding", body: frame(1, message), headers: []string{"grpc-encoding", "snappy"}, code: codes.Unimplemented, reason: rpc.UnsupportedEncoding,
			message: `grpc-encoding "snappy" is not known: use gzip or identity`},
		{name: "C5 other flags", body: frame(2, message), code: codes.InvalidArgument, reason: rpc.InvalidRequest,
			message: "message frame: the flags are 0x02, and only 00 and 01 are known"},
		{name: "C6 no message", code: codes.Unimplemented, reason: rpc.MethodUnimplemented,
			message: "the method takes one request message, and none came"},
		{name: "C6 two messages", body: append(frame(0, message), frame(0, nil)...), code: codes.Unimplemented, reason: rpc.MethodUnimplemented,
			message: "the method takes one request message, and more came"},
		{name: "C6 two messages to a server stream", path: serverPath, body: append(frame(0, nil), frame(0, nil)...), code: codes.Unimplemented, reason: rpc.MethodUnimplemented,
			message: "the method takes one request message, and more came"},
		{name: "C7 malformed timeout", body: frame(0, message), headers: []string{"grpc-timeout", "123456789S"}, code: codes.InvalidArgument, reason: rpc.InvalidRequest,
			message: `header "grpc-timeout": want one value of 1 to 8 digits and one of the units H M S m u n`},
		{name: "C7 0n", body: frame(0, message), headers: []string{"grpc-timeout", "0n"}, code: codes.DeadlineExceeded, reason: rpc.DeadlineExceeded},
		{name: "C13 bad base64", body: frame(0, message), headers: []string{"x-bin", "%"}, code: codes.InvalidArgument, reason: rpc.InvalidRequest,
			message: `header "x-bin": the value is not base64`},
		{name: "bad frame in a client stream", path: clientPath, body: append(frame(0, nil), frame(3, nil)...), code: codes.InvalidArgument, reason: rpc.InvalidRequest,
			message: "message frame: the flags are 0x03, and only 00 and 01 are known"},
		{name: "no route", path: "/x.Y/Z", code: codes.Unimplemented, reason: rpc.NoRoute, message: `no route for "/x.Y/Z"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := test.path
			if path == "" {
				path = unaryPath
			}
			before := calls
			res, body := post(t, target, path, bytes.NewReader(test.body), test.headers...)
			require.Equal(t, http.StatusOK, res.StatusCode)
			require.Equal(t, "application/grpc", res.Header.Get("Content-Type"))
			require.Equal(t, []string{itoa(test.code)}, append(res.Header["Grpc-Status"], res.Trailer["Grpc-Status"]...), "%v %v", res.Header, res.Trailer)
			require.EqualValues(t, test.reason, field(res, "X-Dragoman-Error"))
			if test.reason == "" {
				require.Equal(t, before+1, calls)
				require.NotEmpty(t, body)
				return
			}
			require.Equal(t, before, calls, "the service must not see it")
			require.Empty(t, body)
			if test.message != "" {
				require.Equal(t, test.message, field(res, "Grpc-Message"))
			}
			require.NotEmpty(t, field(res, "Grpc-Status-Details-Bin"))
			if test.reason == rpc.UnsupportedEncoding {
				require.Equal(t, "gzip,identity", field(res, "Grpc-Accept-Encoding"))
			}
		})
	}
}

func itoa(c codes.Code) string {
	if c > 9 {
		return "1" + string(rune('0'+c-10))
	}
	return string(rune('0' + c))
}

// TestC1Memory: a length is a promise and costs nothing until it is kept.
func TestC1Memory(t *testing.T) {
	m := newMux(t, newUpstream(t, serveGRPC(t, &service{})), transcoder.DefaultSettings())
	target := serve(t, m)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 50 { // each promises 4 MiB and sends one byte
		res, _ := post(t, target, unaryPath, bytes.NewReader([]byte{0, 0, 64, 0, 0, 'x'}))
		require.Equal(t, "3", field(res, "Grpc-Status"))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20<<20))
}

// TestResponseGzip: the answer is compressed for who compresses and takes it.
func TestResponseGzip(t *testing.T) {
	text := bytes.Repeat([]byte("dragoman "), 100)
	m := newMux(t, newUpstream(t, serveGRPC(t, &service{unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{Payload: r.Payload}, nil
	}})), transcoder.DefaultSettings())
	target := serve(t, m)
	message, err := proto.Marshal(&testpb.SimpleRequest{Payload: &testpb.Payload{Body: text}})
	require.NoError(t, err)
	small, err := proto.Marshal(&testpb.SimpleRequest{Payload: &testpb.Payload{Body: text[:9]}})
	require.NoError(t, err)
	for _, test := range []struct {
		name         string
		body         []byte
		headers      []string
		encoding     string
		flag         byte
		uncompressed int
	}{
		{"both", frame(1, zip(message)), []string{"grpc-encoding", "gzip", "grpc-accept-encoding", "identity, gzip"}, "gzip", 1, len(message)},
		{"small", frame(1, zip(small)), []string{"grpc-encoding", "gzip", "grpc-accept-encoding", "gzip"}, "gzip", 0, len(small)},
		{"not accepted", frame(1, zip(message)), []string{"grpc-encoding", "gzip", "grpc-accept-encoding", "snappy"}, "", 0, len(message)},
		{"only accepted", frame(0, message), []string{"grpc-accept-encoding", "gzip"}, "", 0, len(message)},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, body := post(t, target, unaryPath, bytes.NewReader(test.body), test.headers...)
			require.Equal(t, "0", field(res, "Grpc-Status"), field(res, "Grpc-Message"))
			require.Equal(t, test.encoding, res.Header.Get("Grpc-Encoding"))
			require.Equal(t, test.flag, body[0])
			require.EqualValues(t, len(body)-5, binary.BigEndian.Uint32(body[1:]))
			payload := body[5:]
			if test.flag == 1 {
				require.Less(t, len(payload), test.uncompressed)
				z, err := gzip.NewReader(bytes.NewReader(payload))
				require.NoError(t, err)
				payload, err = io.ReadAll(z)
				require.NoError(t, err)
			}
			got := &testpb.SimpleResponse{}
			require.NoError(t, proto.Unmarshal(payload, got))
			require.Equal(t, test.uncompressed, proto.Size(got))
		})
	}
}

// TestHTTP1: trailers would not arrive, so the answer is plain.
func TestHTTP1(t *testing.T) {
	m := newMux(t, newUpstream(t, serveGRPC(t, &service{})), transcoder.DefaultSettings())
	target := serve(t, m)
	for _, path := range []string{unaryPath, "/no/route"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+target+path, bytes.NewReader(frame(0, nil)))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/grpc")
		transport := &http.Transport{}
		res, err := transport.RoundTrip(r)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		transport.CloseIdleConnections()
		require.Equal(t, http.StatusBadRequest, res.StatusCode)
		require.Equal(t, "gRPC needs HTTP/2, and this request came over HTTP/1.1\n", string(body))
		require.Equal(t, "INVALID_REQUEST", res.Header.Get("X-Dragoman-Error"))
	}
}

// TestBlocks looks at the frames themselves: a trailers-only answer is one block of
// headers that ends the stream, and one with headers first stays two.
func TestBlocks(t *testing.T) {
	target := serve(t, newMux(t, newUpstream(t, serveGRPC(t, &service{unary: func(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		switch r.ResponseSize {
		case 1:
			return nil, status.Error(codes.NotFound, "100 % näive")
		case 2:
			return &testpb.SimpleResponse{}, nil
		}
		return nil, sendHeader(ctx)
	}, server: func(r *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
		s.SetTrailer(metadata.Pairs("x-end", "1"))
		return status.Error(codes.Aborted, "")
	}})), transcoder.DefaultSettings()))

	for _, test := range []struct {
		name, path string
		request    proto.Message
		want       []string
	}{
		{"trailers only", unaryPath, &testpb.SimpleRequest{ResponseSize: 1}, []string{
			"HEADERS+END :status=200 content-type=application/grpc grpc-message=100 %25 n%C3%A4ive grpc-status=5",
		}},
		{"trailers only in a stream", serverPath, &testpb.StreamingOutputCallRequest{}, []string{
			"HEADERS+END :status=200 content-type=application/grpc grpc-status=10 x-end=1",
		}},
		{"a message", unaryPath, &testpb.SimpleRequest{ResponseSize: 2}, []string{
			"HEADERS :status=200 content-type=application/grpc", "DATA 5", "HEADERS+END grpc-status=0",
		}},
		{"E08 headers, then an error", unaryPath, &testpb.SimpleRequest{}, []string{
			"HEADERS :status=200 content-type=application/grpc x-early=1", "HEADERS+END grpc-message=late grpc-status=9",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			message, err := proto.Marshal(test.request)
			require.NoError(t, err)
			require.Equal(t, test.want, blocks(t, target, test.path, frame(0, message)))
		})
	}
}

// blocks makes one call and tells the frames of its answer.
func blocks(t *testing.T, target, path string, body []byte) []string {
	t.Helper()
	conn, err := net.Dial("tcp", target)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	fr := http2.NewFramer(conn, conn)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	require.NoError(t, fr.WriteSettings())
	var head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		require.NoError(t, enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	require.NoError(t, fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true}))
	require.NoError(t, fr.WriteData(1, true, body))
	var got []string
	for {
		f, err := fr.ReadFrame()
		require.NoError(t, err)
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			line := "HEADERS"
			if f.StreamEnded() {
				line += "+END"
			}
			fields := make([]string, 0, len(f.Fields))
			for _, field := range f.Fields {
				fields = append(fields, field.Name+"="+field.Value)
			}
			sortStrings(fields)
			got = append(got, line+" "+strings.Join(fields, " "))
			if f.StreamEnded() {
				return got
			}
		case *http2.DataFrame:
			require.False(t, f.StreamEnded())
			got = append(got, "DATA "+string(rune('0'+len(f.Data()))))
		case *http2.RSTStreamFrame:
			return append(got, "RST_STREAM "+f.ErrCode.String())
		}
	}
}

// TestSpeaks is row C23.
func TestSpeaks(t *testing.T) {
	p := newProtocol()
	for _, yes := range []string{"application/grpc", "application/grpc+proto", "application/grpc+json", "Application/GRPC", "application/grpc;charset=utf-8", "application/grpc ; x", " application/grpc"} {
		require.True(t, p.Speaks(yes), yes)
	}
	for _, no := range []string{"", "application/json", "application/grpc-web", "application/grpc-web+proto", "application/grpcx", "application/grp", "text/application/grpc"} {
		require.False(t, p.Speaks(no), no)
	}
}

// TestMediaType is row C23: a subtype that is not proto gets HTTP 415 and a status,
// and its messages are not taken for what they are not.
func TestMediaType(t *testing.T) {
	target := serve(t, newMux(t, newUpstream(t, serveGRPC(t, interop.NewTestServer())), transcoder.DefaultSettings()))
	for _, yes := range []string{"application/grpc", "application/grpc+proto", "Application/GRPC+Proto; x=y", "application/grpc;charset=utf-8"} {
		res, _ := post(t, target, emptyPath, bytes.NewReader(frame(0, nil)), "content-type", yes)
		require.Equal(t, http.StatusOK, res.StatusCode, yes)
		require.Equal(t, "0", res.Trailer.Get("Grpc-Status"), yes)
	}
	for _, no := range []string{"application/grpc+json", "application/grpc+", "application/grpc+protobuf"} {
		res, _ := post(t, target, emptyPath, bytes.NewReader(frame(0, nil)), "content-type", no)
		require.Equal(t, http.StatusUnsupportedMediaType, res.StatusCode, no)
		require.Equal(t, "3", res.Header.Get("Grpc-Status"), no)
		require.Equal(t, "UNSUPPORTED_MEDIA_TYPE", res.Header.Get("X-Dragoman-Error"), no)
	}
}

// TestRequestStalls: the request of a stream without a deadline is waited for as
// long as that of a unary call.
func TestRequestStalls(t *testing.T) {
	settings := transcoder.DefaultSettings()
	settings.UnaryTimeout = 50 * time.Millisecond
	target := serve(t, newMux(t, newUpstream(t, serveGRPC(t, interop.NewTestServer())), settings))
	body, out := io.Pipe()
	defer out.Close()
	go func() { _, _ = out.Write(frame(0, make([]byte, 10))[:9]) }()
	res, _ := post(t, target, serverPath, body)
	require.Equal(t, "4", res.Header.Get("Grpc-Status"))
	require.Equal(t, "DEADLINE_EXCEEDED", res.Header.Get("X-Dragoman-Error"))
}

// TestLongMessage is row C11: a text that no client would take as a header is cut.
func TestLongMessage(t *testing.T) {
	target := serve(t, refuser{rpc.Errorf(rpc.Internal, "%s", strings.Repeat("ä", 1<<19))})
	res, _ := post(t, target, unaryPath, nil)
	text := res.Header.Get("Grpc-Message")
	require.Less(t, len(text), 16<<10)
	require.True(t, strings.HasSuffix(text, "%C3%A4%E2%80%A6"), text[len(text)-30:])
	require.Empty(t, res.Header.Get("Grpc-Status-Details-Bin"), "the text is in there too")
}

// TestAccessLog: what the handler tells.
func TestAccessLog(t *testing.T) {
	m := newMux(t, newUpstream(t, serveGRPC(t, interop.NewTestServer())), transcoder.DefaultSettings())
	target := serve(t, m)
	post(t, target, emptyPath, bytes.NewReader(frame(0, nil)))
	x := m.last(t)
	require.Zero(t, x.Code)
	require.Empty(t, x.Reason)
	require.EqualValues(t, 5, x.RequestBytes)
}
