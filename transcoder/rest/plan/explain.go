package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Bound is one field that a request sets, for people.
type Bound struct {
	// Field is the path of the field by JSON names.
	Field string
	// Source is path, query, body, form or mask; From is the name that the field has there.
	Source, From string
	// Value is the text that was given.
	Value string
}

// longestShown bounds the text of a [Bound] value.
const longestShown = 200

// Explain lists what of a request, of which [Plan.Bind] has made message, sets
// which field: the path first, then the body, the query and the mask. It may
// allocate.
func (p *Plan) Explain(r *Request, message []byte, s *Scratch) []Bound {
	var all []Bound
	for i := range p.variables {
		v := &p.variables[i]
		if v.unescape(r, i, s) == nil {
			all = append(all, Bound{Field: fieldPath(v.parents, v.field), Source: "path", From: "{" + v.name + "}", Value: clipValue(s.text)})
		}
	}
	switch {
	case len(r.Body) == 0 || p.mode == noBody:
	case r.Form:
		all = p.appendParameterFields(all, string(r.Body), InBody, s)
	case p.mode == wholeBody:
		all = appendBodyFields(all, p.input, r.Body, "", "")
	default:
		if m := p.body.Message(); m != nil && !p.body.Repeated() {
			all = appendBodyFields(all, m, r.Body, p.body.JSONName(), "")
		} else {
			all = append(all, Bound{Field: p.body.JSONName(), Source: "body", From: "the whole", Value: clipValue(r.Body)})
		}
	}
	all = p.appendParameterFields(all, r.RawQuery, InQuery, s)
	return p.appendMaskField(all, message, s)
}

// appendParameterFields adds the parameters of a query, or of a form, that name a
// field.
func (p *Plan) appendParameterFields(all []Bound, raw string, place Place, s *Scratch) []Bound {
	source := "query"
	if place == InBody {
		source = "form"
	}
	s.tree, s.place = append(s.tree[:0], p.base...), place
	s.entries, s.keys = s.entries[:0], s.keys[:0]
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		var ok bool
		if s.name, ok = appendQueryUnescaped(s.name[:0], name); !ok || pair == "" || place == InQuery && p.reservation(s.name) != nil {
			continue
		}
		if p.options.PathWins && p.overruled(s.name, place) {
			continue
		}
		field, err := p.find(s.name, s)
		if err != nil || field == nil {
			continue
		}
		if s.text, ok = appendQueryUnescaped(s.text[:0], value); ok {
			all = append(all, Bound{Field: fieldPath(s.chain, field), Source: source, From: string(s.name), Value: clipValue(s.text)})
		}
	}
	return all
}

// appendMaskField adds the mask of a PATCH, unless the request has set it itself.
func (p *Plan) appendMaskField(all []Bound, message []byte, s *Scratch) []Bound {
	name := p.MaskField()
	if name == "" || slices.ContainsFunc(all, func(b Bound) bool { return b.Field == name }) {
		return all
	}
	text, ok, err := codec.AppendValueText(nil, nil, p.mask.field, message, &s.codec)
	if err != nil || !ok {
		return all
	}
	return append(all, Bound{Field: name, Source: "mask", From: "the body", Value: clipValue(text)})
}

// appendBodyFields adds the fields that a JSON object sets: objects that are
// messages field by field, everything else as a whole. field and from are where
// the object is in the message and in the body.
func appendBodyFields(all []Bound, m *codec.Message, body []byte, field, from string) []Bound {
	names, values := members(body)
	if names == nil {
		if field == "" {
			field = "the message"
		}
		return append(all, Bound{Field: field, Source: "body", From: "the whole", Value: clipValue(body)})
	}
	for i, name := range names {
		f := m.FieldByName([]byte(name))
		if f == nil {
			continue
		}
		path, origin := join(field, f.JSONName()), join(from, name)
		value := bytes.TrimSpace(values[i])
		if sub := f.Message(); sub != nil && !f.Repeated() && !ownJSON(string(sub.FullName())) && len(value) > 0 && value[0] == '{' {
			if below := appendBodyFields(nil, sub, value, path, origin); len(below) > 0 {
				all = append(all, below...)
				continue
			}
		}
		all = append(all, Bound{Field: path, Source: "body", From: origin, Value: clipValue(value)})
	}
	return all
}

// members are the names of a JSON object, in order, and their values; nil if it
// is none.
func members(object []byte) (names []string, values []json.RawMessage) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, nil
	}
	names = []string{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			break
		}
		names, values = append(names, name.(string)), append(values, value)
	}
	return names, values
}

func fieldPath(parents []*codec.Field, f *codec.Field) string {
	var names []string
	for _, parent := range parents {
		names = append(names, parent.JSONName())
	}
	return strings.Join(append(names, f.JSONName()), ".")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func clipValue(text []byte) string {
	if len(text) > longestShown {
		return strings.ToValidUTF8(string(slices.Clone(text[:longestShown])), "") + "…"
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// AppendRequestJSON appends a serialized request message as protobuf's own JSON,
// for people. On failure it returns dst as it was and a *[codec.Error].
func (p *Plan) AppendRequestJSON(dst, wire []byte, s *Scratch) ([]byte, error) {
	p.limit(s)
	return p.input.AppendJSON(dst, wire, &s.codec)
}
