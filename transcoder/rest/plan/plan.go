// Package plan binds an HTTP/JSON request to a serialized request message, and
// renders a serialized response message, or a status, as JSON.
//
// [Compile] turns one HTTP rule of one method into a [Plan]: path variables are
// resolved to chains of fields, the body and response_body to fields, and
// everything that is wrong with the rule is found. [Plan.Bind] then only walks:
//
//   - the values of the path are converted first, because the body has to be
//     compared with them (see [codec.Watch]);
//   - the body is translated, or, if it is a form, read like a query;
//   - query parameters are appended, each as one more serialized field, which
//     protobuf merges;
//   - the values of the path are appended last;
//   - a PATCH without a field mask gets one of its body, if the route asks;
//   - required fields are checked once, on the union.
//
// Nothing that the path or the body binds can be set again by the query, and the
// query is read once, in its order, without a map: the same request gives the
// same message, always. What a request says beside its message, or was left out
// of it, is an [Outcome].
//
// The package is pure: bytes in, bytes appended to the caller's buffer out. It
// knows no connection, no goroutine and no clock. In a steady state a call
// allocates nothing but its errors.
package plan

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Options say what a [Plan] accepts. Every limit is taken as it is; every other
// option is off when it is zero, and then costs nothing.
type Options struct {
	// MaxDepth bounds the nesting of messages, of JSON and of the names of
	// query parameters.
	MaxDepth int
	// MaxJSONBytes bounds the JSON made of one message.
	MaxJSONBytes int
	// MaxQueryParameters bounds the parameters of one query, ignored ones
	// included.
	MaxQueryParameters int
	// IgnoredQuery lists parameters, by decoded name, that are not bound.
	IgnoredQuery []string
	// UnknownQuery is what becomes of parameters that the message does not have,
	// UnknownFields of JSON fields and of parameters of a form.
	UnknownQuery, UnknownFields Unknown
	// Alt, ErrorFormat, Key and Partial turn on the system parameters $alt,
	// $.xgafv, key and fields.
	Alt, ErrorFormat, Key, Partial bool
	// FoldEnums accepts names of enum values in any letter case.
	FoldEnums bool
	// QueryMaps accepts entries of maps as parameters, m[k]=v, QueryStructs JSON
	// for a Struct, a Value or a ListValue.
	QueryMaps, QueryStructs bool
	// PathWins ignores what query and body say of a field that the path binds.
	PathWins bool
	// QueryBesideBody lets the query set fields although the body is the whole
	// message, over which it wins.
	QueryBesideBody bool
	// JSONFiles has a google.api.HttpBody that is a body as JSON, like every other
	// message.
	JSONFiles bool
	// PatchMask is the proto name of the FieldMask that a PATCH fills with the
	// paths of its body, "*" for the only one that the message has, "" for none.
	PatchMask string

	// Output has the tables of answers, if their form is not that of the codec
	// itself. Numbers has those in which enum values are numbers; nil if no request
	// may ask for them.
	Output, Numbers *codec.Codec
}

// Unknown is what becomes of what a message does not have.
type Unknown uint8

const (
	// Reject refuses it.
	Reject Unknown = iota
	// Ignore leaves it out.
	Ignore
	// Report leaves it out and puts it into [Outcome.Ignored].
	Report
	// Capture leaves it out and puts it into [Outcome.Captured].
	Capture
)

// Plan is one HTTP rule of one method, resolved. It is immutable and safe for
// any goroutine.
type Plan struct {
	input *codec.Message
	// usual is the form of answers, numbers that with enum values as numbers, or nil.
	usual, numbers *form
	// descriptor is the input's, for the text of errors only.
	descriptor protoreflect.MessageDescriptor
	options    Options
	// reserved are the parameters that are never bound.
	reserved []reserved

	variables []variable
	// watch is nil if the path binds nothing.
	watch *codec.Watch
	mode  bodyMode
	// body is the field of `body: "field"`, bodyNode its node in base.
	body     *codec.Field
	bodyNode int32
	// rawBody is where a request has its google.api.HttpBody, rawAnswer where an
	// answer has it; nil for bodies that are JSON.
	rawBody, rawAnswer *httpBody
	// mask is filled from the body; nil if none is.
	mask *patchMask
	// parse is how the codec reads paths, queries and bodies.
	parse codec.Parse
	// base holds what path and body bind; each request's query goes on from a
	// copy of it.
	base tree
}

