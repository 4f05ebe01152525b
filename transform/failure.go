package transform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// The client learns which program is wrong, and in what way. What the program
// worked on may be somebody else's, and goes to the log alone.

// maxCause bounds what the log is told.
const maxCause = 300

// short is the text of v, or the beginning of it.
func short(v any) string {
	text := strings.ToValidUTF8(fmt.Sprint(v), "\uFFFD")
	if len(text) > maxCause {
		text = strings.ToValidUTF8(text[:maxCause], "") + "…"
	}
	return text
}

// failed is the error of a program that could not be run to its end.
func (k *run) failed(p *program, fault error) *rpc.Error {
	return Failed(k.came.Context(), p.name, fault)
}

// Failed is the error for the client of a program with this name that could not be run
// to its end for a request with this context.
func Failed(ctx context.Context, name string, fault error) *rpc.Error {
	if cancelled(fault) || ctx.Err() != nil {
		return &rpc.Error{Reason: rpc.ClientClosed, Message: "the client closed the request", Cause: fault}
	}
	out := &rpc.Error{Reason: rpc.ProgramFailed, Message: name + " failed", Cause: errors.New(short(fault))}
	var failure *jq.RunError
	if errors.As(fault, &failure) && failure.Limit != "" {
		out.Reason, out.Message = rpc.ProgramLimit, name+" met its limit of "+failure.Limit
	}
	return out
}

// mistaken is the error of a program that gave what cannot be meant.
func (k *run) mistaken(p *program, fault error) *rpc.Error {
	if errors.Is(fault, view.ErrQuery) {
		return malformedQuery(fault)
	}
	out := &rpc.Error{Reason: rpc.ProgramFailed, Message: p.name + " gives what it may not", Cause: errors.New(short(p.name + ": " + fault.Error()))}
	var mistake *view.Mistake
	if errors.As(fault, &mistake) && mistake.Place != "" {
		out.Message += ", in ." + mistake.Place
	}
	return out
}

// malformedQuery is the error of a query of which a program wants to see a part.
func malformedQuery(fault error) *rpc.Error { return rpc.Errorf(rpc.InvalidQuery, "%v", fault) }

// refused is the error of a program that gave something which cannot be done here.
func refused(p *program, format string, args ...any) *rpc.Error {
	return rpc.Errorf(rpc.ProgramFailed, "%s %s", p.name, fmt.Sprintf(format, args...))
}

// malformed is the error of a body that cannot be read for a program.
func (k *run) malformed(p *program, fault error) *rpc.Error {
	answer := p.phase != view.Request
	reason, message := rpc.InvalidBody, fault.Error()
	if answer {
		reason, message = rpc.UpstreamProtocol, "the upstream's answer: "+message
	}
	var limit *body.LimitError
	var kind *body.KindError
	switch {
	case errors.As(fault, &limit) && limit.Limit != body.LimitDepth:
		if reason = rpc.RequestTooLarge; answer {
			reason = rpc.UpstreamTooLarge
		}
	case errors.As(fault, &kind) && !answer:
		reason = rpc.UnsupportedMediaType
	}
	return &rpc.Error{Reason: reason, Message: message, Cause: errors.New(short("for " + p.name + ": " + fault.Error()))}
}

// skippable reports whether a body that is read with this error is not what it
// claims to be.
func skippable(fault error) bool {
	var limit *body.LimitError
	return !errors.As(fault, &limit) || limit.Limit == body.LimitDepth
}

// unwritable is the error of a value that is no body.
func unwritable(p *program, fault error) *rpc.Error {
	out := &rpc.Error{Reason: rpc.ProgramFailed, Message: p.name + " gives what is no body", Cause: errors.New(short(p.name + ": " + fault.Error()))}
	var limit *body.LimitError
	if errors.As(fault, &limit) {
		out.Reason, out.Message = rpc.ProgramLimit, p.name+" gives a body over the limit: "+limit.Error()
	}
	return out
}

// ofBody reports whether an error is about a body, and not about a program.
func ofBody(err *rpc.Error) bool {
	return err.Reason != rpc.ProgramFailed && err.Reason != rpc.ProgramLimit
}

// failure is what an error program sees of what the gateway failed with.
func (k *run) failure() *view.Failure {
	if err := k.x.Failure; err != nil {
		c := err.GRPCCode()
		return &view.Failure{Code: int(c), Status: code.Code(c).String(), Reason: string(err.Reason), Message: err.Message}
	}
	reason := rpc.Reason(k.answer.header.Get(rpc.ErrorHeader))
	c := reason.Code()
	return &view.Failure{Code: int(c), Status: code.Code(c).String(), Reason: string(reason)}
}

// own reports whether what is answered is an error of the gateway.
func (k *run) own() bool {
	return k.x.Failure != nil || len(k.answer.header[errorHeader]) > 0
}

var errorHeader = http.CanonicalHeaderKey(rpc.ErrorHeader)

// outcome is what the access log tells of an answer.
type outcome struct {
	code   int
	reason string
	err    error
	failed *rpc.Error
}

// settle keeps what is known of the answer from the handler, which may go on after
// the chain has answered in its place.
func (k *run) settle() {
	k.final = &outcome{k.x.Code, k.x.Reason, k.x.Error, k.x.Failure}
}

func (k *run) restore() {
	if k.final != nil {
		k.x.Code, k.x.Reason, k.x.Error, k.x.Failure = k.final.code, k.final.reason, k.final.err, k.final.failed
	}
}

// refuse answers with an error in place of all that the handler answers. It goes
// through the error programs of so many steps.
func (k *run) refuse(err *rpc.Error, outer int) {
	k.outer = outer
	k.answer.restart()
	k.leave()
	k.x.Failure = err
	if err.Reason == rpc.UnsupportedMediaType && k.req.body.raw == nil && !k.read {
		k.answer.header["Accept-Encoding"] = acceptedCodings
	}
	k.chain.options.Refuse(&k.answer, k.came, k.x, err)
	k.answer.finish()
	k.answer.mode = discarding
	k.settle()
}

// noteProgram tells the log of an error program that failed: the error that it was
// to shape went out as it was.
func (k *run) noteProgram(err *rpc.Error) {
	text := err.Message
	if err.Cause != nil {
		text = err.Cause.Error()
	}
	k.x.Log = append(k.x.Log, slog.String("error_program", text))
}
