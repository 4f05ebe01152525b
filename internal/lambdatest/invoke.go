package lambdatest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	invokePath = "/2015-03-31/functions/"
	streamPath = "/2021-11-15/functions/"

	invokeSuffix = "/invocations"
	streamSuffix = "/response-streaming-invocations"

	waiting = "RequestResponse"
	event   = "Event"
	dryRun  = "DryRun"

	maxClientContext = 3583
)

// request is one of the Invoke API, understood and allowed.
type request struct {
	call    Call
	entry   int // of the recorder
	target  target
	fn      *function
	version string
	inv     *invocation
	tail    bool
	fault   Fault
}

// lambdaAPI serves both operations. It cuts paths by itself: a name may hold
// escaped slashes and colons.
func (s *Service) lambdaAPI() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := newID()
		w.Header().Set("X-Amzn-RequestId", id)
		path := r.URL.EscapedPath()
		operation, answer := "Invoke", s.answerInvoke
		text, ok := cut(path, invokePath, invokeSuffix)
		if !ok {
			operation, answer = "InvokeWithResponseStream", s.answerStream
			text, ok = cut(path, streamPath, streamSuffix)
		}
		function, err := url.PathUnescape(text)
		if !ok || err != nil || r.Method != http.MethodPost {
			(&apiError{status: http.StatusNotFound, kind: typeUnknownOperation, message: "no operation " + r.Method + " " + path}).write(w)
			return
		}
		req := &request{call: Call{
			Operation: operation, Function: function, Qualifier: r.URL.Query().Get("Qualifier"),
			Type: or(r.Header.Get("X-Amz-Invocation-Type"), waiting), Header: r.Header.Clone(),
		}}
		refused := s.understand(req, id, r)
		req.entry = s.log.add(req.call)
		if refused != nil {
			s.refuse(w, req, refused)
			return
		}
		if s.hold(r.Context(), req.fault); req.fault.Reset && req.fault.ResetAfter == 0 {
			reset(r)
			return
		}
		if refused := req.fault.error(); refused != nil {
			s.refuse(w, req, refused)
			return
		}
		w.Header().Set("X-Amz-Executed-Version", req.version)
		answer(w, r, req)
	})
}

func cut(path, prefix, suffix string) (string, bool) {
	text, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return "", false
	}
	text, ok = strings.CutSuffix(text, suffix)
	return text, ok && text != "" && !strings.Contains(text, "/")
}

func (s *Service) refuse(w http.ResponseWriter, req *request, e *apiError) {
	s.log.refused(req.entry, e.kind)
	w.Header().Del("X-Amz-Executed-Version")
	e.write(w)
}

// understand reads a request and says why the service refuses it.
func (s *Service) understand(req *request, id string, r *http.Request) *apiError {
	limit := s.limits.request
	if req.call.Type == event {
		limit = s.limits.event
	}
	// One byte more tells what is too large.
	payload, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		return invalid(typeInvalidContent, "the body ends early")
	}
	if len(payload) > limit {
		return &apiError{status: http.StatusRequestEntityTooLarge, kind: typeTooLarge, message: fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", limit)}
	}
	req.call.Payload = payload
	who, refused := s.keys.verify(r, payload, "lambda", s.Region, time.Now())
	if refused != nil {
		return refused
	}
	if req.target, refused = s.parseTarget(req.call.Function, req.call.Qualifier); refused != nil {
		return refused
	}
	if !who.mayCall(req.target.function) {
		return forbidden(typeAccessDenied, "User: "+who.Principal+" is not authorized to perform: lambda:InvokeFunction on resource: "+s.arn(req.target)+" because no identity-based policy allows the lambda:InvokeFunction action")
	}
	if req.fn, req.version, refused = s.find(req.target); refused != nil {
		return refused
	}
	switch t := req.call.Type; {
	case t == waiting, t == dryRun, t == event && req.call.Operation == "Invoke":
	default:
		return invalid(typeInvalidParameter, "InvocationType "+t+" is not supported by "+req.call.Operation)
	}
	if req.inv, refused = s.newInvocation(req, id, r.Header); refused != nil {
		return refused
	}
	req.tail = r.Header.Get("X-Amz-Log-Type") == "Tail"
	if !req.call.check() {
		req.fault = s.faults.next(req.fn.Name)
	}
	return nil
}

func (s *Service) newInvocation(req *request, id string, h http.Header) (*invocation, *apiError) {
	inv := &invocation{id: id, arn: s.arn(req.target), payload: req.call.Payload, answer: make(chan *response)}
	if len(inv.payload) == 0 {
		inv.payload = []byte("{}")
	}
	if !json.Valid(inv.payload) {
		return nil, invalid(typeInvalidContent, "Could not parse request body into json: it is no JSON")
	}
	if encoded := h.Get("X-Amz-Client-Context"); encoded != "" {
		context, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || !json.Valid(context) || len(encoded) > maxClientContext {
			return nil, invalid(typeInvalidContent, "Client context must be a valid Base64-encoded JSON object.")
		}
		inv.clientContext = oneLine(context)
	}
	inv.trace = h.Get("X-Amzn-Trace-Id")
	if inv.trace == "" {
		inv.trace = newTrace()
	}
	return inv, nil
}

// oneLine is JSON as a header can carry it.
func oneLine(text []byte) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(string(text))
}

// answerInvoke serves Invoke.
func (s *Service) answerInvoke(w http.ResponseWriter, r *http.Request, req *request) {
	pool := req.fn.pools[req.version]
	switch req.call.Type {
	case dryRun:
		w.WriteHeader(http.StatusNoContent)
		return
	case event:
		s.async.Go(func() {
			// What becomes of it is for nobody.
			_, _ = pool.invoke(s.ctx, req.inv, true, func(resp *response) error {
				_, err := io.Copy(io.Discard, resp.body)
				return err
			})
		})
		w.WriteHeader(http.StatusAccepted)
		return
	}
	var body []byte
	f, err := pool.invoke(s.ctx, req.inv, false, func(resp *response) (err error) {
		body, err = io.ReadAll(io.LimitReader(resp.body, int64(s.limits.response)+1))
		resp.tooLarge = len(body) > s.limits.response
		return err
	})
	if refused := notRun(err); refused != nil {
		s.refuse(w, req, refused)
		return
	}
	if f == nil && len(body) > s.limits.response {
		f = tooLarge(s.limits.response)
	}
	if req.tail {
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(req.inv.log)))
	}
	w.Header().Set("Content-Type", "application/json")
	if f != nil {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		body = f.payload
	}
	if r.Context().Err() == nil {
		w.Write(body)
	}
}

func tooLarge(limit int) *failure {
	return newFailure("Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", limit))
}

// notRun is the error of a call that no process got.
func notRun(err error) *apiError {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errThrottled):
		return tooMany(1)
	}
	return &apiError{status: http.StatusInternalServerError, kind: typeService, message: err.Error(), capital: true}
}

func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newTrace is what the service makes up for a call that is not traced.
func newTrace() string {
	var b [20]byte
	rand.Read(b[:])
	return fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=0", time.Now().Unix(), b[:12], b[12:])
}
