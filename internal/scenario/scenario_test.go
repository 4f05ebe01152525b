package scenario

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

// TestScenarios runs every session below scenarios/. Each session's subtest is
// directly below this test, so that -run TestScenarios/A01 finds it.
func TestScenarios(t *testing.T) {
	names, err := filepath.Glob("../../scenarios/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	protos, err := sharedProtos()
	require.NoError(t, err)
	seen := make(map[string]string)
	all := &clouds{t: t}
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		archive, err := Parse(data)
		require.NoError(t, err, name)
		shared := &host{protos: protos, files: archive.Files, parent: t, clouds: all}
		for _, s := range archive.Sessions {
			require.Empty(t, seen[s.ID], "%s: session %s is in %s too", name, s.ID, seen[s.ID])
			seen[s.ID] = name
			t.Run(s.ID, func(t *testing.T) {
				h := shared
				if s.Own() {
					h = &host{protos: protos, files: append(append([]txtar.File(nil), s.Files...), archive.Files...), parent: t, clouds: all}
				}
				h.run(t, s)
			})
		}
	}
}

// host is a gateway with its upstream, started when first needed.
type host struct {
	protos map[string]string
	files  []txtar.File
	parent *testing.T
	clouds *clouds

	gateway  *running
	upstream *upstream
	schema   *schema
}

func (h *host) start(s *Session) error {
	t := h.parent
	if len(s.Rules) > 0 {
		h.protos = map[string]string{"rules.proto": rulesProto(s.Rules)}
	}
	own := make(map[string]string)
	for _, f := range h.files {
		if strings.HasSuffix(f.Name, ".proto") {
			own[f.Name] = string(f.Data)
		}
	}
	if len(own) > 0 {
		h.protos = maps.Clone(own)
	}
	var err error
	if s.LoadFails == nil && s.EachFails == "" {
		h.schema, err = compile(h.protos)
		require.NoError(t, err)
	}
	h.upstream = startUpstream(t, h.schema, s)
	env := h.clouds.env(t, s)
	env["UPSTREAM"] = h.upstream.address
	h.gateway, err = startGateway(t, s, h.files, h.protos, env)
	return err
}

// rulesProto is a service with one method per rule. Vars has a field for every
// variable that a rule may name.
func rulesProto(rules []string) string {
	var b strings.Builder
	b.WriteString(`syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
message Sub { string name = 1; int32 size = 2; }
message Vars {
  string a = 1; string b = 2; string c = 3; string x = 4; string y = 5; string name = 6; string var = 7;
  Sub sub = 8; repeated string list = 9; map<string, string> map = 10; int32 n = 11;
}
service Rules {
`)
	for _, rule := range rules {
		name, text, _ := strings.Cut(rule, ":")
		fmt.Fprintf(&b, "  rpc %s(Vars) returns (Vars) { option (google.api.http) = {%s}; }\n", name, text)
	}
	b.WriteString("}\n")
	return b.String()
}

func (h *host) run(t *testing.T, s *Session) {
	if s.LoadFails != nil || s.EachFails != "" {
		h.loadFails(t, s)
		return
	}
	if h.gateway == nil {
		require.NoError(t, h.start(s))
	}
	require.NotEmpty(t, s.Exchanges)
	defer h.clouds.begin(t, s)()
	for _, x := range s.Exchanges {
		h.exchange(t, s, x)
	}
}

// loadFails starts gateways that must not start: one with all rules, or one for
// each.
func (h *host) loadFails(t *testing.T, s *Session) {
	if s.EachFails == "" {
		err := h.start(s)
		require.Error(t, err, "the gateway started")
		for _, want := range s.LoadFails {
			require.ErrorContains(t, err, want)
		}
		return
	}
	for _, rule := range s.Rules {
		one := *s
		one.Rules = []string{rule}
		err := (&host{protos: h.protos, files: h.files, parent: t, clouds: h.clouds}).start(&one)
		require.Error(t, err, "the gateway started with %s", rule)
		require.ErrorContains(t, err, s.EachFails, "%s", rule)
	}
}

