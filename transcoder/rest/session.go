package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// closeGrace is how long the last frames may take to be written, and the client to
// answer them.
const closeGrace = time.Second

// session is one call over a WebSocket. Three goroutines have a part in it: the
// handler's relays the answers and ends the session, one takes the frames of the
// client, one pings. Whoever of them finds that it is over cancels ctx
// with the reason.
type session struct {
	*webSocket
	// work has the memory of the answers; inbox has that of the requests, and
	// belongs to receive.
	work, inbox *work
	r           *http.Request
	x           *route.Exchange
	conn        *websocket.Conn
	socket      *socket

	ctx    context.Context
	cancel context.CancelCauseFunc
	call   rpc.Call
	queue  *rpc.Queue
	// stream is the call, which receive may use once started is closed.
	stream  rpc.Stream
	started chan struct{}
	// first gets the one message of a call without client streaming.
	first chan *rpc.Buffer

	// request is what messages are bound of, but for their bodies.
	request plan.Request
	// requests and responses have the programs that look at messages, nil for none.
	// heard is the request for them, which nobody else looks at.
	requests, responses route.Messages
	heard               *http.Request
	// received counts messages of the client, and ended says that there are no
	// more; both belong to receive.
	received int64
	ended    bool
	// bytesIn counts those of the client's messages.
	bytesIn int64
	// binary says that the client's last message was binary.
	binary atomic.Bool
	// reading says that receive waits for the client, not for the upstream.
	reading atomic.Bool
	idle    *rpc.Idle
}

// newSession is for a connection that has been accepted; k.call is what it is to
// call.
func newSession(t *webSocket, k *work, r *http.Request, x *route.Exchange, conn *websocket.Conn, sock *socket) *session {
	s := &session{
		webSocket: t, work: k, inbox: newWork(), r: r, x: x, conn: conn, socket: sock,
		call: k.call, queue: rpc.NewQueue(rpc.ReadAhead),
		started: make(chan struct{}), first: make(chan *rpc.Buffer, 1),
		request: plan.Request{Path: x.Path, Captures: k.spans, RawQuery: r.URL.RawQuery},
	}
	if s.responses = responsesOf(x); t.framed {
		if s.requests = requestsOf(x); s.requests != nil {
			s.heard = r.Clone(r.Context())
		}
	}
	// The upstream may look at the call until it has ended, which nobody waits for.
	k.call = rpc.Call{}
	s.ctx, s.cancel = context.WithCancelCause(r.Context())
	return s
}

// run serves the session to its end.
func (s *session) run() {
	var tasks sync.WaitGroup
	// Whatever happens here, a panic too, the others have ended when it returns: they
	// use what the handler gives back behind it.
	defer func() {
		s.cancel(nil)
		_ = s.conn.CloseNow()
		tasks.Wait()
		s.inbox.release()
		s.x.RequestBytes += s.bytesIn
	}()
	if !s.call.Deadline.IsZero() {
		// A client that stopped reading does not hold the call for longer.
		_ = s.socket.SetWriteDeadline(s.call.Deadline.Add(writeGrace))
	}
	// Nor one that does not read how the session ends.
	stop := context.AfterFunc(s.ctx, func() { _ = s.socket.SetDeadline(time.Now().Add(closeGrace)) })
	defer stop()
	if s.settings.Stream.Ping > 0 {
		tasks.Go(s.watch)
	}
	s.idle = rpc.StartIdle(s.settings.Stream.IdleTimeout, func(err *rpc.Error) { s.cancel(err) })
	defer s.idle.Stop()
	tasks.Go(s.receive)
	c := s.relay()
	s.cancel(nil)
	s.close(&c)
}

// waitsForFirst reports whether the call begins with the client's first message.
func (s *session) waitsForFirst() bool { return s.framed && !s.method.ClientStreaming }

// relay begins the call, and sends what the upstream answers until it has ended.
func (s *session) relay() closing {
	if s.waitsForFirst() && !s.await() {
		return s.interrupted()
	}
	s.stream = s.upstream.Start(s.ctx, &s.call, s.queue)
	defer s.queue.Abort()
	defer s.stream.Cancel()
	close(s.started)
	for {
		event, err := s.queue.Next(s.ctx)
		if err != nil {
			return s.interrupted()
		}
		switch event.Kind {
		case rpc.HeadEvent:
			// The head of the answer was the upgrade.
		case rpc.MessageEvent:
			err := s.send(event.Message.B)
			event.Message.Release()
			if err != nil {
				s.cancel(err)
				return s.interrupted()
			}
		case rpc.EndEvent:
			s.x.UnknownFields = event.Status.UnknownFields
			// For these the client has the time that it needs, as for those before:
			// only how it ends must be taken soon.
			if err := s.socket.release(); err != nil {
				s.cancel(s.left(err))
				return s.interrupted()
			}
			switch {
			case event.Status.Code == codes.OK:
				s.x.Code = int(codes.OK)
				return closing{code: websocket.StatusNormalClosure}
			case s.ctx.Err() != nil:
				return s.interrupted()
			}
			return s.failed(&event.Status)
		}
	}
}

