package adapt

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// serverStream is both sides of one call: a grpc.ServerStream for the handler
// and, as a sendingHalf, the caller's rpc.Stream.
type serverStream struct {
	ctx    context.Context
	cancel context.CancelFunc
	method string

	// requests hands over one message at a time: the caller waits until it is
	// received. It is closed after the last.
	requests chan *rpc.Buffer
	closed   bool // requests is; owned by the sending half

	// mu guards what is below, and makes the calls of sink one at a time.
	mu      sync.Mutex
	sink    rpc.Sink
	header  metadata.MD
	trailer metadata.MD
	headed  bool
	ended   bool
}

var _ grpc.ServerStream = (*serverStream)(nil)

// newServerStream reads the head of call, which its owner may change afterwards.
func newServerStream(ctx context.Context, call *rpc.Call, sink rpc.Sink) *serverStream {
	s := &serverStream{method: call.Method.Path, sink: sink}
	md := toMetadata(call.Header)
	if call.Authority != "" {
		md[":authority"] = []string{call.Authority}
	}
	ctx = metadata.NewIncomingContext(ctx, md)
	if call.Deadline.IsZero() {
		s.ctx, s.cancel = context.WithCancel(ctx)
	} else {
		s.ctx, s.cancel = context.WithDeadline(ctx, call.Deadline)
	}
	s.ctx = grpc.NewContextWithServerTransportStream(s.ctx, transportStream{s})
	if call.Request != nil {
		s.requests = make(chan *rpc.Buffer, 1)
		s.requests <- call.Request
		(*sendingHalf)(s).CloseSend()
	} else {
		s.requests = make(chan *rpc.Buffer)
	}
	return s
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) RecvMsg(m any) error {
	select {
	case buf, ok := <-s.requests:
		if !ok {
			return io.EOF
		}
		return unmarshal(buf, m)
	case <-s.ctx.Done():
		return toError(contextStatus(s.ctx))
	}
}

func (s *serverStream) SendMsg(m any) error {
	buf, err := marshal(m)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		buf.Release()
		return s.gone()
	}
	s.sendHeader()
	if err := s.sink.Message(buf); err != nil {
		s.cancel()
		return status.Errorf(codes.Canceled, "message not taken: %v", err)
	}
	return nil
}

func (s *serverStream) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.headed || s.ended {
		return status.Error(codes.Internal, "header has been sent")
	}
	s.header = metadata.Join(s.header, md)
	return nil
}

func (s *serverStream) SendHeader(md metadata.MD) error {
	if err := s.SetHeader(md); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return s.gone()
	}
	s.sendHeader()
	return nil
}

func (s *serverStream) SetTrailer(md metadata.MD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailer = metadata.Join(s.trailer, md)
}

// sendHeader needs mu.
func (s *serverStream) sendHeader() {
	if !s.headed {
		s.headed = true
		s.sink.Head(toHeader(s.header))
	}
}

// gone says that the call has ended under its handler.
func (s *serverStream) gone() error {
	if s.ctx.Err() != nil {
		return toError(contextStatus(s.ctx))
	}
	return status.Error(codes.Canceled, "call has ended")
}

// end tells the sink, unless it has been told. An end without a message and with
// an error is trailers-only, unless the handler has sent its header.
func (s *serverStream) end(st rpc.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	if s.ctx.Err() != nil && st.Code != codes.OK {
		// What the handler says of a call that has been ended is an echo.
		st = contextStatus(s.ctx)
	}
	trailer := toHeader(s.trailer)
	if st.Code == codes.OK {
		s.sendHeader()
	} else if !s.headed {
		trailer = append(toHeader(s.header), trailer...)
	}
	s.sink.End(st, trailer)
}

// drop releases a request message that the handler did not ask for. After it,
// senders find the call ended.
func (s *serverStream) drop() {
	s.cancel()
	select {
	case buf := <-s.requests:
		buf.Release()
	default:
	}
}

// transportStream is what grpc.SetHeader and its like find in the context.
type transportStream struct{ s *serverStream }

func (t transportStream) Method() string                  { return t.s.method }
func (t transportStream) SetHeader(md metadata.MD) error  { return t.s.SetHeader(md) }
func (t transportStream) SendHeader(md metadata.MD) error { return t.s.SendHeader(md) }
func (t transportStream) SetTrailer(md metadata.MD) error { t.s.SetTrailer(md); return nil }

var errClosed = errors.New("no more messages may follow")

// sendingHalf is the caller's view of a serverStream.
type sendingHalf serverStream

func (s *sendingHalf) Send(msg *rpc.Buffer) error {
	if s.closed {
		msg.Release()
		return errClosed
	}
	select {
	case s.requests <- msg:
		return nil
	case <-s.ctx.Done():
		msg.Release()
		return s.ctx.Err()
	}
}

func (s *sendingHalf) CloseSend() {
	if !s.closed {
		s.closed = true
		close(s.requests)
	}
}

func (s *sendingHalf) Cancel() { s.cancel() }