type bodyMode uint8

const (
	noBody bodyMode = iota
	wholeBody
	fieldBody
)

// variable is a path variable resolved to its field.
type variable struct {
	name    string
	parents []*codec.Field
	field   *codec.Field
	// slashes is what becomes of %2F.
	slashes httprule.Slashes
}

// Request is what of an HTTP request is bound to a message.
type Request struct {
	// Path is the escaped path, and Captures what the template's variables took
	// of it, in the order of Template.Variables.
	Path     string
	Captures []Span
	// RawQuery is the query as it came, without the question mark.
	RawQuery string
	// Body is the whole body; it is not looked at if [Plan.TakesBody] is false.
	Body []byte
	// ContentType is the media type of the body as the client wrote it, which a
	// google.api.HttpBody takes along; empty if there is none.
	ContentType string
	// Form says that Body is a form, application/x-www-form-urlencoded, and no
	// JSON. Only a plan that says [Plan.TakesForm] may be given one.
	Form bool
	// Multipart says that the body is a form of Parts, multipart/form-data, and
	// Body is not looked at. Only a plan that says [Plan.TakesParts] may be given
	// one.
	Multipart bool
	Parts     []Part
}

// Span is a range of bytes of a path, [Start, End).
type Span struct{ Start, End int }

// Scratch is the working memory of a [Plan], for one goroutine at a time; any
// plan may use it after any other. Reusing one saves the allocations. Its zero
// value is ready. Nothing that a plan returns refers to it.
type Scratch struct {
	// Outcome is what the last request said beside its message. It is valid until
	// the next one.
	Outcome Outcome

	codec codec.Scratch
	bound codec.Bound
	tree  tree
	// chain holds the parents of the query parameter at hand.
	chain []*codec.Field
	// name and text hold the decoded name and value at hand.
	name, text []byte
	// leaves holds the serialized values of the path one after the other, values
	// the parts of it.
	leaves []byte
	ends   []int
	values [][]byte
	// wire holds what is bound only to be checked.
	wire []byte
	// place is where the parameters at hand are from: InQuery, or InBody for a
	// form.
	place Place
	// cut holds the part of a message that is shown.
	cut []byte
	// heeded has a bit for each [use] of which the query has had a parameter.
	heeded uint8
	// key is the key of the map entry at hand, a part of name, and at the node of
	// the map; entries are the keys that were set, their bytes in keys.
	key     []byte
	at      int32
	entries []entry
	keys    []byte
	// part is the part of a multipart form at hand, nil for every other parameter,
	// and use what it is used as. json holds JSON of parts, or an HttpBody.
	part *Part
	use  partUse
	// listed says that the mask has the field at hand already.
	listed bool
	json   []byte
	// mask holds the paths of the fields that a body sets, and filled says that the
	// last request got them as its mask.
	mask   []byte
	filled bool
}

// maxKept is the largest of a request's texts whose memory is kept for the next.
const maxKept = 64 << 10

// trim lets go of memory that one unusual request needed: forms may be large.
func (s *Scratch) trim() {
	for _, text := range [...]*[]byte{&s.name, &s.text, &s.keys, &s.mask, &s.wire, &s.json} {
		if cap(*text) > maxKept {
			*text = nil
		}
	}
}

// TakesBody reports whether the rule reads the request body at all.
func (p *Plan) TakesBody() bool { return p.mode != noBody }

// TakesForm reports whether the body may be a form: it is a message with fields
// to set.
func (p *Plan) TakesForm() bool {
	return p.rawBody == nil && (p.mode == wholeBody || p.mode == fieldBody && closed(p.body) == "")
}

