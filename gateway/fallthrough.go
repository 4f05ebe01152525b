package gateway

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// fallThroughs lets the requests of a route go on, if it says so.
func (c *compiler) fallThroughs(rt *compiledRoute) {
	if rt.cfg.FallThrough == nil {
		return
	}
	on := answersOf(rt.cfg.FallThrough)
	for _, e := range rt.entries {
		if e.Inner == nil {
			e.Inner = e.Handler
		}
		e.FallsThrough = true
		e.Handler = &fallThrough{next: e.Handler, route: rt.cfg.Name, on: on, limit: rt.cfg.FallThrough.MaxRequestBytes}
	}
}

// answers is a set of statuses of HTTP and of gRPC.
type answers struct{ statuses, codes []int }

func answersOf(cfg *config.FallThrough) *answers {
	on := new(answers)
	for _, text := range cfg.On {
		if status, err := strconv.Atoi(text); err == nil {
			on.statuses = append(on.statuses, status)
		} else {
			on.codes = append(on.codes, slices.Index(codeNames[:], text))
		}
	}
	return on
}

// fallThrough is the handler of an entry that has the last word only if its upstream
// knows what was asked for: otherwise the next route that fits the request answers in
// its place, if there is one.
type fallThrough struct {
	next  route.Handler
	route string
	on    *answers
	// limit is how much of a body is kept.
	limit int
}

var _ route.Handler = (*fallThrough)(nil)

// Serve implements [route.Handler].
func (f *fallThrough) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	held := &heldAnswer{
		ResponseWriter: w, route: f, request: r, exchange: x,
		// Programs before the route that look at messages may have had theirs.
		final: x.Messages != nil,
	}
	asked := r
	if r.Body != nil && r.Body != http.NoBody {
		held.body.keep(r.Body, f.limit, r.ContentLength)
		asked = new(http.Request)
		*asked = *r
		asked.Body = &held.body
	}
	if f.ask(held, asked, x); held.dropped {
		f.goOn(w, r, x, held)
	}
}

// ask has the route answer.
func (f *fallThrough) ask(held *heldAnswer, r *http.Request, x *route.Exchange) {
	defer func() {
		if !held.dropped {
			return
		}
		// An answer that ends early is aborted, which is of no matter if nobody gets it.
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // it is never wrapped
			panic(p)
		}
	}()
	f.next.Serve(held, r, x)
	held.end()
}

// goOn gives the request to the next route. Nothing of the first one is left but what
// its programs have noted for the log.
func (f *fallThrough) goOn(w http.ResponseWriter, r *http.Request, x *route.Exchange, held *heldAnswer) {
	clear(w.Header())
	control := http.NewResponseController(w)
	// A call that ends with its deadline bounds what is written.
	_ = control.SetWriteDeadline(time.Time{})
	if held.rest != nil {
		again := new(http.Request)
		*again = *r
		again.Body = held.rest
		r = again
		if r.ProtoMajor == 1 {
			// Whoever did not want the body may have given its rest little time.
			_ = control.SetReadDeadline(time.Now().Add(unreadTimeout))
		}
	}
	read, next := x.RequestBytes, &held.next
	*x = route.Exchange{
		Table: x.Table, Entry: next.Entry, Path: next.Path, Captures: next.Captures, Tried: next.Tried,
		Client: x.Client, Code: -1, Log: x.Log,
	}
	x.Entry.Handler.Serve(w, r, x)
	// What is read again has travelled once.
	x.RequestBytes = max(x.RequestBytes, read)
}

// find looks for the next route that takes the request.
func (f *fallThrough) find(r *http.Request, x, next *route.Exchange) bool {
	next.Tried = append(slices.Clip(x.Tried), f.route)
	q := requestOf(r)
	q.Tried = next.Tried
	if route.Upgrades(r) {
		as := asUpgrade(&q)
		if x.Table.Match(&as, next) == route.Found && next.Entry.Method == transcoder.MethodWebSocket {
			return true
		}
	}
	if q.Method == transcoder.MethodWebSocket {
		q.Method = "" // as in match
	}
	return x.Table.Match(&q, next) == route.Found
}

