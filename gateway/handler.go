package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// handler serves one listener from whatever snapshot is current.
type handler struct {
	gateway *Gateway
	// listener is the index of the listener's table in every snapshot.
	listener int
	// trusted are the proxies that are believed what they say of clients.
	trusted forwarded.Networks
}

// exchange is the working memory of one request, reused.
type exchange struct {
	route.Exchange
	request route.Request
	client  forwarded.Client
	writer  responseWriter
	attrs   []slog.Attr
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	x := exchanges.Get().(*exchange)
	h.begin(x, w, r)
	defer h.finish(x, r, start)
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		// net/http reads what nobody has read of a body before it answers, and
		// would wait for ever. Who reads the body sets a deadline of its own. An
		// error means that the ResponseWriter knows of none.
		_ = http.NewResponseController(w).SetReadDeadline(start.Add(unreadTimeout))
	}
	h.serve(x, r)
}

// begin prepares x for a request. What it needs of the stack is not there any more when
// the request is served: over HTTP/2 each has a new stack, which would grow.
func (h *handler) begin(x *exchange, w http.ResponseWriter, r *http.Request) {
	x.Reset()
	x.Code = -1
	x.writer = responseWriter{ResponseWriter: w, exchange: &x.Exchange, request: r}
	proxy.DropNamed(r.Header)
	if len(h.trusted) > 0 {
		var told bool
		if x.client, told = h.trusted.ClientOf(route.PeerOf(r), r.Header); told {
			x.Client = &x.client
		}
	}
	if x.Client == nil {
		forwarded.Drop(r.Header)
	}
	x.request = requestOf(r)
}

// unreadTimeout bounds how long a body that is not wanted may take to come.
const unreadTimeout = 10 * time.Second

func (h *handler) serve(x *exchange, r *http.Request) {
	snap := h.gateway.snapshot.Load()
	x.writer.edits = snap.edits[h.listener]
	if before := snap.before[h.listener]; before != nil {
		before.Serve(&x.writer, r, &x.Exchange)
		return
	}
	snap.serve(h.listener, &x.writer, r, &x.request, &x.Exchange)
}

// serve answers r, which is q, by its route.
func (s *Snapshot) serve(listener int, w http.ResponseWriter, r *http.Request, q *route.Request, x *route.Exchange) {
	x.Table = s.tables[listener]
	if q.Method == http.MethodOptions {
		if preflight := preflightOf(x.Table, q, r, x); preflight != nil {
			preflight.ServeHTTP(w, r)
			return
		}
	}
	switch allow, err := s.match(listener, r, q, x); {
	case err != nil:
		s.refuse[listener].Refuse(w, r, x, err)
	case allow != nil:
		w.Header().Set("Allow", strings.Join(allow, ", "))
		w.WriteHeader(http.StatusNoContent)
	case x.Messages != nil && x.Entry.Origin != transcoder.OriginNative && x.Entry.Method != transcoder.MethodWebSocket:
		// A program before the route waits for messages, as the request said that there
		// would be, and this entry shows none: it must not be left out.
		s.refuse[listener].Refuse(w, r, x, rpc.Errorf(rpc.InvalidRequest, "the request says that it is gRPC or a WebSocket, and %s %s is neither", q.Method, q.Path))
	default:
		x.Entry.Handler.Serve(w, r, x)
	}
}

// preflightOf is what answers r, which is q, as a CORS preflight request
// (fetch.spec.whatwg.org): it asks whether the entry for another method may be
// called. It is nil if r is none, or if that entry has no answer.
func preflightOf(table *route.Table, q *route.Request, r *http.Request, x *route.Exchange) http.Handler {
	method := r.Header.Get("Access-Control-Request-Method")
	if method == "" || r.Header.Get("Origin") == "" {
		return nil
	}
	asked := *q
	asked.Method = method
	if table.Match(&asked, x) != route.Found {
		return nil
	}
	return x.Entry.Preflight
}

// finish runs after every request, whether its handler returned or panicked.
func (h *handler) finish(x *exchange, r *http.Request, start time.Time) {
	caught := recover()
	err, _ := caught.(error)
	if caught != nil && !errors.Is(err, http.ErrAbortHandler) {
		h.gateway.log.Error("panic while serving", "path", x.request.Path, "panic", caught, "stack", string(debug.Stack()))
		if x.writer.status == 0 {
			x.Reason = string(rpc.Internal)
			h.gateway.refuser(h.gateway.snapshot.Load().settings[h.listener])(&x.writer, r, &x.Exchange, rpc.Errorf(rpc.Internal, "the gateway made a mistake"))
			caught = nil
		} else {
			// Part of an answer is out: cut it off, so that nobody takes it
			// for a whole one.
			caught = http.ErrAbortHandler
		}
	}
	if caught == nil && x.writer.status == 0 {
		// net/http sends a head all the same.
		x.writer.edit(http.StatusOK)
	}
	if r.Method == http.MethodHead {
		// net/http takes what is written in answer to HEAD, and sends nothing.
		x.ResponseBytes = 0
	}
	h.gateway.logAccess(x, r, start, caught != nil)
	x.writer = responseWriter{}
	x.client = forwarded.Client{}
	x.Reset() // what it refers to may be large
	x.request = route.Request{}
	exchanges.Put(x)
	if caught != nil {
		panic(caught)
	}
}

func contentType(r *http.Request) string {
	if v := r.Header["Content-Type"]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// responseWriter makes the last changes to the head of a response, and notes what the
// access log tells of it: below it nothing changes any more.
type responseWriter struct {
	http.ResponseWriter
	exchange *route.Exchange
	request  *http.Request
	// edits are those of the listener, for answers without a route. fault is what went
	// wrong with those that were made.
	edits  route.HeadEdits
	fault  error
	status int
}

// edit makes the changes to a head: those that the handler has set, or of the entry, or
// of the listener.
func (w *responseWriter) edit(status int) {
	edits := w.edits
	switch x := w.exchange; {
	case x.Edits != nil:
		edits = x.Edits
	case x.Entry != nil:
		edits = x.Entry.Edits
	}
	if edits != nil {
		w.fault = edits.EditHead(w.Header(), status, w.request, w.exchange)
	}
}

// begin notes the status of a response, with the first one that is final.
func (w *responseWriter) begin(status int) {
	if w.status == 0 {
		w.status = status
		w.edit(status)
	}
}

func (w *responseWriter) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.exchange.ResponseBytes += int64(n)
	return n, err
}

// FlushError and Unwrap let http.ResponseController reach the connection.
func (w *responseWriter) FlushError() error {
	w.begin(http.StatusOK)
	if f, ok := w.ResponseWriter.(interface{ FlushError() error }); ok {
		return f.FlushError()
	}
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
		return nil
	}
	return errors.ErrUnsupported
}

// Flush is FlushError for callers that only know http.Flusher.
func (w *responseWriter) Flush() { _ = w.FlushError() }

func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
