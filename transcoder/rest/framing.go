package rest

import (
	"net/http"
	"slices"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// framing is the form in which an answer holds its messages. One that keeps
// nothing of a call is shared by all of them.
type framing interface {
	// head sets the headers of the form. The first message has been added, if
	// there is one.
	head(a *answering, h http.Header)
	// message adds one message to a.out, of which it may leave a part if it fails.
	message(a *answering, wire []byte) *rpc.Error
	// end adds what stands behind the last message.
	end(a *answering)
	// fault adds an error, {"error": {…}}, and the end. It reports false if the
	// form has no place for one: then the connection is cut, to show that the
	// answer is not whole.
	fault(a *answering, fault []byte) bool
}

// beating is a framing with signs of life, which clients pass over.
type beating interface {
	framing
	// beat adds one.
	beat(a *answering)
}

// array is the framing of one JSON array.
type array struct{}

var _ framing = array{}

func (array) head(_ *answering, h http.Header) { h["Content-Type"] = jsonType }

func (array) message(a *answering, wire []byte) *rpc.Error {
	if a.begun {
		a.out = append(a.out, ',')
	} else {
		a.out = append(a.out, '[')
	}
	if !a.settings.Pretty {
		return a.render(wire)
	}
	alone, err := a.appendJSON(append(a.body[:0], '['), wire)
	if err != nil {
		return err
	}
	a.body = append(alone, ']')
	pretty, refused := a.indented(a.work, a.body)
	if refused != nil {
		return refused
	}
	a.out = append(a.out, inArray(pretty)...)
	a.body, a.pretty = trimmed(a.body, maxIdle), trimmed(a.pretty, maxIdle)
	return nil
}

// inArray is the one element of an indented array, with the line feed before it.
func inArray(pretty []byte) []byte { return pretty[len("[") : len(pretty)-len("\n]")] }

func (array) end(a *answering) {
	switch {
	case !a.begun:
		a.out = append(a.out, '[')
	case a.settings.Pretty:
		a.out = append(a.out, '\n')
	}
	a.out = append(a.out, ']')
}

func (f array) fault(a *answering, fault []byte) bool {
	if !a.settings.InBand {
		return false
	}
	if a.settings.Pretty {
		fault = inArray(codec.AppendIndented(nil, slices.Concat([]byte{'['}, fault, []byte{']'})))
	}
	a.out = append(append(a.out, ','), fault...)
	f.end(a)
	return true
}
