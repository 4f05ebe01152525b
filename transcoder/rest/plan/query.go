package plan

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// appendQuery binds the parameters of a raw query, in their order.
func (p *Plan) appendQuery(dst []byte, raw string, s *Scratch) ([]byte, error) {
	if raw == "" {
		return dst, nil
	}
	return p.appendParameters(dst, raw, InQuery, s)
}

// begin makes s ready for the parameters of a place.
func (p *Plan) begin(place Place, s *Scratch) {
	s.tree = append(s.tree[:0], p.base...)
	s.place, s.heeded, s.part = place, 0, nil
	s.entries, s.keys = s.entries[:0], s.keys[:0]
}

func (p *Plan) appendParameters(dst []byte, raw string, place Place, s *Scratch) ([]byte, error) {
	p.begin(place, s)
	count := 0
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		if count++; count > p.options.MaxQueryParameters {
			return nil, errorf(place, "", "the %s has more than %d parameters", s.source(), p.options.MaxQueryParameters)
		}
		var err error
		if dst, err = p.appendParameter(dst, pair, s); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (p *Plan) appendParameter(dst []byte, pair string, s *Scratch) ([]byte, error) {
	name, value, given := strings.Cut(pair, "=")
	var ok bool
	if s.name, ok = appendQueryUnescaped(s.name[:0], name); !ok {
		return nil, s.badParameter([]byte(name), "the name has a % without two hexadecimal digits")
	}
	// Old software separates parameters by semicolons, so that two readers of one
	// query could see different parameters.
	if strings.IndexByte(pair, ';') >= 0 {
		return nil, s.badParameter(s.name, "a semicolon must be written %3B, and parameters are separated by &")
	}
	if s.place == InQuery {
		if r := p.reservation(s.name); r != nil {
			return dst, p.heed(r, value, given, s)
		}
	}
	if !utf8.Valid(s.name) {
		return nil, s.badParameter(s.name, "the name is not valid UTF-8")
	}
	if p.options.PathWins && p.overruled(s.name, s.place) {
		return dst, nil
	}
	field, err := p.find(s.name, s)
	if err != nil {
		return nil, err
	}
	if field == nil {
		p.leaveOut(pair, s)
		return dst, nil
	}
	if err := s.value(value, given); err != nil {
		return nil, err
	}
	return p.appendText(dst, field, s)
}

// appendText appends the field of the parameter at hand with the value in s.text.
func (p *Plan) appendText(dst []byte, field *codec.Field, s *Scratch) ([]byte, error) {
	var err error
	switch {
	case field.Map():
		return p.appendEntry(dst, field, s)
	case p.options.QueryStructs && field.JSONText():
		dst, err = codec.AppendNestedJSON(dst, s.chain, field, s.text, &s.codec)
	default:
		dst, err = codec.AppendNested(dst, s.chain, field, s.text, &s.codec)
	}
	if err != nil {
		return nil, fromCodec(s.place, string(s.name), err)
	}
	return dst, nil
}

// top is the message whose fields parameters name, and its node: the request
// message, or for a form what the body is.
func (p *Plan) top(place Place) (*codec.Message, int32) {
	if place == InBody && p.mode == fieldBody {
		return p.body.Message(), p.bodyNode
	}
	return p.input, 0
}

// find resolves a decoded parameter name to a field that may be bound, its
// parents in s.chain, and notes it in s.tree. The field is nil for a name that
// the message does not have, if that is no mistake.
func (p *Plan) find(name []byte, s *Scratch) (*codec.Field, error) {
	if p.mode == wholeBody && s.place == InQuery && p.options.UnknownQuery == Reject && !p.options.QueryBesideBody {
		return nil, p.onlyBody(name, s)
	}
	s.chain = s.chain[:0]
	message, at := p.top(s.place)
	if at != 0 {
		s.chain = append(s.chain, p.body)
	}
	rest := name
	// What an unknown name goes through on its way is not set by it.
	size, above := len(s.tree), int32(0)
	for {
		var field *codec.Field
		var head []byte
		var more bool
		whole := rest
		if field, head, rest, more = step(message, rest); field == nil {
			if p.options.QueryMaps {
				if field, s.key = splitEntry(message, whole); field != nil {
					return field, p.claimEntry(name, at, field, s)
				}
			}
			s.tree.undo(size, above)
			return nil, p.unknownParameter(name, head, s)
		}
		if !more {
			return field, p.claim(name, at, field, s)
		}
		if why := closed(field); why != "" {
			if field.Message() == nil && !field.Map() && p.unknown(s) != Reject {
				s.tree.undo(size, above)
				return nil, nil // nothing of that name can be in a scalar
			}
			return nil, s.badParameter(name, "there is nothing to set in field \""+field.Name()+"\", which is "+why)
		}
		if len(s.chain)+1 >= p.options.MaxDepth {
			return nil, errorf(s.place, "", "a %s parameter names a field more than %d messages deep", s.source(), p.options.MaxDepth)
		}
		child, clash := s.tree.enter(at, field)
		if clash != 0 {
			return nil, p.clash(name, clash, s)
		}
		if s.tree[child].origin == fromBody {
			return nil, s.badParameter(name, "the field is taken from the body")
		}
		if s.tree[child].origin == fromQuery {
			return nil, s.badParameter(name, "another parameter has set all of field \""+field.Name()+"\"")
		}
		if int(child) == size {
			above = at
		}
		s.chain = append(s.chain, field)
		message, at = field.Message(), child
	}
}

// step finds the field that a dotted name begins with: the first part of it is
// head, and if there is more, it is rest.
func step(m *codec.Message, name []byte) (f *codec.Field, head, rest []byte, more bool) {
	// A JSON name may have a dot of its own.
	if f = m.FieldByName(name); f != nil {
		return f, name, nil, false
	}
	if head, rest, more = bytes.Cut(name, dot); more {
		f = m.FieldByName(head)
	}
	return f, head, rest, more
}

var dot = []byte{'.'}

// claim notes that a parameter sets field, a child of node at.
func (p *Plan) claim(name []byte, at int32, field *codec.Field, s *Scratch) error {
	if s.part != nil {
		s.use = useOf(s.part, field)
		switch s.use {
		case useJSON, useBytes, useBody:
			return p.claimWhole(name, at, field, s)
		case useFile:
			return s.badParameter(name, "the part is a file, which only a field of type bytes or google.api.HttpBody can hold"+alone(s.part))
		}
	}
	switch {
	case field.Map() && p.options.QueryMaps:
		return s.badParameter(name, "the field is a map; set its entries one by one, as in "+clip(name)+"[key]=value")
	case field.Map():
		return s.badParameter(name, "the field is a map; a query has no form for it")
	case p.options.QueryStructs && field.JSONText():
	case !field.BindableText():
		return s.badParameter(name, "the field is of type "+string(field.Message().FullName())+
			", which has no form in a query"+p.advice(name, field))
	}
	return p.set(name, at, field, s)
}

// set notes that a parameter gives field a value.
func (p *Plan) set(name []byte, at int32, field *codec.Field, s *Scratch) error {
	if p.mode == wholeBody && s.place == InQuery && !p.options.QueryBesideBody {
		return p.onlyBody(name, s)
	}
	child, clash := s.tree.enter(at, field)
	if clash != 0 {
		return p.clash(name, clash, s)
	}
	n := &s.tree[child]
	switch {
	case n.origin == fromPath:
		return s.badParameter(name, "the field is taken from the path")
	case n.origin == fromBody:
		return s.badParameter(name, "the field is taken from the body")
	case n.origin == fromQuery && !field.Repeated() && !field.Map():
		return s.badParameter(name, "the field is set twice, and is not repeated")
	}
	if n.origin != fromQuery && p.mask != nil && s.place == InBody && (s.part == nil || s.use != useJSON) {
		p.addToMask(field, s)
	}
	n.origin = fromQuery
	return nil
}

func (p *Plan) onlyBody(name []byte, s *Scratch) error {
	return s.badParameter(name, "this path takes the message from the body, and no query parameters")
}

// overruled reports whether the path has bound the field that a parameter names,
// or another member of a oneof that the field is in.
func (p *Plan) overruled(name []byte, place Place) bool {
	message, at := p.top(place)
	rest := name
	for message != nil {
		var field *codec.Field
		var more bool
		if field, _, rest, more = step(message, rest); field == nil {
			return false
		}
		child, clash := p.base.look(at, field)
		switch {
		case clash != 0:
			return p.base.bindsPath(clash)
		case child == 0:
			return false
		case !more:
			return p.base[child].origin == fromPath
		}
		message, at = field.Message(), child
	}
	return false
}

// closed says what a field is whose value has no fields that a query could set;
// "" if it has.
func closed(f *codec.Field) string {
	switch {
	case f.Map():
		return "a map"
	case f.Repeated():
		return "repeated"
	case f.Message() == nil:
		return "not a message"
	case ownJSON(string(f.Message().FullName())):
		return "of type " + string(f.Message().FullName())
	}
	return ""
}

// ownJSON reports whether the message has a JSON form of its own, so that its
// fields are not names that anybody writes.
func ownJSON(name string) bool {
	const google = "google.protobuf."
	if !strings.HasPrefix(name, google) {
		return false
	}
	switch name[len(google):] {
	case "Any", "Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue",
		"DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value",
		"BoolValue", "StringValue", "BytesValue":
		return true
	}
	return false
}

// appendQueryUnescaped decodes the escapes of a query once; a plus is a space.
func appendQueryUnescaped(dst []byte, s string) ([]byte, bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '+':
			dst = append(dst, ' ')
		case '%':
			if i+2 >= len(s) {
				return dst, false
			}
			high, low := unhex(s[i+1]), unhex(s[i+2])
			if high < 0 || low < 0 {
				return dst, false
			}
			dst = append(dst, byte(high<<4|low))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst, true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