// heldAnswer is the [http.ResponseWriter] of a handler whose answer may be dropped:
// nothing is written before that is decided.
type heldAnswer struct {
	http.ResponseWriter
	route    *fallThrough
	request  *http.Request
	exchange *route.Exchange
	body     keptBody
	// final says that the answer is the client's whatever it is.
	final bool
	// status is one whose answer is still held: that of a gRPC call that has a head,
	// and no message so far. begun says that the answer is the client's, dropped that
	// it is nobody's and that next has the route that answers.
	status         int
	begun, dropped bool
	next           route.Exchange
	// rest is the body for the next route, nil if there is none.
	rest io.ReadCloser
	// discarded counts what was written of an answer that was dropped.
	discarded int
}

// maxDiscarded is how much of the body of an answer that is dropped is read, so that
// the connection to the upstream can be used again.
const maxDiscarded = 64 << 10

var errDropped = errors.New("another route answers")

// decide reports whether an answer with this head is dropped.
func (h *heldAnswer) decide(status int, header http.Header) bool {
	x := h.exchange
	// Errors of the gateway are no answers of an upstream.
	if h.final || x.Failure != nil || x.Reason != "" || !h.isOn(status, header) || !h.route.find(h.request, x, &h.next) {
		return false
	}
	if h.body.ReadCloser == nil {
		return true
	}
	rest, ok := h.body.again()
	h.rest = rest
	return ok
}

func (h *heldAnswer) isOn(status int, header http.Header) bool {
	on := h.route.on
	if slices.Contains(on.statuses, status) || slices.Contains(on.codes, h.exchange.Code) {
		return true
	}
	// An upstream of HTTP may answer gRPC.
	for _, key := range []string{"Grpc-Status", http.TrailerPrefix + "Grpc-Status"} {
		if values := header[key]; len(values) > 0 {
			code, err := strconv.Atoi(values[0])
			return err == nil && slices.Contains(on.codes, code)
		}
	}
	return false
}

// WriteHeader implements [http.ResponseWriter].
func (h *heldAnswer) WriteHeader(status int) {
	switch {
	case h.begun:
		h.ResponseWriter.WriteHeader(status)
	case h.dropped:
	case status < 200 && status != http.StatusSwitchingProtocols:
		// It promises nothing of the answer.
		h.ResponseWriter.WriteHeader(status)
	case h.decide(status, h.Header()):
		h.dropped = true
	case h.status == 0 && status == http.StatusOK && len(h.route.on.codes) > 0 && route.SpeaksGRPC(h.request):
		h.status = status
	default:
		h.begin(status)
	}
}

// begin makes the answer the client's.
func (h *heldAnswer) begin(status int) {
	h.begun = true
	h.body.forget()
	h.ResponseWriter.WriteHeader(status)
}

// commit ends the holding before something is sent.
func (h *heldAnswer) commit() {
	if !h.begun && !h.dropped {
		if h.status == 0 {
			h.WriteHeader(http.StatusOK)
		}
		if h.status != 0 {
			h.begin(h.status)
		}
	}
}

// end is for what the handler has left open: an answer of a head alone.
func (h *heldAnswer) end() {
	if !h.begun && !h.dropped {
		h.dropped = h.decide(http.StatusOK, h.Header())
	}
	if !h.begun && !h.dropped && h.status != 0 {
		h.begin(h.status)
	}
}

// Write implements [http.ResponseWriter].
func (h *heldAnswer) Write(p []byte) (int, error) {
	h.commit()
	if h.dropped {
		if h.discarded += len(p); h.discarded > maxDiscarded {
			return 0, errDropped
		}
		return len(p), nil
	}
	return h.ResponseWriter.Write(p)
}

// FlushError lets [http.ResponseController] flush.
func (h *heldAnswer) FlushError() error {
	h.commit()
	if h.dropped {
		return nil
	}
	return http.NewResponseController(h.ResponseWriter).Flush()
}

// Flush implements [http.Flusher].
func (h *heldAnswer) Flush() { _ = h.FlushError() }

// Hijack implements [http.Hijacker].
func (h *heldAnswer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if h.dropped {
		return nil, nil, errDropped
	}
	h.begun = true
	h.body.forget()
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

// Unwrap lets [http.ResponseController] reach the connection.
func (h *heldAnswer) Unwrap() http.ResponseWriter { return h.ResponseWriter }
