package lambdatest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Headers of the Runtime API.
const (
	headerRequestID     = "Lambda-Runtime-Aws-Request-Id"
	headerDeadline      = "Lambda-Runtime-Deadline-Ms"
	headerTrace         = "Lambda-Runtime-Trace-Id"
	headerClientContext = "Lambda-Runtime-Client-Context"
	headerFunctionARN   = "Lambda-Runtime-Invoked-Function-Arn"
	headerErrorType     = "Lambda-Runtime-Function-Error-Type" // a header of /error, a trailer of /response
	trailerErrorBody    = "Lambda-Runtime-Function-Error-Body"
)

// runtimeAPI is what the runtime of a process asks for calls, and answers them.
func (s *sandbox) runtimeAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", s.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", s.respond)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", s.fail)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", s.failInit)
	return mux
}

func (s *sandbox) next(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if !s.ready {
		s.ready = true
		close(s.initialized)
	}
	s.mu.Unlock()
	var inv *invocation
	select {
	case inv = <-s.work:
	case <-r.Context().Done():
		return
	}
	s.mu.Lock()
	s.current = inv
	s.mu.Unlock()
	s.log.reset("START RequestId: " + inv.id + " Version: " + s.pool.version + "\n")
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set(headerRequestID, inv.id)
	h.Set(headerDeadline, strconv.FormatInt(time.Now().Add(s.pool.fn.Timeout).UnixMilli(), 10))
	h.Set(headerFunctionARN, inv.arn)
	h.Set(headerTrace, inv.trace)
	if inv.clientContext != "" {
		h.Set(headerClientContext, inv.clientContext)
	}
	w.Write(inv.payload)
}

// take is the call that the runtime answers, which it can once.
func (s *sandbox) take(w http.ResponseWriter, r *http.Request) *invocation {
	s.mu.Lock()
	inv := s.current
	if inv != nil && inv.id == r.PathValue("id") {
		s.current = nil
	} else {
		inv = nil
	}
	s.mu.Unlock()
	if inv == nil {
		answerRuntime(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
	}
	return inv
}

// respond passes on an answer while the runtime sends it. Whether it is read as
// a stream is for the caller to say, as with the service: the library sends all
// of its answers in chunks, with trailers for what goes wrong on the way.
func (s *sandbox) respond(w http.ResponseWriter, r *http.Request) {
	inv := s.take(w, r)
	if inv == nil {
		return
	}
	resp := &response{
		contentType: r.Header.Get("Content-Type"),
		body:        r.Body,
		trailer:     func() http.Header { return r.Trailer },
		done:        make(chan struct{}),
	}
	if !s.answer(inv, resp) {
		return
	}
	if resp.tooLarge {
		answerRuntime(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size")
		return
	}
	answerRuntime(w, http.StatusAccepted, "", "")
}

// answer gives an answer to the call and waits until it has been read. It is
// false if the process has ended meanwhile, which the call then knows of.
func (s *sandbox) answer(inv *invocation, resp *response) bool {
	select {
	case inv.answer <- resp:
		<-resp.done
		return true
	case <-s.dead:
		return false
	}
}

func (s *sandbox) fail(w http.ResponseWriter, r *http.Request) {
	inv := s.take(w, r)
	if inv == nil {
		return
	}
	resp := &response{failed: readFailure(r), done: make(chan struct{})}
	if !s.answer(inv, resp) {
		return
	}
	answerRuntime(w, http.StatusAccepted, "", "")
}

func (s *sandbox) failInit(w http.ResponseWriter, r *http.Request) {
	f := readFailure(r)
	s.mu.Lock()
	s.initFailed = f
	s.mu.Unlock()
	answerRuntime(w, http.StatusAccepted, "", "")
}

func answerRuntime(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if kind == "" {
		io.WriteString(w, `{"status":"OK"}`) //nolint:errcheck // a runtime that has ended
		return
	}
	w.Write(newFailure(kind, message).payload)
}

// readFailure is the error that a runtime posts. A process that ends over it has
// left less of it.
func readFailure(r *http.Request) *failure {
	payload, _ := io.ReadAll(io.LimitReader(r.Body, maxErrorBytes))
	return &failure{kind: or(typeOf(payload), or(r.Header.Get(headerErrorType), "Unhandled")), payload: payload}
}

// trailing is the error that a runtime found after it had begun to answer.
func (r *response) trailing() *failure {
	trailer := r.trailer()
	kind := trailer.Get(headerErrorType)
	if kind == "" {
		return nil
	}
	payload, err := base64.StdEncoding.DecodeString(trailer.Get(trailerErrorBody))
	if err != nil || len(payload) == 0 {
		return newFailure(kind, "")
	}
	return &failure{kind: kind, payload: payload}
}

func typeOf(payload []byte) string {
	var e struct {
		Type string `json:"errorType"`
	}
	if json.Unmarshal(payload, &e) != nil {
		return ""
	}
	return e.Type
}
