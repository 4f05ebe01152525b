package rest

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/rpc"
)

var linesType = []string{"application/x-ndjson"}

// lines is the framing of NDJSON: a JSON value in each line, and never a line feed
// within one.
type lines struct{}

var _ framing = lines{}

func (lines) head(_ *answering, h http.Header) { h["Content-Type"] = linesType }

func (lines) message(a *answering, wire []byte) *rpc.Error {
	if err := a.render(wire); err != nil {
		return err
	}
	a.out = append(a.out, '\n')
	return nil
}

func (lines) end(*answering) {}

func (lines) fault(a *answering, fault []byte) bool {
	a.out = append(append(a.out, fault...), '\n')
	return true
}
