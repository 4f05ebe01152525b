package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// forwarding is one exchange that is forwarded.
type forwarding struct {
	handler *handler
	w       http.ResponseWriter
	r       *http.Request
	x       *route.Exchange

	url url.URL
	in  inlet
	// small is a body that was taken in.
	small bytes.Reader
	watch watch
	trace httptrace.ClientTrace
	// upgrades is the protocol that the client asks for, nil if it does not.
	upgrades []string
	ctx      context.Context
	cancel   context.CancelCauseFunc
	// telling says that the client is being written to.
	telling atomic.Bool
	// headed says that there is an answer, or that there is none.
	headed atomic.Bool

	// interim guards what is written to the client before the answer's head; begun
	// says that no more of that is to come.
	interim sync.Mutex
	begun   bool
	// conn is the connection to the upstream, if an upgrade is asked for.
	conn net.Conn
}

// connectionClose says that an answer is the last one of its connection, and may come
// before the end of its request.
var connectionClose = []string{"close"}

// errorKey is rpc.ErrorHeader as http.Header has it: only this gateway may say that an
// error is its own.
var errorKey = textproto.CanonicalMIMEHeaderKey(rpc.ErrorHeader)

// open makes the context of the request for the upstream, which must be cancelled.
func (f *forwarding) open() context.Context {
	f.ctx, f.cancel = context.WithCancelCause(f.r.Context())
	ctx := f.ctx
	if f.r.ProtoAtLeast(1, 1) {
		f.trace.Got1xxResponse = f.inform
		if f.upgrades != nil {
			f.trace.GotConn = f.connected
		}
		ctx = httptrace.WithClientTrace(ctx, &f.trace)
	}
	if f.handler.origin.Aware {
		ctx = upstream.WithAbout(ctx, f.about())
	}
	return ctx
}

// forward sends out and passes the answer on.
func (f *forwarding) forward(out *http.Request) {
	begin := waiting
	if out.Body != nil {
		begin = sending
		if f.r.ProtoMajor < 2 {
			control := http.NewResponseController(f.w)
			// What is written does not wait for the end of what is read, which the watch
			// bounds from now on. Whoever does this must read the body to its end, or have
			// the connection closed. Who can do neither has no connection.
			_ = control.EnableFullDuplex()
			_ = control.SetReadDeadline(time.Time{})
		}
	}
	f.watch.timeout, f.watch.idle = f.handler.Timeout, f.handler.IdleTimeout
	f.watch.begin(begin, f.expire)
	defer f.watch.stop()
	res, err := f.send(out)
	f.headed.Store(true)
	f.settled()
	answered := false
	defer func() {
		f.watch.stop()
		f.x.RequestBytes += f.in.finish(answered)
		f.cancel(nil)
		if res != nil {
			_ = res.Body.Close()
		}
	}()
	switch {
	case err != nil:
		f.turnAway(f.failed(err))
	case res.StatusCode == http.StatusSwitchingProtocols && f.upgrades != nil:
		f.upgraded(res)
	case res.StatusCode < http.StatusOK:
		f.turnAway(rpc.Errorf(rpc.UpstreamProtocol, "the upstream answered with status %d, which was not asked for", res.StatusCode))
	default:
		f.answer(res)
	}
	answered = true
}

// send has the request answered.
func (f *forwarding) send(out *http.Request) (*http.Response, error) {
	if err := f.gather(out); err != nil {
		return nil, err
	}
	return f.handler.Upstream.Send(out, nil)
}

// expire ends an exchange that takes too long, whatever it waits for.
func (f *forwarding) expire() {
	var cause error
	if f.watch.phase == waiting || f.watch.phase == answering && !f.telling.Load() {
		// It is the upstream that takes too long, which counts for those to come.
		cause = context.DeadlineExceeded
	}
	f.cancel(cause)
	if f.in.body != nil && !f.in.whole.Load() {
		f.in.closed.Store(true)
		f.in.interrupt(0)
	}
	if f.watch.phase == answering {
		// The client may be what waits.
		_ = http.NewResponseController(f.w).SetWriteDeadline(time.Unix(1, 0))
	}
}

// turnAway answers a request with an error of which something may be left to be read.
func (f *forwarding) turnAway(err *rpc.Error) {
	f.settle(f.w.Header())
	f.refuse(err)
}

// settle says what becomes of the connection, before the head of an answer is sent: over
// HTTP/1 the rest of a body would be taken for the next request.
func (f *forwarding) settle(h http.Header) {
	if f.r.ProtoMajor < 2 && f.in.body != nil && !f.in.whole.Load() {
		h["Connection"] = connectionClose
	}
}

// proceed is called before the body is read, by which net/http may tell a client to
// continue: that is the last interim answer then, as nothing keeps it apart from others.
func (f *forwarding) proceed() {
	if len(f.r.Header["Expect"]) > 0 {
		f.settled()
	}
}

// settled ends interim answers.
func (f *forwarding) settled() {
	f.interim.Lock()
	f.begun = true
	f.interim.Unlock()
}