// Bind appends the serialized request message to dst. On failure it returns dst
// as it was and an *[Error].
func (p *Plan) Bind(dst []byte, r *Request, s *Scratch) ([]byte, error) {
	out, err := p.bind(dst, r, s)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (p *Plan) bind(dst []byte, r *Request, s *Scratch) ([]byte, error) {
	start := len(dst)
	p.Begin(r.RawQuery, s)
	p.limit(s)
	if err := p.convertPath(r, s); err != nil {
		return nil, err
	}
	dst, err := p.appendBody(dst, r, s)
	if err != nil {
		return nil, err
	}
	if dst, err = p.appendQuery(dst, r.RawQuery, s); err != nil {
		return nil, err
	}
	if dst, err = p.appendPath(dst, r, s); err != nil {
		return nil, err
	}
	if p.mask != nil {
		if dst, err = p.appendMask(dst, start, r, s); err != nil {
			return nil, err
		}
	}
	if err := p.required(dst[start:], s); err != nil {
		return nil, err
	}
	return dst, nil
}

// limit sets the limits of this plan: s may come from another one.
func (p *Plan) limit(s *Scratch) {
	s.codec.MaxDepth = p.options.MaxDepth
	s.codec.MaxJSON = p.options.MaxJSONBytes
	s.codec.Parse = p.parse
}

// convertPath makes s.values, the serialized value of each path variable, and
// s.bound of them.
func (p *Plan) convertPath(r *Request, s *Scratch) error {
	s.leaves, s.ends, s.values = s.leaves[:0], s.ends[:0], s.values[:0]
	for i := range p.variables {
		v := &p.variables[i]
		if err := v.unescape(r, i, s); err != nil {
			return err
		}
		var err error
		if s.leaves, err = v.field.AppendText(s.leaves, s.text, &s.codec); err != nil {
			return fromCodec(InPath, v.name, err)
		}
		s.ends = append(s.ends, len(s.leaves))
	}
	// Only now does s.leaves no longer move.
	from := 0
	for _, end := range s.ends {
		s.values = append(s.values, s.leaves[from:end:end])
		from = end
	}
	s.bound = codec.Bound{Watch: p.watch, Values: s.values}
	return nil
}

// unescape puts the value of the i-th variable into s.text.
func (v *variable) unescape(r *Request, i int, s *Scratch) error {
	span := r.Captures[i]
	var err error
	s.text, err = httprule.AppendUnescaped(s.text[:0], r.Path[span.Start:span.End], v.slashes)
	if err != nil {
		wrong := errorf(InPath, v.name, "path variable %q: %v", v.name, err)
		wrong.Description = err.Error()
		return wrong
	}
	return nil
}

func (p *Plan) appendBody(dst []byte, r *Request, s *Scratch) ([]byte, error) {
	if r.Multipart {
		return p.appendParts(dst, r.Parts, s)
	}
	body := r.Body
	if p.rawBody != nil {
		return p.AppendHTTPBody(dst, r.ContentType, body), nil
	}
	if len(body) == 0 || p.mode == noBody {
		return dst, nil
	}
	if r.Form {
		return p.appendForm(dst, body, s)
	}
	var bound *codec.Bound
	if p.watch != nil {
		bound = &s.bound
	}
	var err error
	switch p.mode {
	case wholeBody:
		dst, err = p.input.AppendWire(dst, body, &s.codec, bound)
	case fieldBody:
		dst, err = p.body.AppendWire(dst, body, &s.codec, bound)
	}
	if err != nil {
		return nil, fromCodec(InBody, "", err)
	}
	if p.parse.Record {
		s.Outcome.reportAll("body.", s.codec.Ignored)
	}
	return dst, nil
}

func (p *Plan) appendPath(dst []byte, r *Request, s *Scratch) ([]byte, error) {
	for i := range p.variables {
		v := &p.variables[i]
		if len(v.parents) == 0 {
			dst = append(dst, s.values[i]...)
			continue
		}
		err := v.unescape(r, i, s)
		if err == nil {
			dst, err = codec.AppendNested(dst, v.parents, v.field, s.text, &s.codec)
		}
		if err != nil {
			return nil, fromCodec(InPath, v.name, err)
		}
	}
	return dst, nil
}
