package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// sockets reads one stream after the other, each on a WebSocket of its own, and
// counts the messages; it begins none after the time until.
func sockets(ctx context.Context, address string, s streamCase, until time.Time) (int64, error) {
	total := int64(0)
	for time.Now().Before(until) {
		conn, _, err := websocket.Dial(ctx, "ws://"+address+s.path, nil)
		if err != nil {
			return 0, err
		}
		n := int64(0)
		for ; err == nil; n++ {
			var message []byte
			if _, message, err = conn.Read(ctx); err == nil && bytes.Count(message, []byte(s.mark)) != 1 {
				err = fmt.Errorf("%.200q is no message", message)
			}
		}
		_ = conn.CloseNow()
		if n--; websocket.CloseStatus(err) != websocket.StatusNormalClosure || n != streamMessages {
			return 0, fmt.Errorf("%d messages: %w", n, err)
		}
		total += n
	}
	return total, nil
}

// socketDynamic answers with the stream on a WebSocket, as [runDynamic] does.
func socketDynamic(w http.ResponseWriter, r *http.Request, stream grpc.ClientStream, item protoreflect.MessageDescriptor) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		out := dynamicpb.NewMessage(item)
		if err := stream.RecvMsg(out); errors.Is(err, io.EOF) {
			_ = conn.Close(websocket.StatusNormalClosure, "")
			return
		} else if err != nil {
			return
		}
		text, err := protojson.Marshal(out)
		if err != nil {
			return
		}
		// What the request's context ends is not the writing.
		if conn.Write(context.Background(), websocket.MessageText, text) != nil {
			return
		}
	}
}
