package grpc_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// TestHalfClose ends a bidirectional stream in every order: who ends its half
// first, and how. One message has gone each way before, so that both halves are
// open. In each case both sides learn the end, and nothing is left running.
func TestHalfClose(t *testing.T) {
	// What the service does after the first message; what it sees then is told.
	answer := func(s testpb.TestService_FullDuplexCallServer) error {
		return s.Send(&testpb.StreamingOutputCallResponse{})
	}
	untilEnd := func(s testpb.TestService_FullDuplexCallServer) error {
		for {
			if _, err := s.Recv(); err != nil {
				return err
			}
		}
	}
	enough := status.Error(codes.ResourceExhausted, "enough")
	none := func(testpb.TestService_FullDuplexCallClient, context.CancelFunc) error { return nil }
	closes := func(s testpb.TestService_FullDuplexCallClient, _ context.CancelFunc) error { return s.CloseSend() }
	for _, tt := range []struct {
		name string
		// client is what the client does, server what the service does at the same
		// time, returning the status and what it saw of the client's half.
		client func(testpb.TestService_FullDuplexCallClient, context.CancelFunc) error
		server func(testpb.TestService_FullDuplexCallServer) (error, error)
		// messages still come before the end.
		messages int
		want     codes.Code
		saw      error
	}{
		{
			name: "the client, then the server", client: closes, saw: io.EOF,
			server: func(s testpb.TestService_FullDuplexCallServer) (error, error) { return nil, untilEnd(s) },
		},
		{
			name: "the client, then more messages and the server", client: closes, saw: io.EOF, messages: 3,
			server: func(s testpb.TestService_FullDuplexCallServer) (error, error) {
				saw := untilEnd(s)
				return errors.Join(answer(s), answer(s), answer(s)), saw
			},
		},
		{
			name: "the client, then the server with an error", client: closes, saw: io.EOF, want: codes.ResourceExhausted,
			server: func(s testpb.TestService_FullDuplexCallServer) (error, error) { return enough, untilEnd(s) },
		},
		{
			name: "the server, with the client open", client: none,
			server: func(testpb.TestService_FullDuplexCallServer) (error, error) { return nil, nil },
		},
		{
			name: "the server with an error, with the client open", client: none, want: codes.ResourceExhausted, messages: 1,
			server: func(s testpb.TestService_FullDuplexCallServer) (error, error) {
				return errors.Join(answer(s), enough), nil
			},
		},
		{
			name: "the client cancels, open", want: codes.Canceled, saw: context.Canceled,
			client: func(_ testpb.TestService_FullDuplexCallClient, cancel context.CancelFunc) error {
				cancel()
				return nil
			},
			server: func(s testpb.TestService_FullDuplexCallServer) (error, error) {
				<-s.Context().Done()
				return nil, s.Context().Err()
			},
		},
		{
			name: "the client cancels, half closed", want: codes.Canceled, saw: context.Canceled,
			client: func(s testpb.TestService_FullDuplexCallClient, cancel context.CancelFunc) error {
				defer cancel()
				return s.CloseSend()
			},
			server: func(s testpb.TestService_FullDuplexCallServer) (error, error) {
				<-s.Context().Done()
				return nil, s.Context().Err()
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			saw := make(chan error, 1)
			client, _ := gateway(t, &service{duplex: func(s testpb.TestService_FullDuplexCallServer) error {
				if _, err := s.Recv(); err != nil {
					return err
				}
				if err := answer(s); err != nil {
					return err
				}
				err, half := tt.server(s)
				saw <- half
				return err
			}}, nil)
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			stream, err := client.FullDuplexCall(ctx)
			require.NoError(t, err)
			require.NoError(t, stream.Send(&testpb.StreamingOutputCallRequest{}))
			_, err = stream.Recv()
			require.NoError(t, err)
			require.NoError(t, tt.client(stream, cancel))
			for range tt.messages {
				_, err = stream.Recv()
				require.NoError(t, err)
			}
			_, err = stream.Recv()
			if tt.want == codes.OK {
				require.ErrorIs(t, err, io.EOF)
			} else {
				require.Equal(t, tt.want, status.Code(err), "%v", err)
			}
			require.ErrorIs(t, <-saw, tt.saw)
		})
	}
}
