package rest

import (
	"net/http"
	"strconv"
)

// The content types are shared by all answers; nobody changes them.
var (
	jsonType    = []string{"application/json"}
	problemType = []string{"application/problem+json"}
)

// smallAnswer is below what net/http gathers of an answer before it must send the
// head (2 KiB over HTTP/1.1, 4 KiB over HTTP/2).
const smallAnswer = 2000

// write writes a whole answer. Metadata has been added to the header already.
func write(w http.ResponseWriter, r *http.Request, status int, media []string, body []byte) {
	if len(body) > smallAnswer || r.Method == http.MethodHead || w.Header()["Connection"] != nil {
		// net/http counts smaller answers itself, and cheaper, but not those that are
		// sent before their handler returns.
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	writeOpen(w, r, status, media, body)
}

// writeOpen is write for an answer that trailers follow: over HTTP/1 they need a
// body of unknown length.
func writeOpen(w http.ResponseWriter, r *http.Request, status int, media []string, body []byte) {
	h := w.Header()
	if bodiless(status) {
		delete(h, "Content-Length")
		w.WriteHeader(status)
		return
	}
	h["Content-Type"] = media
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// A failure means that nobody is there to be told.
	_, _ = w.Write(body)
}

// bodiless reports whether an answer with this status has no content (RFC 9110,
// sections 15.3.5, 15.3.6 and 15.4.5).
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusResetContent || status == http.StatusNotModified
}
