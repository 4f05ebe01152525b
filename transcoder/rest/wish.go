package rest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// maskHeader is the header that names the fields which an answer should have, in
// canonical form.
const maskHeader = "X-Goog-Fieldmask"

// wish finds out what the request asks of its answer's form, so that what nobody
// can fulfil is refused before the upstream is called.
func (l *rule) wish(k *work, r *http.Request) *rpc.Error {
	o := &k.scratch.Outcome
	k.want = plan.Want{Numbers: o.IntEnums}
	if !l.settings.Partial || l.plan.GivesHTTPBody() {
		return nil
	}
	header := r.Header[maskHeader]
	var err error
	switch {
	case len(header) > 0 && o.HasFields:
		return rpc.Errorf(rpc.InvalidRequest, "the query parameter fields and the header x-goog-fieldmask both say which fields are wanted: send one of them")
	case len(header) > 0:
		if k.want.Mask, err = l.plan.ParseMask(strings.Join(header, ",")); err != nil {
			return badMask(rpc.InvalidRequest, "header \"x-goog-fieldmask\"", "x-goog-fieldmask", err)
		}
	case o.HasFields:
		if k.want.Mask, err = l.plan.ParseMask(string(o.Fields)); err != nil {
			return badMask(rpc.InvalidQuery, "query parameter \"fields\"", "fields", err)
		}
	}
	return nil
}

func badMask(reason rpc.Reason, place, field string, err error) *rpc.Error {
	text := err.Error()
	if ce := (*codec.Error)(nil); errors.As(err, &ce) {
		// A mask is one line, and its paths are in the message as they are.
		text = ce.Message + " (byte " + strconv.Itoa(ce.Offset) + ")"
	}
	return &rpc.Error{
		Reason: reason, Message: place + ": " + text,
		Violations: []rpc.Violation{{Field: field, Description: text}},
	}
}

// indented is JSON of the upstream with line feeds and indentation.
func (l *rule) indented(k *work, json []byte) ([]byte, *rpc.Error) {
	if codec.IndentedLen(json) > l.settings.MaxJSONBytes {
		return nil, l.unrenderable(&codec.Error{Kind: codec.KindTooLarge, Message: "indented, it is over the limit"})
	}
	k.pretty = codec.AppendIndented(k.pretty[:0], json)
	return k.pretty, nil
}
