package etcdtest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

// conversation is a stream both ways with JSON messages.
type conversation interface {
	send(t *testing.T, message string)
	receive(t *testing.T) map[string]any
	// end says that no more messages follow, and waits for the end of the answers.
	end(t *testing.T)
	// leave ends the stream at once.
	leave()
}

// TestEtcdStreams watches a key and keeps a lease alive, over each form of stream
// that goes both ways.
func TestEtcdStreams(t *testing.T) {
	gw := start(t)
	for name, open := range map[string]func(*testing.T, *gatewaytest.Gateway, string) conversation{
		"NDJSON over HTTP/2": openLines, "WebSocket": openSocket,
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("watch", func(t *testing.T) {
				key := b64("watched by " + name)
				c := open(t, gw, "/v3/watch")
				c.send(t, `{"createRequest": {"key": "`+key+`"}}`)
				created := c.receive(t)
				require.Equal(t, true, created["created"])
				for _, value := range []string{b64("one"), b64("two")} {
					post(t, gw, "/v3/kv/put", `{"key": "`+key+`", "value": "`+value+`"}`)
					events := c.receive(t)["events"].([]any)
					require.Len(t, events, 1)
					require.Equal(t, value, events[0].(map[string]any)["kv"].(map[string]any)["value"])
				}
				id, _ := created["watchId"].(string) // the first watch of a stream is 0
				if id == "" {
					id = "0"
				}
				c.send(t, `{"cancelRequest": {"watchId": "`+id+`"}}`)
				require.Equal(t, true, c.receive(t)["canceled"])
				// etcd goes on watching for a client that only says that it has no
				// more questions: leaving ends a watch.
				c.leave()
			})
			t.Run("lease keep-alive", func(t *testing.T) {
				lease := post(t, gw, "/v3/lease/grant", `{"TTL": 600}`)["ID"].(string)
				c := open(t, gw, "/v3/lease/keepalive")
				for range 3 {
					c.send(t, `{"ID": "`+lease+`"}`)
					kept := c.receive(t)
					require.Equal(t, lease, kept["ID"])
					require.Equal(t, "600", kept["TTL"])
				}
				c.end(t)
			})
		})
	}
}

// lines is a conversation in NDJSON, both ways at once over one HTTP/2 stream.
type lines struct {
	out    *io.PipeWriter
	in     *bufio.Scanner
	cancel context.CancelFunc
}

func openLines(t *testing.T, gw *gatewaytest.Gateway, path string) conversation {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	body, out := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+gw.Address+path, body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("Accept", "application/x-ndjson")
	c := &lines{out: out, cancel: cancel}
	answered := make(chan *http.Response, 1)
	go func() {
		defer close(answered)
		if resp, err := transport.RoundTrip(r); err == nil {
			answered <- resp
		}
	}()
	// The answer's head may come only with its first message.
	pr, pw := io.Pipe()
	go func() {
		resp, ok := <-answered
		if !ok {
			_ = pw.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		defer resp.Body.Close()
		_, err := io.Copy(pw, resp.Body)
		_ = pw.CloseWithError(err)
	}()
	c.in = bufio.NewScanner(pr)
	return c
}

func (c *lines) send(t *testing.T, message string) {
	t.Helper()
	_, err := io.WriteString(c.out, message+"\n")
	require.NoError(t, err)
}

func (c *lines) receive(t *testing.T) map[string]any {
	t.Helper()
	require.True(t, c.in.Scan(), "%v", c.in.Err())
	var message map[string]any
	require.NoError(t, json.Unmarshal(c.in.Bytes(), &message), c.in.Text())
	require.NotContains(t, message, "error")
	return message
}

func (c *lines) end(t *testing.T) {
	t.Helper()
	require.NoError(t, c.out.Close())
	require.False(t, c.in.Scan(), c.in.Text())
	require.NoError(t, c.in.Err())
}

// leave breaks the body too: net/http's client does not look at the context while
// it waits for more of one.
func (c *lines) leave() {
	c.cancel()
	_ = c.out.CloseWithError(context.Canceled)
}

// socket is a conversation over a WebSocket.
type socket struct {
	ctx  context.Context
	conn *websocket.Conn
}

func openSocket(t *testing.T, gw *gatewaytest.Gateway, path string) conversation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, "ws://"+gw.Address+path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{ctx: ctx, conn: conn}
}

func (c *socket) send(t *testing.T, message string) {
	t.Helper()
	require.NoError(t, c.conn.Write(c.ctx, websocket.MessageText, []byte(message)))
}

func (c *socket) receive(t *testing.T) map[string]any {
	t.Helper()
	_, data, err := c.conn.Read(c.ctx)
	require.NoError(t, err)
	var message map[string]any
	require.NoError(t, json.Unmarshal(data, &message), string(data))
	require.NotContains(t, message, "error")
	return message
}

// end sends an empty frame, which is the end of the client's messages.
func (c *socket) end(t *testing.T) {
	t.Helper()
	c.send(t, "")
	_, data, err := c.conn.Read(c.ctx)
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err), "%s %v", data, err)
}

func (c *socket) leave() { _ = c.conn.CloseNow() }
