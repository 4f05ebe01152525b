package plan

import (
	"strings"
	"unicode/utf8"
)

// System parameters speak to the gateway, and not to the method:
//
//	$alt, alt         the form of the answer
//	$.xgafv, xgafv    the form of errors
//	$fields, fields   the fields that the answer should have
//	key               an API key, which nobody here reads
//
// A plan has a list of those that are on. The spelling without the dollar is not
// on it if the message has such a field.

// reserved is a parameter that is never bound.
type reserved struct {
	name string
	use  use
}

// use is what a reserved parameter is for.
type use uint8

const (
	useNothing use = iota
	useAlt
	useErrors
	useFields
)

// reserve lists what the options keep from being bound. What a route ignores is
// ignored first of all.
func (c *compiler) reserve() {
	p, o := c.plan, &c.plan.options
	add := func(name string, use use) { p.reserved = append(p.reserved, reserved{name, use}) }
	for _, name := range o.IgnoredQuery {
		add(name, useNothing)
	}
	if o.Key {
		add("key", useNothing)
	}
	both := func(name, short string, use use) {
		add(name, use)
		if p.input.FieldByName([]byte(short)) == nil {
			add(short, use)
		}
	}
	if o.Alt {
		both("$alt", "alt", useAlt)
	}
	if o.ErrorFormat {
		both("$.xgafv", "xgafv", useErrors)
	}
	if o.Partial {
		both("$fields", "fields", useFields)
	}
}

// reservation is the reserved parameter of this decoded name, nil if it is none.
func (p *Plan) reservation(name []byte) *reserved {
	for i := range p.reserved {
		if string(name) == p.reserved[i].name {
			return &p.reserved[i]
		}
	}
	return nil
}

// heed takes a system parameter. s.name is its name, value as it came.
func (p *Plan) heed(r *reserved, value string, given bool, s *Scratch) error {
	if r.use == useNothing {
		return nil
	}
	if s.heeded&(1<<r.use) != 0 {
		return s.badParameter(s.name, "is given twice")
	}
	s.heeded |= 1 << r.use
	if err := s.value(value, given); err != nil {
		return err
	}
	switch r.use {
	case useAlt:
		switch string(s.text) {
		case "json":
		case "json;enum-encoding=int":
			s.Outcome.IntEnums = true
		default:
			return s.badParameter(s.name, "the answer can be json, or json%3Benum-encoding=int for enums as numbers")
		}
	case useErrors:
		form, ok := errorForm(s.text)
		if !ok {
			return s.badParameter(s.name, "errors can be 1, that of Google's APIs, or 2, google.rpc.Status")
		}
		s.Outcome.Errors = form
	case useFields:
		s.Outcome.HasFields = true
		s.Outcome.Fields = append(s.Outcome.Fields[:0], s.text...)
	}
	return nil
}

// value decodes the value of a parameter into s.text.
func (s *Scratch) value(value string, given bool) error {
	if !given {
		return s.badParameter(s.name, "has no value; write "+string(s.name)+"=value")
	}
	var ok bool
	if s.text, ok = appendQueryUnescaped(s.text[:0], value); !ok {
		return s.badParameter(s.name, "the value has a % without two hexadecimal digits")
	}
	if !utf8.Valid(s.text) {
		return s.badParameter(s.name, "the value is not valid UTF-8")
	}
	return nil
}

func errorForm(text []byte) (ErrorForm, bool) {
	switch string(text) {
	case "1":
		return GoogleErrors, true
	case "2":
		return StatusErrors, true
	}
	return AnyErrors, false
}

// findErrorForm finds the first form of errors that a query asks for. What is
// wrong with the query it leaves to [Plan.appendQuery].
func (p *Plan) findErrorForm(raw string, s *Scratch) {
	for n := 0; raw != "" && n < p.options.MaxQueryParameters; n++ {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		var ok bool
		if s.name, ok = appendQueryUnescaped(s.name[:0], name); !ok {
			continue
		}
		if r := p.reservation(s.name); r == nil || r.use != useErrors {
			continue
		}
		if s.text, ok = appendQueryUnescaped(s.text[:0], value); !ok {
			continue
		}
		if form, ok := errorForm(s.text); ok {
			s.Outcome.Errors = form
			return
		}
	}
}
