package compress

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	codings "github.com/dragoman-gateway/dragoman/transcoder/coding"
)

// writer is the http.ResponseWriter of one answer. It holds the head back until
// it knows whether to compress: by what the head says, or by the first bytes of
// a body whose length it does not say.
type writer struct {
	http.ResponseWriter
	coding   *coding
	minBytes int
	// head says that the request was HEAD: the answer has no body.
	head bool
	// tags are the If-None-Match of the request as it came.
	tags []string

	// status is that of the head, 0 before it was written.
	status int
	// begun says that the head has been sent.
	begun bool
	// held is the body until then.
	held []byte
	// encoder is there if the body is compressed.
	encoder *codings.Encoder
}

var writers = sync.Pool{New: func() any { return new(writer) }}

// maxHeld is the largest buffer that is kept for the next answer.
const maxHeld = 64 << 10

// WriteHeader implements [http.ResponseWriter].
func (w *writer) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.status != 0 {
		return
	}
	w.status = status
	length, known := w.length()
	switch {
	case !w.mayCompress() || known && (length == 0 || length < w.minBytes):
		w.begin(false)
	case known, w.head:
		// To HEAD, answers of unknown length are streams.
		w.begin(true)
	}
}

// length is what the head says of the body's length.
func (w *writer) length() (n int, known bool) {
	v := w.Header()["Content-Length"]
	if len(v) == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(v[0])
	return n, err == nil
}

// mayCompress reports whether the answer may have another form.
func (w *writer) mayCompress() bool {
	switch w.status {
	case http.StatusSwitchingProtocols, http.StatusNoContent, http.StatusResetContent, http.StatusNotModified:
		return false
	}
	h := w.Header()
	return len(h["Content-Encoding"]) == 0 && len(h["Content-Range"]) == 0 &&
		compressible(h["Content-Type"]) && !noTransform(h["Cache-Control"])
}

// begin sends the head, and what was held of the body.
func (w *writer) begin(compressed bool) {
	w.begun = true
	h := w.Header()
	if compressed {
		h["Content-Encoding"] = w.coding.header
		delete(h, "Content-Length")
		if etag := h["Etag"]; len(etag) == 1 {
			h["Etag"] = []string{w.coding.tag(etag[0])}
		}
	} else if etag := h["Etag"]; w.status == http.StatusNotModified && len(etag) == 1 {
		// The client knows it by the name of the compressed form.
		if tagged := w.coding.tag(etag[0]); lists(w.tags, tagged) {
			h["Etag"] = []string{tagged}
		}
	}
	w.ResponseWriter.WriteHeader(w.status)
	if compressed && !w.head {
		w.encoder = w.coding.encoder(w.ResponseWriter)
	}
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		if n := len(w.held) + len(p); n == 0 || n < w.minBytes {
			w.held = append(w.held, p...)
			return len(p), nil
		}
		if err := w.compressHeld(); err != nil {
			return 0, err
		}
	}
	if w.encoder != nil {
		return w.encoder.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// compressHeld begins a compressed answer whose length the head does not say.
func (w *writer) compressHeld() error {
	w.begin(true)
	if len(w.held) == 0 || w.encoder == nil {
		return nil
	}
	_, err := w.encoder.Write(w.held)
	return err
}

// FlushError and Unwrap let http.ResponseController reach the connection. An
// answer that is flushed is a stream, which may become long.
func (w *writer) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		if err := w.compressHeld(); err != nil {
			return err
		}
	}
	if w.encoder != nil {
		if err := w.encoder.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for callers that only know http.Flusher.
func (w *writer) Flush() { _ = w.FlushError() }

// Unwrap is for [http.ResponseController].
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// finish ends the answer after its handler has returned. Nobody is there to be
// told that writing failed.
func (w *writer) finish() {
	if w.status != 0 && !w.begun {
		w.begin(false)
		_, _ = w.ResponseWriter.Write(w.held)
	}
	if w.encoder != nil {
		_ = w.encoder.Close()
	}
}

// release ends the writer's life, whether the handler returned or panicked.
func (w *writer) release() {
	if w.encoder != nil {
		w.encoder.Release()
	}
	if !w.begun {
		// After a panic, somebody else may answer instead.
		delete(w.Header(), "Content-Length")
	}
	held := w.held[:0]
	if cap(held) > maxHeld {
		held = nil
	}
	*w = writer{held: held}
	writers.Put(w)
}

// compressible reports whether content of a media type becomes smaller. Others,
// images above all, are compressed already, or unknown.
func compressible(contentType []string) bool {
	if len(contentType) == 0 {
		return false
	}
	media, _, _ := strings.Cut(contentType[0], ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch media {
	case "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq",
		"application/xml", "application/yaml", "application/javascript", "application/x-javascript", "application/graphql":
		return true
	}
	return strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml") || strings.HasSuffix(media, "+yaml")
}

// noTransform reports whether nobody on the way may change the content (RFC 9111,
// 5.2.2.6).
func noTransform(cacheControl []string) bool {
	for _, line := range cacheControl {
		for directive := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(directive, " \t"), "no-transform") {
				return true
			}
		}
	}
	return false
}