// await waits for the one message that the client sends. A stream may last, but its
// request is one message like any other.
func (s *session) await() bool {
	until := s.call.Deadline
	if until.IsZero() && s.settings.UnaryTimeout > 0 {
		until = time.Now().Add(s.settings.UnaryTimeout)
	}
	if !until.IsZero() {
		timer := time.AfterFunc(time.Until(until), func() {
			s.cancel(rpc.Errorf(rpc.DeadlineExceeded, "the deadline passed before the request was complete"))
		})
		defer timer.Stop()
	}
	select {
	case s.call.Request = <-s.first:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// interrupted is how a session ends whose context did.
func (s *session) interrupted() closing { return s.closingOf(context.Cause(s.ctx)) }

// send sends one message of the upstream.
func (s *session) send(wire []byte) error {
	kind, out := websocket.MessageBinary, wire
	binary, k := s.binary.Load(), s.work
	if s.responses != nil {
		if refused := s.answerShown(k, wire, binary); refused != nil {
			return refused
		}
		out = k.out
	}
	if !binary {
		kind = websocket.MessageText
		if s.responses == nil {
			var err error
			if k.out, err = s.plan.Render(k.out[:0], wire, k.want, &k.scratch); err != nil {
				return s.unrenderable(err)
			}
			out = k.out
		}
		if s.settings.Pretty {
			var refused *rpc.Error
			if out, refused = s.indented(k, out); refused != nil {
				return refused
			}
		}
	}
	s.socket.hold(s.queue.Ready())
	// A context that can end would cost a timer for each message; deadlines end a
	// write as well.
	err := s.conn.Write(context.Background(), kind, out)
	s.x.ResponseBytes += int64(len(out))
	s.work.trim(maxIdle)
	s.idle.Touch()
	return err
}

// close tells the client how the session ended, and gives it a while to agree.
func (s *session) close(c *closing) {
	if c.silent {
		_ = s.conn.CloseNow()
		return
	}
	_ = s.socket.SetDeadline(time.Now().Add(closeGrace))
	s.socket.hold(false)
	if c.fault != nil && !s.binary.Load() {
		if s.conn.Write(context.Background(), websocket.MessageText, c.fault) != nil {
			_ = s.conn.CloseNow()
			return
		}
		s.x.ResponseBytes += int64(len(c.fault))
	}
	// A client that does not agree has been told all the same.
	_ = s.conn.Close(c.code, c.reason)
}

// receive takes the frames of the client until there are no more.
func (s *session) receive() {
	defer func() {
		// Nobody above this goroutine would.
		if p := recover(); p != nil {
			s.cancel(mistake(p))
		}
	}()
	for {
		s.socket.hear() // what waited meanwhile is no silence
		s.reading.Store(true)
		kind, err := s.frame()
		s.reading.Store(false)
		if err == nil {
			err = s.message(kind)
		}
		if err != nil {
			s.cancel(err)
			return
		}
		s.inbox.trim(maxIdle)
	}
}

// mistake is the error of a goroutine that panicked beside its handler's.
func mistake(p any) *rpc.Error {
	return &rpc.Error{Reason: rpc.Internal, Message: "the gateway made a mistake", Cause: fmt.Errorf("panic: %v", p)}
}

// frame reads one message of the client into inbox.body.
func (s *session) frame() (websocket.MessageType, error) {
	kind, in, err := s.conn.Reader(context.Background())
	if err != nil {
		return 0, s.left(err)
	}
	k := s.inbox
	k.body = k.body[:0]
	limit := s.settings.MaxRequestBytes
	for {
		if len(k.body) == cap(k.body) {
			k.body = slices.Grow(k.body, max(len(k.body), smallFrame))
		}
		// One byte more than allowed shows that there is more.
		n, err := in.Read(k.body[len(k.body):min(cap(k.body), limit+1)])
		k.body = k.body[:len(k.body)+n]
		s.bytesIn += int64(n)
		switch {
		case len(k.body) > limit:
			return 0, rpc.Errorf(rpc.RequestTooLarge, "the message is larger than %d bytes", limit)
		case errors.Is(err, io.EOF):
			return kind, nil
		case err != nil:
			return 0, s.left(err)
		}
	}
}

// smallFrame is the room that a message gets before anything of it has come.
const smallFrame = 512

// left is the reason of a session whose connection cannot be read any more.
func (s *session) left(err error) error {
	if code := websocket.CloseStatus(err); code == websocket.StatusNormalClosure || code == websocket.StatusGoingAway || code == websocket.StatusNoStatusRcvd {
		return errLeft
	}
	return fmt.Errorf("%w: %w", errLeft, err)
}

// message sends the message in inbox.body on.
func (s *session) message(kind websocket.MessageType) error {
	body := s.inbox.body
	binary := kind == websocket.MessageBinary
	if !binary && len(body) == 0 && (s.received > 0 || !s.waitsForFirst()) {
		if !s.ended && s.method.ClientStreaming {
			if s.received == 0 && s.requests != nil {
				if _, refused := s.requests.Request(nil, nil, s.heard); refused != nil {
					return refused
				}
			}
			if s.begun() {
				s.stream.CloseSend()
			}
		}
		s.ended = true
		return nil
	}
	s.binary.Store(binary)
	s.idle.Touch()
	switch {
	case s.method.ClientStreaming && s.ended:
		return rpc.Errorf(rpc.InvalidRequest, "a message came after the end of messages")
	case !s.method.ClientStreaming && (!s.framed || s.received > 0):
		if len(body) == 0 {
			// It only asks for the kind of the answers.
			return nil
		}
		return rpc.Errorf(rpc.InvalidRequest, "this path takes no message but the one that it has")
	case binary && !s.wire:
		return rpc.Errorf(rpc.UnsupportedMediaType, "the body of this path is no message, and has no binary form: send text")
	}
	msg, err := s.bind(binary)
	if err != nil {
		return err
	}
	s.received++
	if !s.method.ClientStreaming {
		s.first <- msg
		return nil
	}
	if !s.begun() {
		msg.Release()
		return nil
	}
	// That the upstream takes no more is no error: its end says why.
	if s.stream.Send(msg) != nil {
		s.ended = true
		<-s.ctx.Done()
		return context.Cause(s.ctx)
	}
	return nil
}

// begun waits for the call. It is false if there will be none.
func (s *session) begun() bool {
	select {
	case <-s.started:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// bind makes a request message of inbox.body.
func (s *session) bind(binary bool) (*rpc.Buffer, error) {
	k := s.inbox
	request := s.request
	request.Body = k.body
	if s.requests != nil {
		var refused *rpc.Error
		if request.Body, refused = s.frameShown(k, k.body, binary); refused != nil {
			return nil, refused
		}
	}
	msg := rpc.NewBufferFor(len(request.Body))
	head := s.received == 0 || s.settings.Stream.BindAll
	var err error
	switch {
	case head && binary:
		msg.B, err = s.plan.BindWire(msg.B, &request, &k.scratch)
	case head:
		msg.B, err = s.plan.Bind(msg.B, &request, &k.scratch)
	case binary:
		msg.B, err = s.plan.BindFurtherWire(msg.B, &request, &k.scratch)
	default:
		msg.B, err = s.plan.BindFurther(msg.B, &request, &k.scratch)
	}
	if err != nil {
		msg.Release()
		return nil, badRequest(err)
	}
	if broken := transcoder.Check(s.rules, msg.B, &k.checks); broken != nil {
		msg.Release()
		return nil, broken
	}
	return msg, nil
}

// watch pings a client that is silent.
func (s *session) watch() {
	after := s.settings.Stream.Ping
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return
		}
		// While a slow upstream holds up the client's messages, nobody would read its
		// answer; and a client that waits to send could not give one. Who reads again
		// has noted that first.
		left := after
		if s.reading.Load() {
			if left = after - s.socket.quiet(); left <= 0 {
				if !s.ping(after) {
					return
				}
				left = after
			}
		}
		timer.Reset(left)
	}
}

// ping asks whether the client lives, and ends the session if it says nothing for
// as long.
func (s *session) ping(patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	err := s.conn.Ping(ctx)
	reads := s.reading.Load()
	switch {
	case err == nil, s.ctx.Err() != nil:
		return s.ctx.Err() == nil
	case errors.Is(err, context.DeadlineExceeded) && (!reads || s.socket.quiet() < patience):
		// It did say something, or nobody has read what it may have said.
		return true
	}
	s.cancel(s.left(err))
	return false
}