func (h *host) exchange(t *testing.T, s *Session, x *Exchange) {
	sc := newScript(&x.Upstream)
	h.upstream.use(sc)
	at := fmt.Sprintf("%s:%d", s.ID, x.Line)
	h.clouds.outages(x)
	calls := h.clouds.calls()
	start := time.Now()
	switch {
	case x.Command != "":
		h.command(t, at, x)
	case x.Call != "":
		h.call(t, at, x)
	case x.Upstream.StopsWithin > 0:
		h.stall(t, at, x, sc)
	case x.Times > 0:
		h.shares(t, at, x)
	case x.Again != nil:
		h.again(t, at, x)
	default:
		h.request(t, at, x, sc)
	}
	require.GreaterOrEqual(t, time.Since(start), x.Took, "%s: it took", at)
	h.checkUpstream(t, at, x, sc)
	h.clouds.check(t, at, x, calls)
	if s.Logs && x.Command == "" {
		h.checkLog(t, at, x)
	}
}

// checkLog takes the line that the exchange has in the access log.
func (h *host) checkLog(t *testing.T, at string, x *Exchange) {
	var line string
	select {
	case line = <-h.gateway.access:
	case <-time.After(patience):
		t.Fatalf("%s: no line in the access log", at)
	}
	for _, name := range x.NoLog {
		require.NotContains(t, line, strconv.Quote(name)+":", "%s: access log", at)
	}
	if x.Log != "" {
		diff := matchBody(&Body{Kind: "includes", Text: x.Log}, []byte(line))
		require.Empty(t, diff, "%s: access log", at)
	}
}

func (h *host) request(t *testing.T, at string, x *Exchange, sc *script) {
	if strings.HasPrefix(x.RequestLine, "WEBSOCKET ") {
		checkAnswer(t, at, x, h.webSocket(t, at, x))
		return
	}
	c := dial(t, h.gateway.Address)
	defer c.Close()
	require.NoError(t, c.send(x), at)
	if x.Leaves {
		await(t, at, "the call to reach the upstream", sc.reached)
		require.NoError(t, c.Close())
		return
	}
	got, err := c.receive(x, sc.released)
	require.NoError(t, err, at)
	checkAnswer(t, at, x, got)
}

func checkAnswer(t *testing.T, at string, x *Exchange, got *answer) {
	text := fmt.Sprintf("%s: %s\n%s %s", at, x.RequestLine, got.Status, clip(got.body))
	require.Equal(t, x.Status, got.StatusCode, text)
	wanted, diff := checkTrailer(x.Want, got.Trailer)
	require.Empty(t, diff, text)
	if diff := checkHeader(wanted, got.Header); diff != "" {
		t.Fatalf("%s\n%s", text, diff)
	}
	if x.Aborted {
		require.Error(t, got.broken, "%s: the connection should break", at)
	} else {
		require.NoError(t, got.broken, text)
	}
	switch {
	case x.WantBody == nil:
	case x.Aborted:
		require.Equal(t, squeeze(x.WantBody.Text), squeeze(string(got.body)), at)
	default:
		if diff := matchBody(x.WantBody, got.body); diff != "" {
			t.Fatalf("%s: %s\n%s", at, x.RequestLine, diff)
		}
	}
}

// stall sends the request and reads nothing until the upstream can send no more.
func (h *host) stall(t *testing.T, at string, x *Exchange, sc *script) {
	c := dial(t, h.gateway.Address)
	defer c.Close()
	require.NoError(t, c.send(x), at)
	await(t, at, "the call to reach the upstream", sc.reached)
	sent := func() int {
		sc.mu.Lock()
		defer sc.mu.Unlock()
		return sc.sent
	}
	// Backpressure is the absence of progress, which only time can show.
	for last, same := -1, 0; same < 5; time.Sleep(100 * time.Millisecond) {
		now := sent()
		require.LessOrEqual(t, now, x.Upstream.StopsWithin, "%s: the upstream keeps sending to a client that does not read", at)
		if now == last && now > 0 {
			same++
		} else {
			last, same = now, 0
		}
	}
	require.NoError(t, c.Close())
	await(t, at, "the call to end", sc.ended)
}

