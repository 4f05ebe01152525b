package jq

import (
	"maps"
	"slices"

	"github.com/itchyny/gojq"
)

// assign is .a.b = x and its kind, with a path of names.
func (s *straightener) assign(q *gojq.Query, last bool) stride {
	path, ok := queryPath(q.Left, nil)
	value := s.query(q.Right)
	if !ok || value == nil || slices.ContainsFunc(path, func(key any) bool { _, name := key.(string); return !name }) {
		return nil
	}
	to := &spot{path: path, key: any(path), last: last}
	if !literal(q.Right) {
		s.copies++
	}
	if q.Op == gojq.OpAssign {
		return func(f *frame, in any) (any, error) {
			v, err := value(f, in)
			if err != nil {
				return nil, err
			}
			return f.set(in, to, v)
		}
	}
	// change is what becomes of what is there, with the value.
	var change func(f *frame, old, v any) any
	switch q.Op {
	case gojq.OpModify:
		return func(f *frame, in any) (any, error) {
			old, err := f.at(in, path)
			if err != nil {
				return nil, err
			}
			v, err := value(f, old)
			if err != nil {
				return nil, err
			}
			return f.modify(in, to, v)
		}
	case gojq.OpUpdateAlt:
		change = func(_ *frame, old, v any) any {
			if old != nil && old != false {
				return old
			}
			return v
		}
	default:
		call := nativeNamed(operators[q.Op], 2).call
		change = func(f *frame, old, v any) any {
			f.args = [...]any{old, v}
			return call(f.budget, old, f.args[:])
		}
	}
	add := q.Op == gojq.OpUpdateAdd
	return func(f *frame, in any) (any, error) {
		v, err := value(f, in)
		if err != nil {
			return nil, err
		}
		old, err := f.at(in, path)
		if err != nil {
			return nil, err
		}
		if add && f.merge(in, to, old, v) {
			return in, nil
		}
		if v, err = outcome(change(f, old, v)); err != nil {
			return nil, err
		}
		return f.set(in, to, v)
	}
}

// at is what .a.b or .a[0] gives.
func (f *frame) at(v any, path []any) (any, error) {
	for _, key := range path {
		switch w := v.(type) {
		case nil:
			continue
		case map[string]any:
			if name, ok := key.(string); ok {
				v = w[name]
				continue
			}
		case []any:
			if i, ok := key.(int); ok {
				if i < 0 {
					i += len(w)
				}
				if v = nil; 0 <= i && i < len(w) {
					v = w[i]
				}
				continue
			}
		}
		if failed(f.budget.characters(v)) {
			return nil, errOver
		}
		var err error
		if v, err = outcome(unchecked("_index", nil, v, key)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// steps reports whether a path is names and places in arrays, as at takes it.
func steps(path []any) bool {
	return !slices.ContainsFunc(path, func(key any) bool {
		switch key.(type) {
		case string, int:
			return false
		}
		return true
	})
}

func (s *straightener) del(q *gojq.Query, last bool) stride {
	var paths []any
	for ; q != nil && q.Term == nil; q = q.Left {
		path, ok := queryPath(q.Right, nil)
		if q.Op != gojq.OpComma || len(q.FuncDefs) > 0 || !ok {
			return nil
		}
		paths = append(paths, path)
	}
	path, ok := queryPath(q, nil)
	if !ok {
		return nil
	}
	paths = append(paths, path)
	slices.Reverse(paths)
	for _, path := range paths {
		if slices.ContainsFunc(path.([]any), func(key any) bool { _, name := key.(string); return !name }) {
			return nil
		}
	}
	return func(f *frame, in any) (any, error) {
		for _, path := range paths {
			if _, err := f.at(in, path.([]any)); err != nil {
				return nil, err
			}
		}
		if last && f.delete(in, paths) {
			return in, nil
		}
		return outcome(f.budget.delpaths(in, paths))
	}
}

// grown is a copy of an object with room for one more member.
func grown(v map[string]any, has bool) map[string]any {
	if has {
		return maps.Clone(v)
	}
	out := make(map[string]any, len(v)+1)
	maps.Copy(out, v)
	return out
}
