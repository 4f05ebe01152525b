package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// event is what a browser makes of one event.
type event struct{ kind, id, data string }

// dispatched reads an event stream as HTML, section 9.2.6, says.
func dispatched(stream string) (out []event) {
	stream = strings.ReplaceAll(stream, "\r\n", "\n")
	stream = strings.ReplaceAll(stream, "\r", "\n")
	var now event
	hasData, id := false, ""
	for _, line := range strings.SplitAfter(stream, "\n") {
		line, ended := strings.CutSuffix(line, "\n")
		if !ended {
			break // and what came of the event is dropped
		}
		if line == "" {
			if now.id = id; hasData {
				now.data = strings.TrimSuffix(now.data, "\n")
				out = append(out, now)
			}
			now, hasData = event{}, false
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			now.kind = value
		case "data":
			now.data, hasData = now.data+value+"\n", true
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "", "retry":
		}
	}
	return out
}

// FuzzEvents checks that no message can forge a frame: a browser makes of each
// message one event, whose data is its JSON, and of an error the last.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{
		"", "added", "error", "x\ndata: y", "x\r\revent: error\rdata: y\r\r", "a\x00b", ": y", " x", "\n\n", "data", "\u2028", "\ufeff", "é",
		`"}` + "\n\ndata: {}",
	} {
		f.Add(s, s, s, int64(0))
		f.Add("a", s, "b", int64(1))
		f.Add(s, "7", "b", int64(-1))
	}
	api := newAPI(f)
	settings := transcoder.DefaultSettings()
	settings.Stream.Form, settings.Stream.EventField, settings.Stream.IDField = transcoder.FormEvents, "name", "parent"
	var wire []byte
	var failure string
	routes, err := rest.New().Routes(api.endpoint(f, api.method(f, "R14"), local(func(_ context.Context, call *rpc.Call, sink rpc.Sink) {
		call.Request.Release()
		for range 2 {
			b := rpc.NewBuffer()
			b.B = append(b.B, wire...)
			_ = sink.Message(b)
		}
		sink.End(rpc.Status{Code: codes.DataLoss, Message: failure}, nil)
	}), &settings))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, kind, id, text string, number int64) {
		wire, failure = nil, text
		for field, value := range map[protowire.Number]string{1: kind, 21: id, 22: text} {
			wire = protowire.AppendString(protowire.AppendTag(wire, field, protowire.BytesType), value)
		}
		wire = protowire.AppendVarint(protowire.AppendTag(wire, 3, protowire.VarintType), uint64(number))

		w := httptest.NewRecorder()
		x := &route.Exchange{Path: "/v1/stream/n", Captures: []route.Span{{Start: 11, End: 12}}}
		routes[0].Handler.Serve(w, httptest.NewRequest("GET", "/v1/stream/n", nil), x)
		if !utf8.ValidString(kind + "x" + id + "x" + text) {
			require.Equal(t, 502, w.Code, "a message that is none")
			return
		}
		require.Equal(t, 200, w.Code)
		got := dispatched(w.Body.String())
		require.Len(t, got, 3, "%q", w.Body)
		want := event{kind: kind, id: id}
		if strings.ContainsAny(kind, "\r\n\x00") || kind == "error" {
			want.kind = ""
		}
		if strings.ContainsAny(id, "\r\n\x00") {
			want.id = ""
		}
		for _, e := range got[:2] {
			var message struct{ Name, Parent, Path string }
			d := json.NewDecoder(bytes.NewReader([]byte(e.data)))
			require.NoError(t, d.Decode(&message), "%q", e.data)
			require.False(t, d.More())
			require.Equal(t, kind+"|"+id+"|"+text, message.Name+"|"+message.Parent+"|"+message.Path)
			e.data = ""
			require.Equal(t, want, e)
		}
		require.Equal(t, "error", got[2].kind)
		var last struct{ Error struct{ Message string } }
		require.NoError(t, json.Unmarshal([]byte(got[2].data), &last))
		require.Equal(t, text, last.Error.Message)
	})
}
