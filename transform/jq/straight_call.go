package jq

import (
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// cheap are natives of gojq that cost nothing, and that predicates use: they are called
// here without its machine. What is a mistake goes to the native, for its message.
var cheap = []native{
	ofTexts("startswith", func(s, t string) any { return strings.HasPrefix(s, t) }),
	ofTexts("endswith", func(s, t string) any { return strings.HasSuffix(s, t) }),
	ofTexts("ltrimstr", func(s, t string) any { return strings.TrimPrefix(s, t) }),
	ofTexts("rtrimstr", func(s, t string) any { return strings.TrimSuffix(s, t) }),
	unary("has", func(r *budget, v, x any) any {
		object, ok := v.(map[string]any)
		name, is := x.(string)
		if ok && is {
			_, has := object[name]
			return has
		}
		if err, ok := r.numbers(x).(error); ok {
			return err
		}
		return unchecked("has", v, x)
	}),
}

func ofTexts(name string, f func(s, t string) any) native {
	return unary(name, func(_ *budget, v, x any) any {
		s, ok := v.(string)
		t, is := x.(string)
		if ok && is {
			return f(s, t)
		}
		return unchecked(name, v, x)
	})
}

// test is test("…") and test("…"; "…"), with texts that are written out.
func (s *straightener) test(args []*gojq.Query) stride {
	values := []any{nil, nil, true}
	for i, arg := range args {
		text, ok := literalString(arg)
		if !ok || i > 1 {
			return nil
		}
		values[i] = text
	}
	return func(f *frame, in any) (any, error) { return outcome(f.budget.match(in, values)) }
}

// array is [a, b, c].
func (s *straightener) array(q *gojq.Query) stride {
	var elements []stride
	for q != nil {
		last := q
		if q.Term == nil && q.Op == gojq.OpComma && len(q.FuncDefs) == 0 {
			last, q = q.Right, q.Left
		} else {
			q = nil
		}
		if !literal(last) {
			s.copies++
		}
		element := s.query(last)
		if element == nil {
			return nil
		}
		elements = append(elements, element)
	}
	slices.Reverse(elements)
	return func(f *frame, in any) (any, error) {
		if !f.budget.charge(sizeArray + sizeItem*len(elements)) {
			return nil, errOver
		}
		out := make([]any, len(elements))
		for i, element := range elements {
			var err error
			if out[i], err = element(f, in); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}
