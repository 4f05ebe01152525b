package adapt

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/rpc"
)

func (c *clientConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, path string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	o := readOptions(opts)
	call, err := newCall(ctx, path, desc.ClientStreams, desc.ServerStreams, o)
	if err != nil {
		return nil, err
	}
	s := &clientStream{
		call: call, up: c.up, options: o,
		messages: make(chan *rpc.Buffer), headed: make(chan struct{}), done: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(withoutMetadata(ctx))
	if desc.ClientStreams {
		s.stream = c.up.Start(s.ctx, call, (*streamSink)(s))
	}
	return s, nil
}

// clientStream is both sides of one call: a grpc.ClientStream for generated
// code and, as a streamSink, what the upstream tells.
type clientStream struct {
	ctx     context.Context
	cancel  context.CancelFunc
	up      rpc.Upstream
	call    *rpc.Call
	options callOptions
	// stream is set once the call has been started. A call without client
	// streaming starts with its only request message.
	stream rpc.Stream

	// messages hands over one message at a time: the upstream waits until it
	// is received.
	messages chan *rpc.Buffer
	received bool // one message, of a call without server streaming

	headOnce sync.Once
	headed   chan struct{} // closed when head is known
	head     rpc.Header
	done     chan struct{} // closed when status and trailer are known
	status   rpc.Status
	trailer  rpc.Header
}

func (s *clientStream) Context() context.Context { return s.ctx }

func (s *clientStream) Header() (metadata.MD, error) {
	select {
	case <-s.headed:
	case <-s.ctx.Done():
		select {
		case <-s.headed:
		default:
			return nil, toError(contextStatus(s.ctx))
		}
	}
	return toMetadata(s.head), nil
}

func (s *clientStream) Trailer() metadata.MD {
	select {
	case <-s.done:
		return toMetadata(s.trailer)
	default:
		return nil
	}
}

func (s *clientStream) SendMsg(m any) error {
	buf, err := marshal(m)
	if err != nil {
		return err
	}
	if s.call.Method.ClientStreaming {
		if s.stream.Send(buf) != nil {
			return io.EOF // RecvMsg says why
		}
		return nil
	}
	if s.stream != nil {
		buf.Release()
		return status.Error(codes.Internal, "second request message of a call that takes one")
	}
	s.call.Request = buf
	s.stream = s.up.Start(s.ctx, s.call, (*streamSink)(s))
	return nil
}

func (s *clientStream) CloseSend() error {
	if s.call.Method.ClientStreaming {
		s.stream.CloseSend()
	}
	return nil
}

func (s *clientStream) RecvMsg(m any) error {
	buf, err := s.receive()
	if err != nil {
		return err
	}
	if err := unmarshal(buf, m); err != nil {
		s.cancel()
		return err
	}
	if s.call.Method.ServerStreaming || s.received {
		return nil
	}
	// Generated code asks once for the answer to a client stream, and takes nil
	// for OK: so wait for the status.
	s.received = true
	switch buf, err := s.receive(); {
	case err == nil:
		buf.Release()
		s.cancel()
		return status.Error(codes.Internal, "call answered with more than one message")
	case err != io.EOF:
		return err
	}
	return nil
}

// receive waits for a message. It returns io.EOF after the last.
func (s *clientStream) receive() (*rpc.Buffer, error) {
	select {
	case buf := <-s.messages:
		return buf, nil
	case <-s.done:
	case <-s.ctx.Done():
		// The upstream ends the call, too; but its end may be what cancelled.
		select {
		case <-s.done:
		default:
			return nil, toError(contextStatus(s.ctx))
		}
	}
	s.options.tell(s.head, s.trailer)
	if err := toError(s.status); err != nil {
		return nil, err
	}
	if !s.call.Method.ServerStreaming && !s.received {
		return nil, status.Error(codes.Internal, "call ended without a message")
	}
	return nil, io.EOF
}

// streamSink is the upstream's view of a clientStream.
type streamSink clientStream

func (s *streamSink) Head(h rpc.Header) {
	s.headOnce.Do(func() {
		s.head = h
		close(s.headed)
	})
}

func (s *streamSink) Message(msg *rpc.Buffer) error {
	s.Head(nil)
	select {
	case s.messages <- msg:
		return nil
	case <-s.ctx.Done():
		msg.Release()
		return s.ctx.Err()
	}
}

func (s *streamSink) End(st rpc.Status, trailer rpc.Header) {
	s.Head(nil)
	s.status, s.trailer = st, trailer
	close(s.done)
	s.cancel()
}
