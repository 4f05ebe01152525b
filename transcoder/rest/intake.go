package rest

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// lingerBytes is how much a client is listened to that goes on sending when it has
// its answer.
const lingerBytes = 256 << 10

// connectionClose says that an answer is the last one of its connection, and may
// come before the end of its request.
var connectionClose = []string{"close"}

// messages are the request messages of one call, in order. They belong to one
// goroutine.
type messages interface {
	// next waits for the next one, and gives its ownership. It is nil behind the
	// last one.
	next() (*rpc.Buffer, *rpc.Error)
	// release gives back the memory that they needed.
	release()
}

// single is a message that is there already.
type single struct{ message *rpc.Buffer }

func (s *single) next() (*rpc.Buffer, *rpc.Error) {
	message := s.message
	s.message = nil
	return message, nil
}

func (s *single) release() { s.message.Release() }

// intake sends the request messages of one call, on a goroutine of its own that
// ends in finish. A [rpc.Stream] that takes no more stops the reading, and with it
// the client.
type intake struct {
	r        *http.Request
	control  *http.ResponseController
	messages messages
	// body is nil if nothing of it is left to be read.
	body *watched
	// enough says that what nobody wants need not be read any more.
	enough atomic.Bool
	// done is closed when nothing is read any more.
	done chan struct{}
}

// start begins to send to the upstream. An error of the request is told to stop,
// each message that was sent to travelled.
func (i *intake) start(upstream rpc.Stream, stop func(*rpc.Error), travelled func()) {
	i.done = make(chan struct{})
	if i.r.ProtoMajor < 2 {
		// What is written does not wait for the end of what is read. Whoever does
		// this must read the body to its end, or have the connection closed: see
		// settle. Every ResponseWriter of net/http can do it.
		_ = i.control.EnableFullDuplex()
	}
	go func() {
		defer close(i.done)
		defer func() {
			// Nobody above this goroutine would.
			if p := recover(); p != nil {
				stop(mistake(p))
			}
		}()
		i.relay(upstream, stop, travelled)
		i.discard()
	}()
}

func (i *intake) relay(upstream rpc.Stream, stop func(*rpc.Error), travelled func()) {
	for {
		message, err := i.messages.next()
		switch {
		case err != nil:
			stop(err)
			return
		case message == nil:
			upstream.CloseSend()
			return
		}
		if upstream.Send(message) != nil {
			// The call has ended, which the other side is told.
			return
		}
		travelled()
	}
}

// discard goes on reading what nobody wants, until finish says that it is enough.
func (i *intake) discard() {
	if i.r.ProtoMajor >= 2 {
		return
	}
	var piece [4 << 10]byte
	for left := int64(lingerBytes); left > 0 && !i.whole() && !i.enough.Load(); {
		n, err := i.body.Read(piece[:])
		if err != nil {
			return
		}
		left -= int64(n)
	}
}

// whole reports whether all of the body has been read. It may be called from any
// goroutine.
func (i *intake) whole() bool { return i.body == nil || i.body.whole.Load() }

// settle says what becomes of the connection, before the head of an answer is
// sent: over HTTP/1 the rest of a body would be taken for the next request.
func (i *intake) settle(h http.Header) {
	if i.r.ProtoMajor < 2 && !i.whole() {
		h["Connection"] = connectionClose
	}
}

// finish ends the reading, and returns how many bytes there were. Over HTTP/1.1 a
// client that got its whole answer, as far as a handler can send one, is given time
// to see it. The call must have ended, or a send could wait for it.
func (i *intake) finish(answered bool) int64 {
	switch {
	case i.r.ProtoMajor >= 2:
		_ = i.r.Body.Close()
	case i.whole():
	case answered:
		// Who waits for the answer before it goes on has it now. Who goes on without
		// it is listened to by net/http, behind the end of the answer.
		_ = i.control.Flush()
		i.enough.Store(true)
		_ = i.control.SetReadDeadline(time.Now().Add(route.Linger))
	default:
		_ = i.control.SetReadDeadline(time.Unix(1, 0))
	}
	<-i.done
	n := int64(0)
	if i.body != nil {
		n = i.body.n
	}
	i.messages.release()
	return n
}

// turnAway answers a request of whose body nothing has been read with an error.
func turnAway(l look, w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error) {
	route.LeaveBody(w, r)
	l.refuse(w, r, x, err)
}

// open reads the head of the request, makes k.call of it, and gives its messages.
// The call has no deadline of unary calls, and its body may last as long as it
// does.
func (l *rule) open(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange) (*intake, *rpc.Error) {
	in := &intake{r: r, control: http.NewResponseController(w)}
	if !l.plan.TakesBody() {
		// All of the stream is one message of path and query.
		if err := withoutMessages(r, x); err != nil {
			return nil, err
		}
		if err := l.prepare(k, w, r, x); err != nil {
			return nil, err
		}
		in.messages = &single{k.call.Request}
		k.call.Request = nil
		return in, nil
	}
	boundary, err := l.boundary(r)
	if err != nil {
		return nil, err
	}
	if boundary != "" || l.plan.TakesHTTPBody() {
		// Bytes that travel on as they come are no messages to look at.
		if err := withoutMessages(r, x); err != nil {
			return nil, err
		}
	}
	if boundary != "" {
		f, err := l.formMessages(k, w, r, x, in.control, boundary)
		if err != nil {
			return nil, err
		}
		in.messages, in.body = f, f.in.source
		return in, nil
	}
	e, err := l.elements(k, w, r, x, in.control)
	if err != nil {
		return nil, err
	}
	in.messages, in.body = e, e.in.source
	if l.plan.TakesHTTPBody() {
		in.messages = newUpload(e)
	}
	return in, nil
}
