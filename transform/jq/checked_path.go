package jq

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"

	"github.com/itchyny/gojq"
)

// An edit is a value while an assignment changes it. What the edit has copied is
// its own, and is changed in place from then on: an assignment to each element of
// an array copies the array once.
type edit struct {
	value any
	// own are the arrays and objects that only the edit has, by their address. They
	// are kept here, so that no other gets the address of one that has gone.
	own map[uintptr]any
	// once says that there is one change, so that nothing need be kept.
	once bool
	// dropped are paths that a change had no value for.
	dropped []any
}

// deleted stands for what is to be deleted, until all of it is known.
type deleted struct{}

func newEdit(_ *budget, v any) any { return &edit{value: v} }

func (e *edit) owns(v any) bool {
	if e.own == nil {
		return false
	}
	at, ok := address(v)
	return ok && e.own[at] != nil
}

func (e *edit) keep(v any) {
	if at, ok := address(v); ok && !e.once {
		if e.own == nil {
			e.own = map[uintptr]any{}
		}
		e.own[at] = v
	}
}

func address(v any) (uintptr, bool) {
	switch v := v.(type) {
	case map[string]any:
		return reflect.ValueOf(v).Pointer(), true
	case []any:
		return reflect.ValueOf(v).Pointer(), cap(v) > 0
	}
	return 0, false
}

// open is the value at a path. Until put is called, the path counts as dropped.
func (r *budget) open(v, path any) any {
	e := v.(*edit)
	keys, ok := path.([]any)
	if !ok {
		return unchecked("getpath", e.value, path)
	}
	if err, ok := r.readable(e.value, path).(error); ok {
		return err
	}
	if !r.charge(sizeItem) {
		return errOver
	}
	out := r.follow(e.value, keys)
	if failed(out) {
		return out
	}
	// Who gets it may keep it, so it must not change any more.
	if e.owns(out) {
		clear(e.own)
	}
	e.dropped = append(e.dropped, path)
	return out
}

// follow is getpath, quick where a path is names in objects.
func (r *budget) follow(v any, path []any) any {
	at := v
	for _, key := range path {
		name, ok := key.(string)
		object, is := at.(map[string]any)
		if !ok || !is {
			return unchecked("getpath", v, path)
		}
		at = object[name]
	}
	return at
}

func (r *budget) put(v, path, value any) any {
	e := v.(*edit)
	keys, ok := path.([]any)
	if !ok {
		return unchecked("setpath", e.value, path, value)
	}
	if n := len(e.dropped); n > 0 {
		e.dropped = e.dropped[:n-1]
	}
	return r.change(e, keys, path, value)
}

func (r *budget) change(e *edit, keys []any, path, value any) any {
	if !r.deep(len(keys)) {
		return errOver
	}
	out, ok := e.update(r, e.value, keys, value)
	switch {
	case r.failure != nil:
		return errOver
	case !ok:
		if err, failed := unchecked("setpath", e.value, path, value).(error); failed {
			return err
		}
		return fmt.Errorf("setpath(%s) cannot be applied to %s", gojq.Preview(path), gojq.Preview(e.value))
	}
	e.value = out
	return e
}

func (r *budget) edited(v any) any {
	e := v.(*edit)
	if len(e.dropped) == 0 {
		return e.value
	}
	return r.remove(e, e.dropped)
}

func (r *budget) setpath(v any, keys []any, path, value any) any {
	e := &r.single
	*e = edit{value: v, once: true}
	err, failed := r.change(e, keys, path, value).(error)
	out := e.value
	*e = edit{}
	if failed {
		return err
	}
	return out
}

func (r *budget) delpaths(v, paths any) any {
	list, ok := paths.([]any)
	if !ok {
		return unchecked("delpaths", v, paths)
	}
	if len(list) == 0 {
		return v
	}
	return r.remove(&edit{value: v}, list)
}

// remove deletes paths. They are marked first, each before those below it, as to
// delete one at once would move what stands behind it.
func (r *budget) remove(e *edit, paths []any) any {
	sorted := r.sort("sort", paths, nil)
	if r.failure != nil {
		return errOver
	}
	was := e.value
	for _, p := range sorted.([]any) {
		keys, ok := p.([]any)
		if !ok {
			return unchecked("delpaths", was, paths)
		}
		if !r.deep(len(keys)) {
			return errOver
		}
		out, ok := e.update(r, e.value, keys, deleted{})
		if r.failure != nil {
			return errOver
		}
		if !ok {
			if err, failed := unchecked("delpaths", was, paths).(error); failed {
				return err
			}
			return fmt.Errorf("delpaths(%s) cannot be applied to %s", gojq.Preview(paths), gojq.Preview(was))
		}
		e.value = out
	}
	return e.sweep(e.value)
}

// sweep deletes what is marked. Only what the edit has copied can have marks, and
// only that may be changed.
func (e *edit) sweep(v any) any {
	switch w := v.(type) {
	case deleted:
		return nil
	case map[string]any:
		if !e.owns(w) {
			return v
		}
		for key, x := range w {
			if x == (deleted{}) {
				delete(w, key)
			} else if _, ok := address(x); ok {
				w[key] = e.sweep(x)
			}
		}
	case []any:
		if !e.owns(w) {
			return v
		}
		kept := w[:0]
		for _, x := range w {
			if x != (deleted{}) {
				kept = append(kept, e.sweep(x))
			}
		}
		clear(w[len(kept):])
		return kept
	}
	return v
}

