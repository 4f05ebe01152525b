package header

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Merge makes edits of levels, the least specific first: listener, upstream, route,
// destination. A level may be nil. The result is nil if there is nothing to change.
// What is wrong is an [*Error] each, joined.
func Merge(levels ...*Spec) (*Edits, error) {
	var errs []error
	for i, s := range levels {
		if s == nil {
			continue
		}
		for _, err := range append(s.Request.check(false), s.Response.check(true)...) {
			var wrong *Error
			if errors.As(err, &wrong) {
				wrong.Level = i
			}
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var request, response merger
	for _, s := range slices.Backward(levels) {
		if s != nil {
			request.add(&s.Request, false)
			response.add(&s.Response, true)
		}
	}
	if !request.out.any() && !response.out.any() {
		return nil, nil
	}
	return &Edits{request: request.out, response: response.out}, nil
}

// merger puts levels together, the most specific first.
type merger struct {
	out edits
	// decided are the names that levels so far mention.
	decided []string
}

// add adds what a level says of names that no level before it has mentioned.
func (m *merger) add(l *List, response bool) {
	before := slices.Clone(m.decided)
	open := func(name string) bool {
		return !slices.Contains(before, name) &&
			!slices.ContainsFunc(m.out.patterns, func(p pattern) bool { return p.takes(name) })
	}
	// Names are added to those of the level before patterns are, which exclude them.
	var patterns []pattern
	decide := func(name string) { m.decided = append(m.decided, name) }
	for _, name := range l.Remove {
		if prefix, is := strings.CutSuffix(name, "*"); is {
			patterns = append(patterns, pattern{prefix: prefix})
			continue
		}
		if name = http.CanonicalHeaderKey(name); open(name) {
			m.out.remove = append(m.out.remove, name)
			decide(name)
		}
	}
	values := func(list []Value, adds bool) {
		for i := range list {
			name := http.CanonicalHeaderKey(list[i].Name)
			if !open(name) {
				continue
			}
			v := value{name: name, append: adds}
			if list[i].Program != nil {
				v.expression = compile(list[i].Program, response)
				m.out.expressions++
			} else {
				text, _ := checkValue(name, list[i].Text)
				v.text = []string{text}
			}
			m.out.values = append(m.out.values, v)
			decide(name)
		}
	}
	values(l.Set, false)
	values(l.Append, true)
	for _, p := range patterns {
		p.but = slices.Clone(m.decided)
		if response && p.takes(date) && open(date) {
			// It comes into being when the head is written.
			m.out.remove = append(m.out.remove, date)
		}
		m.out.patterns = append(m.out.patterns, p)
	}
}
