package grpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// The cardinality of an answer is checked here and not by grpc-go, so that a
// mistake of the upstream can be told from a status that it sent.
var (
	oneRequest   = &grpc.StreamDesc{ServerStreams: true}
	manyRequests = &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
)

// stream is one call that grpc-go treats as a stream.
type stream struct {
	up     *Upstream
	ctx    context.Context
	cancel context.CancelFunc
	sink   rpc.Sink
	method *rpc.Method
	// request is the only message, or nil if the caller sends them.
	request *rpc.Buffer

	// opened is closed when cs is set, or when it will not be.
	opened chan struct{}
	cs     grpc.ClientStream
	// ahead bounds what the caller has sent and grpc-go has not.
	ahead ahead
}

var _ rpc.Stream = (*stream)(nil)

var errEnded = errors.New("the call has ended")

// Send implements [rpc.Stream].
func (s *stream) Send(msg *rpc.Buffer) error {
	<-s.opened
	if s.cs == nil || !s.ahead.take(s.ctx, cap(msg.B), s.settle) {
		msg.Release()
		return errEnded
	}
	if err := s.cs.SendMsg(own(msg, &s.ahead)); err != nil {
		return errEnded
	}
	return nil
}

// settle makes grpc-go stay with the connection that it has chosen, and forget what
// it kept of the messages for another one.
func (s *stream) settle() {
	_ = s.cs.Context() // its other effect, which is documented
}

// CloseSend implements [rpc.Stream].
func (s *stream) CloseSend() {
	<-s.opened
	if s.cs != nil {
		_ = s.cs.CloseSend() // always nil
	}
}

// Cancel implements [rpc.Stream].
func (s *stream) Cancel() { s.cancel() }

// run opens the stream and tells the sink everything that comes back.
func (s *stream) run(options []grpc.CallOption) {
	desc := oneRequest
	if s.method.ClientStreaming {
		desc = manyRequests
	}
	cs, err := s.up.cc.NewStream(s.ctx, desc, s.method.Path, options...)
	if err != nil {
		close(s.opened)
		s.request.Release()
		s.sink.End(s.up.status(&ending{ctx: s.ctx, err: err, unopened: true}), nil)
		return
	}
	s.cs = cs
	close(s.opened)
	if !s.method.ClientStreaming {
		if err := cs.SendMsg(s.request); err != nil {
			s.sink.End(s.up.status(&ending{ctx: s.ctx, err: err}), nil)
			return
		}
	}

	end := ending{ctx: s.ctx}
	if md, err := cs.Header(); err == nil && md != nil {
		end.head = true
		s.sink.Head(fromMD(md))
	}
	single := !s.method.ServerStreaming
	r := reply{single: single}
	for {
		if end.err = cs.RecvMsg(&r); end.err != nil {
			break
		}
		if single {
			continue // what counts is whether the status is OK
		}
		if s.sink.Message(r.take()) != nil {
			end.refused = true
			break
		}
	}
	msg := r.take()
	if errors.Is(end.err, io.EOF) {
		end.err = nil
		switch {
		case !single:
		case msg == nil:
			end.none, end.err = true, errNoMessage
		case s.sink.Message(msg) != nil:
			msg, end.refused = nil, true
		default:
			msg = nil
		}
	}
	msg.Release()
	if end.refused {
		s.cancel()
		s.sink.End(s.up.status(&end), nil)
		return
	}
	end.second = single && r.count > 1
	end.trailer = cs.Trailer()
	s.sink.End(s.up.status(&end), fromMD(end.trailer))
}

var errNoMessage = errors.New("no message, where the method answers with one")