// update is a value with another at a path; not ok if there is no such path in it,
// or if the run has failed.
func (e *edit) update(r *budget, v any, path []any, value any) (any, bool) {
	if len(path) == 0 {
		return value, true
	}
	if v == (deleted{}) {
		return v, true
	}
	switch key := path[0].(type) {
	case string:
		object, ok := v.(map[string]any)
		if !ok && v != nil {
			return nil, false
		}
		return e.updateObject(r, object, key, path[1:], value)
	case int, float64, *big.Int, json.Number:
		array, ok := v.([]any)
		if failed(r.numbers(key)) || !ok && v != nil {
			return nil, false
		}
		i, _ := gojq.ToInt(key)
		return e.updateArray(r, array, i, path[1:], value)
	case map[string]any:
		array, ok := v.([]any)
		if !ok && v != nil {
			return nil, false
		}
		return e.updateSlice(r, array, key, path[1:], value)
	}
	return nil, false
}

func (e *edit) updateObject(r *budget, v map[string]any, key string, path []any, value any) (any, bool) {
	old, has := v[key]
	if !has && value == (deleted{}) {
		return unchanged(v, v == nil), true
	}
	below, ok := e.update(r, old, path, value)
	if !ok {
		return nil, false
	}
	if e.owns(v) {
		if !r.charge(sizeItem) {
			return nil, false
		}
		v[key] = below
		return v, true
	}
	if !r.charge(sizeObject(len(v) + 1)) {
		return nil, false
	}
	out := grown(v, has)
	out[key] = below
	e.keep(out)
	return out, true
}

// unchanged is a value that nothing was deleted from: null stays null.
func unchanged(v any, null bool) any {
	if null {
		return nil
	}
	return v
}

func (e *edit) updateArray(r *budget, v []any, i int, path []any, value any) (any, bool) {
	if i < 0 {
		i += len(v)
	}
	var old any
	switch {
	case (i < 0 || i >= len(v)) && value == (deleted{}):
		return unchanged(v, v == nil), true
	case i < 0:
		return nil, false
	case i < len(v):
		old = v[i]
	case i >= 1<<29: // gojq's own limit
		return nil, false
	}
	// The check comes before anything below is made.
	if i >= cap(v) && !r.fits(sizeArray+sizeValue*(i+1)) {
		return nil, false
	}
	below, ok := e.update(r, old, path, value)
	if !ok {
		return nil, false
	}
	if e.owns(v) && i < cap(v) {
		out := v[:max(len(v), i+1)]
		out[i] = below
		return out, true
	}
	length := max(len(v), i+1)
	room := length
	if e.owns(v) {
		room = max(length, 2*cap(v))
	}
	if !r.charge(sizeArray + sizeValue*room) {
		return nil, false
	}
	out := make([]any, length, room)
	copy(out, v)
	out[i] = below
	e.keep(out)
	return out, true
}

// bounds are the places of a slice of n elements, as a path has it.
func (r *budget) bounds(key map[string]any, n int) (start, end int, ok bool) {
	from, has := key["start"]
	to, both := key["end"]
	if !has || !both || r.isLong(from) || r.isLong(to) {
		return 0, 0, false
	}
	end = n
	if from != nil {
		f, ok := gojq.ToFloat64(from)
		if !ok {
			return 0, 0, false
		}
		start = clamped(math.Floor(f), 0, n)
	}
	if to != nil {
		f, ok := gojq.ToFloat64(to)
		if !ok {
			return 0, 0, false
		}
		if f > -1 && f < 0 {
			f = math.NaN()
		}
		end = clamped(math.Ceil(f), start, n)
	}
	return start, max(start, end), true
}

func (r *budget) isLong(v any) bool {
	n, ok := v.(json.Number)
	return ok && r.long(n) != nil
}

// clamped is an index, from the end if it is negative, brought into bounds.
func clamped(f float64, low, high int) int {
	if math.IsNaN(f) {
		return high
	}
	if f < 0 {
		f += float64(high)
	}
	return int(min(max(f, float64(low)), float64(high)))
}

func (e *edit) updateSlice(r *budget, v []any, key map[string]any, path []any, value any) (any, bool) {
	start, end, ok := r.bounds(key, len(v))
	if !ok {
		return nil, false
	}
	if start == end && value == (deleted{}) {
		return unchanged(v, v == nil), true
	}
	below, ok := e.update(r, any(v[start:end:end]), path, value)
	if !ok {
		return nil, false
	}
	var middle []any
	switch b := below.(type) {
	case []any:
		middle = b
	case deleted:
		middle = make([]any, end-start)
		for i := range middle {
			middle[i] = deleted{}
		}
	default:
		return nil, false
	}
	if !r.charge(sizeArray + sizeValue*(len(v)-(end-start)+len(middle))) {
		return nil, false
	}
	out := make([]any, 0, len(v)-(end-start)+len(middle))
	out = append(append(append(out, v[:start]...), middle...), v[end:]...)
	e.keep(out)
	return out, true
}
