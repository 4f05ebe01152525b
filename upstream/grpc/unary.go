package grpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// unaryCall is what a unary call needs besides grpc-go's own state. It is reused:
// its options point at its fields.
type unaryCall struct {
	request *rpc.Buffer
	// marshalled says that grpc-go has taken the request, which it does once there
	// is a stream for it.
	marshalled      bool
	header, trailer metadata.MD
	reply           reply
	// options has room for one more, the authority.
	options []grpc.CallOption
}

func newUnaryCall(options []grpc.CallOption) *unaryCall {
	c := &unaryCall{}
	c.options = make([]grpc.CallOption, 0, len(options)+3)
	c.options = append(c.options, options...)
	c.options = append(c.options, grpc.Header(&c.header), grpc.Trailer(&c.trailer))
	return c
}

// invoke runs a unary call on this goroutine. ClientConn.Invoke does without the
// goroutine that grpc-go starts for every stream.
func (u *Upstream) invoke(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
	c := u.unary.Get().(*unaryCall)
	defer func() {
		c.request, c.marshalled, c.header, c.trailer, c.reply = nil, false, nil, nil, reply{}
		u.unary.Put(c)
	}()
	c.request, c.reply.single = call.Request, true

	options := c.options
	if call.Authority != "" {
		options = append(options, grpc.CallAuthority(call.Authority))
	}
	ctx = outgoing(ctx, call.Header)
	if !call.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, call.Deadline)
		defer cancel()
	}
	err := u.cc.Invoke(ctx, call.Method.Path, c, &c.reply, options...)

	if c.header != nil {
		sink.Head(fromMD(c.header))
	}
	end := ending{ctx: ctx, err: err, unopened: !c.marshalled, head: c.header != nil, trailer: c.trailer}
	if !c.marshalled {
		call.Request.Release()
	}
	switch msg := c.reply.take(); {
	case err != nil:
		// A message before an error status is not an answer.
		msg.Release()
		end.second = c.reply.count > 1
		end.none = c.reply.count == 0
	default:
		if sink.Message(msg) != nil {
			end.refused = true
		}
	}
	sink.End(u.status(&end), fromMD(c.trailer))
}
