package jq

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

func (r *budget) length(v any) any {
	switch v := v.(type) {
	case nil:
		return 0
	case string:
		if !r.work(len(v) >> 6) {
			return errOver
		}
		return utf8.RuneCountInString(v)
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return unchecked("length", v)
}

func (r *budget) keys(v any) any {
	switch v := v.(type) {
	case []any:
		if !r.charges(len(v), 2*sizeValue) {
			return errOver
		}
		out := make([]any, len(v))
		for i := range out {
			out[i] = i
		}
		return out
	case map[string]any:
		// The keys, and values that are strings, which are two words each.
		if !r.charges(len(v), 3*sizeValue) || !r.work(8*len(v)) {
			return errOver
		}
		out := make([]any, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, key)
		}
		return out
	}
	return unchecked("keys", v)
}

// elements counts the elements of a value by themselves.
func (r *budget) elements(v any) (size, count int, ok bool) {
	add := func(e any) bool {
		size += sizeOf(e)
		count++
		return r.work(1)
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if !add(e) {
				return 0, 0, false
			}
		}
	case map[string]any:
		for _, e := range v {
			if !add(e) {
				return 0, 0, false
			}
		}
		size += sizeItem * count
	}
	return size, count, true
}

// anyLong is the failure for elements that are numbers with too long a text.
func (r *budget) anyLong(v any) error {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if _, err := r.number(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, e := range v {
			if _, err := r.number(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *budget) sum(v any) any {
	size, _, ok := r.elements(v)
	if !ok || !r.charges(size, 2) {
		return errOver
	}
	if err := r.anyLong(v); err != nil {
		return err
	}
	return unchecked("add", v)
}

func (r *budget) reverse(v any) any {
	a, ok := v.([]any)
	if !ok {
		return unchecked("reverse", v)
	}
	if !r.charge(sizeArray + sizeValue*len(a)) {
		return errOver
	}
	out := slices.Clone(a)
	slices.Reverse(out)
	if out == nil {
		return []any{}
	}
	return out
}

func (r *budget) flatten(v any, args []any) any {
	levels := -1.0
	if len(args) > 0 {
		if err, ok := r.numbers(args[0]).(error); ok {
			return err
		}
		n, ok := gojq.ToFloat64(args[0])
		if !ok || !(n >= 0) {
			return unchecked("flatten", v, args[0])
		}
		levels = n
	}
	var in []any
	switch v := v.(type) {
	case []any:
		in = v
	case map[string]any:
		if !r.charges(len(v), 3*sizeValue) {
			return errOver
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			in = append(in, v[key])
		}
	default:
		return unchecked("flatten", v, args...)
	}
	out, ok := r.flat([]any{}, in, levels, 0)
	if !ok {
		return errOver
	}
	return out
}

func (r *budget) flat(out, in []any, levels float64, depth int) ([]any, bool) {
	if !r.deep(depth) {
		return nil, false
	}
	for _, e := range in {
		if inner, ok := e.([]any); ok && levels != 0 {
			if !r.work(1) {
				return nil, false
			}
			if out, ok = r.flat(out, inner, levels-1, depth+1); !ok {
				return nil, false
			}
			continue
		}
		if !r.charge(sizeItem) {
			return nil, false
		}
		out = append(out, e)
	}
	return out, true
}

func (r *budget) transpose(v any) any {
	rows, ok := v.([]any)
	if !ok {
		return unchecked("transpose", v)
	}
	width := 0
	for _, row := range rows {
		a, _ := row.([]any)
		width = max(width, len(a))
	}
	if !r.charges(width, sizeArray+2*sizeValue+sizeValue*len(rows)) {
		return errOver
	}
	return unchecked("transpose", v)
}

// extreme is the least element, or the greatest, by keys or by itself.
func (r *budget) extreme(native string, v, by any) any {
	values, keys, ok := columns(v, by)
	if !ok {
		return mismatch(native, v, by)
	}
	if len(values) == 0 {
		return nil
	}
	least, best := native == "min" || native == "_min_by", 0
	for i := 1; i < len(keys); i++ {
		c := r.compare(keys[best], keys[i], 0)
		if r.failure != nil {
			return errOver
		}
		if (c > 0) == least {
			best = i
		}
	}
	return values[best]
}

// columns are the values and what they are compared by, as many.
func columns(v, by any) (values, keys []any, ok bool) {
	values, ok = v.([]any)
	if by == nil {
		return values, values, ok
	}
	keys, both := by.([]any)
	return values, keys, ok && both && len(keys) == len(values)
}

func mismatch(native string, v, by any) any {
	if by == nil {
		return unchecked(native, v)
	}
	return unchecked(native, v, by)
}

func (r *budget) sort(native string, v, by any) any {
	values, keys, ok := columns(v, by)
	if !ok {
		return mismatch(native, v, by)
	}
	n := len(values)
	if !r.charges(n, 4*sizeValue) || !r.work(n*bits.Len(uint(n))>>4) {
		return errOver
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		if r.failure != nil || r.ticks <= 0 && !r.look() {
			return 0
		}
		return r.compare(keys[i], keys[j], 0)
	})
	out := make([]any, 0, n)
	for i, at := range order {
		first := i == 0 || native != "sort" && native != "_sort_by" && r.compare(keys[order[i-1]], keys[at], 0) != 0
		switch {
		case native == "sort" || native == "_sort_by":
			out = append(out, values[at])
		case native == "_group_by" && first:
			if !r.charge(sizeArray) {
				return errOver
			}
			out = append(out, []any{values[at]})
		case native == "_group_by":
			out[len(out)-1] = append(out[len(out)-1].([]any), values[at])
		case first:
			out = append(out, values[at])
		}
	}
	if r.failure != nil || !r.look() {
		return errOver
	}
	return out
}

func (r *budget) contains(v, x any) any {
	ok, err := r.holds(v, x, 0)
	if err != nil {
		return err
	}
	if r.failure != nil {
		return errOver
	}
	return ok
}

// holds reports whether jq says that a value contains another. The error is for two
// that jq does not compare so; below the top, they are just not contained.
func (r *budget) holds(v, x any, depth int) (bool, error) {
	if !r.work(1) || !r.deep(depth) {
		return false, errOver
	}
	switch v := v.(type) {
	case []any:
		if inner, ok := x.([]any); ok {
			for _, e := range inner {
				if !slices.ContainsFunc(v, func(f any) bool {
					ok, _ := r.holds(f, e, depth+1)
					return ok || r.failure != nil
				}) {
					return false, nil
				}
			}
			return r.failure == nil, nil
		}
	case map[string]any:
		if inner, ok := x.(map[string]any); ok {
			if len(v) < len(inner) {
				return false, nil
			}
			for key, e := range inner {
				f, ok := v[key]
				if ok {
					ok, _ = r.holds(f, e, depth+1)
				}
				if !ok {
					return false, nil
				}
			}
			return true, nil
		}
	}
	if s, ok := v.(string); ok {
		r.work(len(s) >> 4)
	}
	v, x, err := r.both(v, x)
	if err != nil {
		return false, err
	}
	switch out := unchecked("contains", v, x).(type) {
	case bool:
		return out, nil
	case error:
		return false, out
	default:
		return false, fmt.Errorf("contains gives %v", out)
	}
}

// find is where a value is found in another: all places, the first or the last.
func (r *budget) find(native string, v, x any) any {
	if s, ok := v.(string); ok {
		t, ok := x.(string)
		if !ok {
			return unchecked(native, v, x)
		}
		return r.findText(native, s, t)
	}
	a, ok := v.([]any)
	if !ok {
		return unchecked(native, v, x)
	}
	what, ok := x.([]any)
	if !ok {
		what = []any{x}
	}
	places, ok := r.places(len(a)-len(what)+1, native, len(what) == 0, func(i int) bool {
		return r.compareArrays(a[i:i+len(what)], what, 0) == 0
	})
	return found(native, places, ok)
}

// findText is find in the characters of a string.
func (r *budget) findText(native, s, t string) any {
	if !r.fits(4 * (len(s) + len(t))) {
		return errOver
	}
	runes, what := []rune(s), []rune(t)
	places, ok := r.places(len(runes)-len(what)+1, native, len(what) == 0, func(i int) bool {
		n := 0
		for n < len(what) && runes[i+n] == what[n] {
			n++
		}
		r.work(n >> 2)
		return n == len(what)
	})
	return found(native, places, ok)
}

// places are the indices below n that a test holds for; for index and rindex the
// one that counts.
func (r *budget) places(n int, native string, nothing bool, holds func(int) bool) ([]any, bool) {
	places := []any{}
	for i := range max(n, 0) {
		if nothing {
			break
		}
		at := i
		if native == "rindex" {
			at = n - 1 - i
		}
		ok := holds(at)
		if r.failure != nil || !r.work(1) {
			return nil, false
		}
		if !ok {
			continue
		}
		if !r.charge(sizeItem) {
			return nil, false
		}
		if places = append(places, at); native != "indices" {
			break
		}
	}
	return places, true
}

func found(native string, places []any, ok bool) any {
	switch {
	case !ok:
		return errOver
	case native == "indices":
		return places
	case len(places) == 0:
		return nil
	}
	return places[0]
}

func (r *budget) bsearch(v, x any) any {
	a, ok := v.([]any)
	if !ok {
		return unchecked("bsearch", v, x)
	}
	i, ok := slices.BinarySearchFunc(a, x, func(e, x any) int { return r.compare(e, x, 0) })
	switch {
	case r.failure != nil:
		return errOver
	case ok:
		return i
	}
	return -i - 1
}