// inform passes on an interim answer of the upstream. It is called on a goroutine of the
// library, perhaps after the exchange. To continue is said by net/http when the body
// is read.
func (f *forwarding) inform(status int, header textproto.MIMEHeader) error {
	f.interim.Lock()
	defer f.interim.Unlock()
	if f.begun || status == http.StatusContinue {
		return nil
	}
	f.watch.touch()
	h := f.w.Header()
	lent := make([]string, 0, len(header))
	for name, values := range header {
		if _, ok := h[name]; !ok && !isHop(name) && name != errorKey {
			h[name], lent = values, append(lent, name)
		}
	}
	f.w.WriteHeader(status)
	for _, name := range lent {
		delete(h, name)
	}
	return nil
}

// answer passes the answer on. It panics if it cannot be completed.
func (f *forwarding) answer(res *http.Response) {
	f.watch.enter(answering)
	h := f.w.Header()
	f.head(h, res)
	announced := announce(h, res.Trailer)
	if announced > 0 && f.r.ProtoMajor < 2 {
		// There are no trailers without chunks.
		delete(h, "Content-Length")
	}
	f.settle(h)
	f.w.WriteHeader(res.StatusCode)
	if err := f.copyBody(res, announced > 0); err != nil {
		f.abort(err)
	}
	trail(h, res.Trailer, announced)
}

// head makes the header of the answer.
func (f *forwarding) head(h http.Header, res *http.Response) {
	typed := false
	for name, values := range res.Header {
		if isHop(name) || name == errorKey {
			continue
		}
		typed = typed || name == "Content-Type"
		if own, ok := h[name]; ok {
			switch {
			case name == "Vary":
				values = append(own[:len(own):len(own)], values...)
			case strings.HasPrefix(name, "Access-Control-"):
				// It is the route that answers browsers, if it says anything.
				continue
			}
		}
		h[name] = values
	}
	if len(res.Header["Connection"]) > 0 {
		dropNamedOf(h, res.Header)
	}
	if !typed && h["Content-Type"] == nil {
		// net/http would guess one.
		h["Content-Type"] = nil
	}
}

// dropNamedOf removes from h what an answer's Connection header names of the answer.
func dropNamedOf(h, answer http.Header) {
	for _, line := range answer["Connection"] {
		for token := range strings.SplitSeq(line, ",") {
			name := textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(token))
			if _, theirs := answer[name]; theirs && !isHop(name) && name != "Content-Length" {
				delete(h, name)
			}
		}
	}
}

// announce names the trailers that an answer has announced, and returns how many there
// are.
func announce(h, trailer http.Header) int {
	if len(trailer) == 0 {
		return 0
	}
	names := make([]string, 0, len(trailer))
	for name := range trailer {
		if mayTrail(name) && name != errorKey {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		h["Trailer"] = names
	}
	return len(names)
}

// trail sets the trailers behind a body.
func trail(h, trailer http.Header, announced int) {
	for name, values := range trailer {
		switch {
		case !mayTrail(name) || name == errorKey:
		case announced > 0 && named(h["Trailer"], name):
			h[name] = values
		default:
			h[http.TrailerPrefix+name] = values
		}
	}
}

func named(names []string, name string) bool {
	for _, one := range names {
		if one == name {
			return true
		}
	}
	return false
}

// bufferSize is how much of a body is read at once.
const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// copyBody passes the body of an answer on. What has a length is sent when there is
// enough of it, everything else as it comes.
func (f *forwarding) copyBody(res *http.Response, flush bool) error {
	if res.Body == http.NoBody || f.r.Method == http.MethodHead {
		return nil
	}
	flush = flush || res.ContentLength < 0 || isStream(res.Header)
	if flush && res.ContentLength != 0 {
		// The first bytes may be long in coming. An error is one of the next write, too.
		_ = http.NewResponseController(f.w).Flush()
	}
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := res.Body.Read(buf[:])
		if n > 0 {
			f.watch.touch()
			if err := f.tell(buf[:n], flush && err == nil); err != nil {
				return clientError{err}
			}
			f.watch.touch()
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// tell writes to the client.
func (f *forwarding) tell(p []byte, flush bool) error {
	f.telling.Store(true)
	_, err := f.w.Write(p)
	if err == nil && flush {
		err = http.NewResponseController(f.w).Flush()
	}
	f.telling.Store(false)
	return err
}

// clientError is an error of writing to the client.
type clientError struct{ error }

// isStream reports whether an answer is one of messages that somebody waits for, even if
// its length is known.
func isStream(h http.Header) bool {
	values := h["Content-Type"]
	if len(values) == 0 {
		return false
	}
	media, _, _ := strings.Cut(values[0], ";")
	media = strings.TrimSpace(media)
	const grpc = "application/grpc"
	return strings.EqualFold(media, "text/event-stream") || strings.EqualFold(media, "application/x-ndjson") ||
		len(media) >= len(grpc) && strings.EqualFold(media[:len(grpc)], grpc)
}

// abort ends an answer whose head is out and that cannot be completed.
func (f *forwarding) abort(cause error) {
	err := f.late(cause)
	if err == nil {
		if _, client := cause.(clientError); client || f.r.Context().Err() != nil {
			err = &rpc.Error{Reason: rpc.ClientClosed, Message: errGone.Message, Cause: cause}
		} else if err = f.in.fault(); err == nil {
			err = &rpc.Error{Reason: reasonOf(cause), Message: "the upstream's answer was cut short", Cause: cause}
		}
	}
	f.note(err)
	panic(http.ErrAbortHandler)
}