func (h *host) checkUpstream(t *testing.T, at string, x *Exchange, sc *script) {
	up := &x.Upstream
	if up.Cancelled {
		await(t, at, "the call to be cancelled", sc.ended)
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if !up.Mentioned {
		if x.Command == "" {
			require.Empty(t, sc.calls, "%s: nothing should reach the upstream", at)
		}
		return
	}
	if len(up.Got) > 0 || len(up.GotHeader) > 0 {
		require.NotEmpty(t, sc.calls, "%s: nothing reached the upstream", at)
	}
	if len(sc.calls) == 0 {
		return
	}
	c := sc.calls[0]
	require.Len(t, sc.calls, 1, "%s: calls", at)
	if up.Cancelled {
		require.True(t, c.cancelled, "%s: cancelled", at)
	}
	switch {
	case up.Deadline > 0:
		require.Positive(t, c.left, "%s: the call has no deadline", at)
		require.LessOrEqual(t, c.left, up.Deadline, "%s: time left", at)
	case up.Deadline < 0:
		require.Zero(t, c.left, "%s: the call has a deadline", at)
	}
	single, several := bySeveral(up.GotHeader)
	for name, values := range several {
		require.Equal(t, values, c.header.Get(name), "%s: metadata %s", at, name)
	}
	for _, line := range single {
		if name, ok := strings.CutPrefix(line, "no "); ok {
			require.Empty(t, c.header.Get(name), "%s: metadata %s", at, name)
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if text, ok := strings.CutPrefix(value, "~"); ok {
			require.Contains(t, strings.Join(c.header.Get(name), ", "), text, "%s: metadata %s", at, name)
			continue
		}
		require.Equal(t, value, strings.Join(c.header.Get(name), ", "), "%s: metadata %s", at, name)
	}
	for i, want := range up.Got {
		require.Greater(t, len(c.messages), i, "%s: messages that arrived", at)
		if text, ok := strings.CutPrefix(want, "wire "); ok {
			raw, err := unhex(text)
			require.NoError(t, err)
			require.Equal(t, hex.EncodeToString(raw), hex.EncodeToString(c.messages[i]), at)
			continue
		}
		method, text, _ := strings.Cut(want, " ")
		require.Equal(t, method, c.method, "%s: method", at)
		md, err := h.schema.method(method)
		require.NoError(t, err)
		wantMessage, err := h.schema.message(md.Input(), text)
		require.NoError(t, err, "%s: %s", at, text)
		got, err := h.schema.decode(md.Input(), c.messages[i])
		require.NoError(t, err, at)
		if !proto.Equal(wantMessage, got) {
			t.Fatalf("%s: upstream\n got %s\nwant %s", at, clip([]byte(h.schema.format(got))), clip([]byte(h.schema.format(wantMessage))))
		}
	}
}

// call sends a gRPC request as bytes and compares the answer's bytes and status.
func (h *host) call(t *testing.T, at string, x *Exchange) {
	conn, err := grpc.NewClient(h.gateway.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	md := metadata.MD{}
	for _, line := range x.Header {
		name, value, _ := strings.Cut(line, ":")
		md.Append(name, strings.TrimSpace(value))
	}
	stream, err := conn.NewStream(metadata.NewOutgoingContext(t.Context(), md), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/"+x.Call, grpc.ForceCodecV2(bytesCodec{}))
	require.NoError(t, err)
	for _, m := range x.Messages {
		raw, err := unhex(m)
		require.NoError(t, err)
		if err := stream.SendMsg(raw); err != nil {
			require.ErrorIs(t, err, io.EOF) // the call has ended already
			break
		}
	}
	require.NoError(t, stream.CloseSend())
	var got []string
	for err == nil {
		var raw []byte
		if err = stream.RecvMsg(&raw); err == nil {
			got = append(got, hex.EncodeToString(raw))
		}
	}
	code := codes.OK
	if err.Error() != "EOF" {
		code = status.Code(err)
	}
	require.Equal(t, x.Status, int(code), "%s: %v", at, err)
	if x.WantBody != nil {
		require.Equal(t, x.WantBody.Text, strings.Join(got, " "), at)
	}
	header, _ := stream.Header()
	all := http.Header{}
	for k, v := range header {
		all[http.CanonicalHeaderKey(k)] = v
	}
	for k, v := range stream.Trailer() {
		all[http.CanonicalHeaderKey(k)] = append(all[http.CanonicalHeaderKey(k)], v...)
	}
	if diff := checkHeader(x.Want, all); diff != "" {
		t.Fatalf("%s: %s", at, diff)
	}
}

// command runs a shell command in the gateway's folder.
func (h *host) command(t *testing.T, at string, x *Exchange) {
	if strings.HasPrefix(x.Command, "curl ") || strings.Contains(x.Command, " curl ") {
		gatewaytest.NeedsCurl(t)
	}
	cmd := gatewaytest.Shell(t, h.gateway.dir, h.gateway.Expand(x.Command))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	require.Equal(t, strings.TrimSpace(x.Output), strings.TrimSpace(out.String()), "%s: %s (%v)", at, x.Command, err)
}

func await(t *testing.T, at, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: waited in vain for %s", at, what)
	}
}
