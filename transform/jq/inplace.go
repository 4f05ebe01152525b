package jq

import (
	"encoding/json"
	"math/big"
)

// Programs that set headers copy the object of headers, and that around it, for each
// that they set: no value may change that somebody else has. With [Program.RunOver]
// nobody else has the input, and a straight program changes it where it is, as long
// as that cannot be told from a copy:
//
//   - The assignment stands where nothing else of the program looks at its input any
//     more: at the end, or before a |.
//   - What flows there is the input itself. Once it has been copied, or is part of
//     something else, nothing is changed where it is.
//   - No variable, and nothing in the input, has the input, its headers or its query
//     besides. What is bound or put into it is therefore a scalar, or an array of
//     such; for anything else it is copied.

// tables are the members of an input that are nobody else's either.
var tables = map[string]bool{"headers": true, "query": true}

// spot is the left side of an assignment.
type spot struct {
	path []any
	// key is path as a value.
	key any
	// last says that nothing else looks at the input of the assignment.
	last bool
}

// owns gives the input of an assignment if it may be changed where it is.
func (f *frame) owns(in any) (map[string]any, bool) {
	object, ok := in.(map[string]any)
	if !ok || f.mine == nil {
		return nil, false
	}
	at, _ := address(object)
	mine, _ := address(f.mine)
	return object, at == mine
}

// set is in with a value at a place.
func (f *frame) set(in any, to *spot, v any) (any, error) {
	if object, ok := f.owns(in); ok && to.last && flat(v) {
		return f.put(object, to, v)
	}
	return outcome(f.budget.setpath(in, to.path, to.key, v))
}

// modify is set for a value that was made of nothing but what is at that place.
func (f *frame) modify(in any, to *spot, v any) (any, error) {
	if object, ok := f.owns(in); ok && to.last && len(to.path) > 0 && !tables[to.path[0].(string)] {
		return f.put(object, to, v)
	}
	return f.set(in, to, v)
}

func (f *frame) put(object map[string]any, to *spot, v any) (any, error) {
	if len(to.path) == 0 {
		return v, nil
	}
	name := to.path[0].(string)
	if len(to.path) == 1 {
		object[name] = v
		return object, nil
	}
	if tables[name] && len(to.path) == 2 {
		switch table := object[name].(type) {
		case map[string]any:
			table[to.path[1].(string)] = v
			return object, nil
		case nil:
			if !f.budget.charge(sizeObject(1)) {
				return nil, errOver
			}
			object[name] = map[string]any{to.path[1].(string): v}
			return object, nil
		}
	}
	below := f.budget.setpath(object[name], to.path[1:], to.key, v)
	if failed(below) {
		// Again, for a message that tells of the whole.
		return outcome(f.budget.setpath(object, to.path, to.key, v))
	}
	object[name] = below
	return object, nil
}

// merge is set for .headers += v, where what is there is old; it reports whether it
// was done.
func (f *frame) merge(in any, to *spot, old, v any) bool {
	table, isTable := old.(map[string]any)
	members, isObject := v.(map[string]any)
	if _, ok := f.owns(in); !ok || !to.last || !isTable || !isObject || len(to.path) != 1 || !tables[to.path[0].(string)] {
		return false
	}
	if len(members) > few {
		return false
	}
	for _, member := range members {
		if !flat(member) {
			return false
		}
	}
	for key, member := range members {
		table[key] = member
	}
	return true
}

// delete deletes paths, and reports whether it was done.
func (f *frame) delete(in any, paths []any) bool {
	object, ok := f.owns(in)
	if !ok {
		return false
	}
	for _, path := range paths {
		keys := path.([]any)
		if len(keys) != 1 && (len(keys) != 2 || !tables[keys[0].(string)]) {
			return false
		}
	}
	for _, path := range paths {
		keys := path.([]any)
		if len(keys) == 1 {
			delete(object, keys[0].(string))
		} else if table, ok := object[keys[0].(string)].(map[string]any); ok {
			delete(table, keys[1].(string))
		}
	}
	return true
}

// few are as many elements as are looked at where that is to be quick.
const few = 16

// flat reports whether a value is a scalar or an array of few, so that it cannot have
// an object in it.
func flat(v any) bool {
	switch v := v.(type) {
	case nil, bool, string, int, float64, json.Number, *big.Int:
		return true
	case []any:
		if len(v) > few {
			return false
		}
		for _, element := range v {
			switch element.(type) {
			case nil, bool, string, int, float64, json.Number, *big.Int:
			default:
				return false
			}
		}
		return true
	}
	return false
}
