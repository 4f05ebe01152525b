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
	// Source is path, query, body, form or mask; From is the name that the field has
	// there, or what the mask was made of.
	Source, From string
	// Value is the text that was given.
	Value string
}

// longestShown bounds the text of a [Bound] value.
const longestShown = 200

// Explain lists what of a request that [Plan.Bind] has just taken, with s, sets
// which field: the path first, then the body, the query and the mask of a PATCH;
// and what is left out: query.utm_source, body.nope. It may allocate.
func (p *Plan) Explain(r *Request, s *Scratch) (bound []Bound, ignored []string) {
	var mask []Bound
	if s.filled {
		mask = []Bound{{Field: p.mask.field.JSONName(), Source: "mask", From: "the body", Value: clipValue(maskText(s.mask))}}
	}
	if len(r.Body) > 0 && !r.Form && !r.Multipart && p.mode != noBody && p.rawBody == nil {
		s.codec.Parse.Record = true
		_, _ = p.appendBody(nil, r, s) // which went well before
		for _, path := range s.codec.Ignored {
			ignored = append(ignored, "body."+path)
		}
	}
	e := explainer{Plan: p, s: s, ignored: ignored}
	e.path(r)
	switch {
	case r.Multipart:
		e.parts(r.Parts)
	case e.rawBody != nil:
		e.raw(r)
	case r.Form:
		e.parameters(string(r.Body), InBody)
	case len(r.Body) > 0:
		e.body(r.Body)
	}
	e.parameters(r.RawQuery, InQuery)
	return append(e.bound, mask...), e.ignored
}

type explainer struct {
	*Plan
	s       *Scratch
	bound   []Bound
	ignored []string
}

func (e *explainer) path(r *Request) {
	for i := range e.variables {
		v := &e.variables[i]
		if v.unescape(r, i, e.s) == nil {
			e.bound = append(e.bound, Bound{Field: fieldPath(v.parents, v.field), Source: "path", From: "{" + v.name + "}", Value: clipValue(e.s.text)})
		}
	}
}

func (e *explainer) body(body []byte) {
	var all []Bound
	switch e.mode {
	case wholeBody:
		all = appendBodyFields(all, e.input, body, "", "")
	case fieldBody:
		f := e.Plan.body
		if m := f.Message(); m != nil && !f.Repeated() {
			all = appendBodyFields(all, m, body, f.JSONName(), "")
		} else {
			all = append(all, Bound{Field: f.JSONName(), Source: "body", From: "the whole", Value: clipValue(body)})
		}
	}
	for _, b := range all {
		if e.options.PathWins && e.overruled([]byte(b.From), InBody) {
			e.ignored = append(e.ignored, "body."+b.From)
		} else {
			e.bound = append(e.bound, b)
		}
	}
}

// raw adds what a body that is a google.api.HttpBody sets.
func (e *explainer) raw(r *Request) {
	field := ""
	if e.mode == fieldBody {
		field = e.Plan.body.JSONName()
	}
	if r.ContentType != "" {
		e.bound = append(e.bound, Bound{Field: join(field, "contentType"), Source: "body", From: "content-type", Value: clipValue([]byte(r.ContentType))})
	}
	if len(r.Body) > 0 {
		e.bound = append(e.bound, Bound{Field: join(field, "data"), Source: "body", From: "the whole", Value: clipValue(r.Body)})
	}
}

// parameters adds those of a query, or of a form.
func (e *explainer) parameters(raw string, place Place) {
	s := e.s
	source := "query"
	if place == InBody {
		source = "form"
	}
	e.begin(place, s)
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		var ok bool
		if s.name, ok = appendQueryUnescaped(s.name[:0], name); !ok || pair == "" {
			continue
		}
		if place == InQuery {
			if r := e.reservation(s.name); r != nil {
				if r.use == useNothing {
					e.leftOut()
				}
				continue
			}
		}
		if e.options.PathWins && e.overruled(s.name, place) {
			e.leftOut()
			continue
		}
		field, err := e.find(s.name, s)
		if err != nil {
			continue
		}
		if field == nil {
			e.leftOut()
			continue
		}
		if s.text, ok = appendQueryUnescaped(s.text[:0], value); ok {
			path := fieldPath(s.chain, field)
			if field.Map() {
				path += "[" + clipValue(s.key) + "]"
			}
			e.bound = append(e.bound, Bound{Field: path, Source: source, From: string(s.name), Value: clipValue(s.text)})
		}
	}
}

// leftOut notes that the parameter at hand is not bound.
func (e *explainer) leftOut() {
	e.ignored = append(e.ignored, e.s.prefix()+clipValue(e.s.name))
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
