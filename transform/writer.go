package transform

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// mode is what a writer does with what is written.
type mode uint8

const (
	// waiting is for the head.
	waiting mode = iota
	// collecting holds the body back until it is whole.
	collecting
	// splitting looks for messages in the body, and sends those that are ready.
	splitting
	// passing has sent the head; the rest goes through.
	passing
	// swallowing has sent a head without a body.
	swallowing
	// silent is until the chain answers, when the handler has returned; discarding
	// from when it has answered in place of the handler.
	silent
	discarding
	// cutting is from when the answer was given up that had been begun.
	cutting
)

// writer is what the handler answers through. It holds the head back until programs
// have made another one of it, and the body where one looks at it.
type writer struct {
	k *run
	// header is that of the handler. What filters have set outside is not seen here.
	header http.Header
	// status is that of the head, 0 before there is one. implicit says that the
	// handler has not said it.
	status   int
	implicit bool
	mode     mode
	// held is the body, as long as it is held back.
	held []byte
	answering
}

// errAnswered tells a handler that nobody waits for what it writes.
var errAnswered = errors.New("the request has been answered by a program")

// Header implements [http.ResponseWriter].
func (w *writer) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *writer) WriteHeader(status int) {
	switch {
	case w.mode != waiting || w.status != 0:
		return
	case status == http.StatusSwitchingProtocols && w.k.shape.forward:
		w.upgrade()
	case status == http.StatusSwitchingProtocols:
		// The connection is no longer HTTP, and nothing of it for programs.
		w.status = status
		w.send()
	case status < 200:
		w.inform(status)
	default:
		w.status = status
		w.begin()
	}
}

// inform sends an interim answer, in which nothing is final.
func (w *writer) inform(status int) {
	out := w.k.w.Header()
	var lent []string
	for key, values := range w.header {
		if _, ok := out[key]; !ok {
			out[key] = values
			lent = append(lent, key)
		}
	}
	w.k.w.WriteHeader(status)
	for _, key := range lent {
		delete(out, key)
	}
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(p []byte) (int, error) {
	if w.mode == waiting {
		w.WriteHeader(http.StatusOK)
	}
	switch w.mode {
	case passing:
		return w.k.w.Write(p)
	case collecting:
		if len(p) > w.k.chain.options.MaxResponseBytes-len(w.held) {
			return w.overflow(p)
		}
		w.held = append(w.held, p...)
		return len(p), nil
	case splitting:
		if err := w.split(p, false); err != nil {
			return 0, err
		}
	case discarding, cutting:
		return 0, errAnswered
	}
	return len(p), nil
}

// FlushError and Unwrap let http.ResponseController reach the connection. What is
// held back stays so.
func (w *writer) FlushError() error {
	if w.mode == waiting {
		w.WriteHeader(http.StatusOK)
	}
	switch w.mode {
	case passing, swallowing:
		return w.flush()
	case splitting:
		return w.flushStream()
	case discarding, cutting:
		return errAnswered
	}
	return nil
}

// flush flushes what has been sent.
func (w *writer) flush() error {
	if f, ok := w.k.w.(interface{ FlushError() error }); ok {
		return f.FlushError()
	}
	return http.NewResponseController(w.k.w).Flush()
}

// Flush is FlushError for callers that only know http.Flusher.
func (w *writer) Flush() { _ = w.FlushError() }

// upgrade sends the head of a connection that becomes another protocol's, of which
// nothing is for programs. One that makes another status of it refuses that.
func (w *writer) upgrade() {
	w.status = http.StatusSwitchingProtocols
	w.begin()
	if w.mode == passing && w.status != http.StatusSwitchingProtocols {
		w.mode = discarding
	}
}

// Hijack implements [http.Hijacker]. A connection that has been answered on stays.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.mode == silent || w.mode == discarding || w.mode == cutting {
		return nil, nil, errAnswered
	}
	conn, rw, err := http.NewResponseController(w.k.w).Hijack()
	if err == nil && w.mode == waiting {
		// Whoever has it writes the head.
		w.mode = discarding
	}
	return conn, rw, err
}

// Unwrap is for [http.ResponseController].
func (w *writer) Unwrap() http.ResponseWriter { return w.k.w }

// send sends the head as it is now.
func (w *writer) send() {
	w.k.give(&w.k.resp)
	out := w.k.w.Header()
	for key, values := range w.header {
		if key == "Vary" && len(out[key]) > 0 {
			values = append(out[key][:len(out[key]):len(out[key])], values...)
		}
		out[key] = values
	}
	w.mode = passing
	if bodiless(w.status) {
		w.mode = swallowing
	}
	if !w.implicit || w.status != http.StatusOK {
		w.k.w.WriteHeader(w.status)
	}
}

// bodiless reports whether an answer with this status has no content (RFC 9110,
// sections 15.3.5, 15.3.6 and 15.4.5).
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusResetContent || status == http.StatusNotModified
}

// finish ends the answer when its handler has returned.
func (w *writer) finish() {
	if w.mode == waiting {
		if w.k.shape.socket && w.status == 0 && len(w.header) == 0 {
			// The connection may be somebody else's.
			return
		}
		w.implicit = true
		w.WriteHeader(http.StatusOK)
	}
	switch w.mode {
	case collecting:
		w.complete()
	case splitting:
		w.conclude()
	}
	if w.mode == passing || w.mode == splitting || w.mode == swallowing {
		w.trailers()
	}
}

// trailers passes on what the handler has set for behind the body.
func (w *writer) trailers() {
	out := w.k.w.Header()
	for key, values := range w.header {
		if strings.HasPrefix(key, http.TrailerPrefix) || w.announced(key) {
			out[key] = values
		}
	}
}

// announced reports whether the header names a trailer.
func (w *writer) announced(key string) bool {
	for _, list := range w.header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			if http.CanonicalHeaderKey(strings.TrimSpace(name)) == key {
				return true
			}
		}
	}
	return false
}

// hasTrailers reports whether something comes behind the body.
func (w *writer) hasTrailers() bool {
	for key := range w.header {
		if key == "Trailer" || strings.HasPrefix(key, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// leave is called where the chain answers a request in place of the handler, which
// may not have read what there is to come of a stream.
func (k *run) leave() {
	if k.lines != nil || k.shape.requests && !k.shape.rpc && !k.shape.socket {
		route.LeaveBody(&k.answer, k.came)
	}
}

// restart makes the writer one that nothing has been written to. What the handler
// has said of the connection stays: the rest of a body that it has not read would be
// taken for the next request.
func (w *writer) restart() {
	if w.stream != nil {
		w.stream.release()
	}
	connection := w.header["Connection"]
	if w.status == http.StatusSwitchingProtocols {
		connection = nil // it was said of another protocol
	}
	clear(w.header)
	if connection != nil {
		w.header["Connection"] = connection
	}
	*w = writer{k: w.k, header: w.header, held: w.held[:0]}
}

func tooLarge(limit int) *rpc.Error {
	return rpc.Errorf(rpc.UpstreamTooLarge, "the answer is larger than the %d bytes that programs may look at (jq.response_bytes)", limit)
}
