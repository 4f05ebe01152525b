package scenario

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// webSocket opens a WebSocket, sends every line of the body as a frame and then the
// end, and gives what came until it was closed as an answer: its body is an array
// of the frames, its header close the close frame.
func (h *host) webSocket(t *testing.T, at string, x *Exchange) *answer {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, path, _ := strings.Cut(x.RequestLine, " ")
	options := &websocket.DialOptions{HTTPHeader: http.Header{}}
	for _, line := range x.Header {
		name, value, _ := strings.Cut(line, ":")
		options.HTTPHeader.Add(name, strings.TrimSpace(value))
	}
	conn, resp, err := websocket.Dial(ctx, "ws://"+h.gateway.Address+path, options)
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err, at)
		return &answer{Response: resp, body: body}
	}
	require.NoError(t, err, at)
	defer conn.CloseNow()
	if x.Body != "" {
		for line := range strings.SplitSeq(x.Body+"\n", "\n") {
			kind, frame := websocket.MessageText, []byte(line)
			if wire, ok := strings.CutPrefix(line, "wire "); ok {
				kind = websocket.MessageBinary
				frame, err = hex.DecodeString(wire)
				require.NoError(t, err, at)
			}
			if conn.Write(ctx, kind, frame) != nil {
				break // the gateway has closed it, and said why
			}
		}
	}
	var frames []string
	for {
		kind, frame, err := conn.Read(ctx)
		var end websocket.CloseError
		if errors.As(err, &end) {
			resp.Header.Set("Close", strings.TrimSpace(fmt.Sprintf("%d %s", end.Code, end.Reason)))
			return &answer{Response: resp, body: []byte("[" + strings.Join(frames, ",") + "]")}
		}
		require.NoError(t, err, at)
		if kind == websocket.MessageBinary {
			frame = []byte(`"wire ` + hex.EncodeToString(frame) + `"`)
		}
		frames = append(frames, string(frame))
	}
}
