package body

import (
	"encoding/json"
	"sync"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// JSON is read in one pass by three functions that call each other: build makes a
// value, pick makes the parts of one that a program asks for, skip only checks.
// Each takes the position of the first byte of a value and returns the position
// after its last, or -1 when d.err is set.

// sharedText is up to which size the text of a body is copied once, for all strings
// to point into, although only parts of it are wanted. A larger one would be kept
// in memory by a few short strings.
const sharedText = 16 << 10

// maxKept is how many places the stack of a pooled decoder or encoder may keep.
const maxKept = 1 << 10

type decoder struct {
	data []byte
	// text is data as a string, once the first string needs it.
	text string
	// share says that strings point into text.
	share bool
	// depth and memory are what is left of the limits.
	depth, memory int
	limits        Limits
	// keys and values are of the objects and arrays that are open. They are made
	// to maps and slices of the right size where these end.
	keys   []string
	values []any
	// unescaped is what the last string with escapes meant.
	unescaped []byte
	err       error
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func decodeJSON(data []byte, want jq.Paths, l Limits) (any, error) {
	d := decoders.Get().(*decoder)
	defer d.release()
	d.data, d.limits = data, l
	d.share = want.All || len(data) <= sharedText
	d.depth, d.memory = l.depth(), l.memory()
	v, i := d.value(d.space(0), want)
	if i < 0 {
		return nil, d.err
	}
	if i = d.space(i); i < len(data) {
		d.syntax(i, "the end of the body")
		return nil, d.err
	}
	return v, nil
}

// release gives the decoder back without what it decoded, and without memory that
// only a body out of the ordinary needed.
func (d *decoder) release() {
	clear(d.keys)
	clear(d.values)
	keys, values, unescaped := d.keys[:0], d.values[:0], d.unescaped[:0]
	if cap(keys) > maxKept {
		keys = nil
	}
	if cap(values) > maxKept {
		values = nil
	}
	if cap(unescaped) > sharedText {
		unescaped = nil
	}
	*d = decoder{keys: keys, values: values, unescaped: unescaped}
	decoders.Put(d)
}

// value reads what want asks for of the value at i.
func (d *decoder) value(i int, want jq.Paths) (any, int) {
	switch {
	case want.All:
		return d.build(i)
	case want.Any():
		return d.pick(i, want)
	default:
		return nil, d.skip(i)
	}
}

func (d *decoder) build(i int) (any, int) {
	if i >= len(d.data) {
		return nil, d.syntax(i, "a value")
	}
	switch c := d.data[i]; c {
	case '"':
		s, i := d.string(i)
		if i < 0 {
			return nil, i
		}
		return s, i
	case '{':
		return d.object(i)
	case '[':
		return d.array(i, jq.Paths{All: true})
	case 't':
		return true, d.literal(i, "true")
	case 'f':
		return false, d.literal(i, "false")
	case 'n':
		return nil, d.literal(i, "null")
	default:
		if c != '-' && c-'0' > 9 {
			return nil, d.syntax(i, "a value")
		}
		return d.number(i)
	}
}

func (d *decoder) pick(i int, want jq.Paths) (any, int) {
	if i < len(d.data) {
		switch d.data[i] {
		case '{':
			return d.pickObject(i, want)
		case '[':
			if want.Elements == nil {
				return []any{}, d.skip(i)
			}
			return d.array(i, *want.Elements)
		}
	}
	return d.build(i)
}

// object builds the object at i.
func (d *decoder) object(i int) (any, int) {
	if !d.enter(i) {
		return nil, -1
	}
	keys, values := len(d.keys), len(d.values)
	if i = d.space(i + 1); d.at(i) == '}' {
		return d.newObject(i+1, keys, values)
	}
	for {
		if d.at(i) != '"' {
			return nil, d.syntax(i, "the name of a member")
		}
		var key string
		if key, i = d.string(i); i < 0 {
			return nil, i
		}
		if i = d.space(i); d.at(i) != ':' {
			return nil, d.syntax(i, `":"`)
		}
		var v any
		if v, i = d.build(d.space(i + 1)); i < 0 || !d.charge(i, slotSize) {
			return nil, -1
		}
		d.keys, d.values = append(d.keys, key), append(d.values, v)
		i = d.space(i)
		switch d.at(i) {
		case ',':
			i = d.space(i + 1)
		case '}':
			return d.newObject(i+1, keys, values)
		default:
			return nil, d.syntax(i, `"," or "}"`)
		}
	}
}

// pickObject builds what want asks for of the object at i.
func (d *decoder) pickObject(i int, want jq.Paths) (any, int) {
	if !d.enter(i) {
		return nil, -1
	}
	keys, values := len(d.keys), len(d.values)
	if i = d.space(i + 1); d.at(i) == '}' {
		return d.newObject(i+1, keys, values)
	}
	for {
		if d.at(i) != '"' {
			return nil, d.syntax(i, "the name of a member")
		}
		key, below, picked, next := d.pickKey(i, want)
		if i = next; i < 0 {
			return nil, i
		}
		if i = d.space(i); d.at(i) != ':' {
			return nil, d.syntax(i, `":"`)
		}
		i = d.space(i + 1)
		if picked {
			var v any
			if v, i = d.value(i, below); i < 0 || !d.charge(i, slotSize) {
				return nil, -1
			}
			d.keys, d.values = append(d.keys, key), append(d.values, v)
		} else if i = d.skip(i); i < 0 {
			return nil, i
		}
		i = d.space(i)
		switch d.at(i) {
		case ',':
			i = d.space(i + 1)
		case '}':
			return d.newObject(i+1, keys, values)
		default:
			return nil, d.syntax(i, `"," or "}"`)
		}
	}
}

// pickKey reads the name of a member, and finds what is wanted below it; ok is
// false for a member to leave out.
func (d *decoder) pickKey(i int, want jq.Paths) (key string, below jq.Paths, ok bool, next int) {
	end, escaped := d.scan(i)
	if end < 0 {
		return "", below, false, end
	}
	raw := d.data[i+1 : end-1]
	if escaped {
		d.unescaped = unescape(d.unescaped[:0], raw)
		raw = d.unescaped
	}
	below = want.Keys[string(raw)]
	if !below.Any() && want.Elements == nil {
		return "", below, false, end
	}
	if escaped {
		key = d.copied(raw, end)
	} else {
		key = d.slice(i+1, end-1)
	}
	if d.err != nil {
		return "", below, false, -1
	}
	if want.Elements != nil {
		below = want.At(key)
	}
	return key, below, true, end
}

// array builds the array at i, of each element what want asks for.
func (d *decoder) array(i int, want jq.Paths) (any, int) {
	if !d.enter(i) {
		return nil, -1
	}
	base := len(d.values)
	if i = d.space(i + 1); d.at(i) == ']' {
		return d.newArray(i+1, base)
	}
	for {
		var v any
		if v, i = d.value(i, want); i < 0 || !d.charge(i, slotSize) {
			return nil, -1
		}
		d.values = append(d.values, v)
		i = d.space(i)
		switch d.at(i) {
		case ',':
			i = d.space(i + 1)
		case ']':
			return d.newArray(i+1, base)
		default:
			return nil, d.syntax(i, `"," or "]"`)
		}
	}
}

func (d *decoder) newObject(i, keys, values int) (any, int) {
	d.depth++
	n := len(d.values) - values
	if !d.charge(i, mapMemory(n)) {
		return nil, -1
	}
	object := make(map[string]any, n)
	for k, key := range d.keys[keys:] {
		object[key] = d.values[values+k]
	}
	clear(d.keys[keys:])
	clear(d.values[values:])
	d.keys, d.values = d.keys[:keys], d.values[:values]
	return object, i
}

func (d *decoder) newArray(i, base int) (any, int) {
	d.depth++
	if !d.charge(i, sliceHeader) {
		return nil, -1
	}
	array := make([]any, len(d.values)-base)
	copy(array, d.values[base:])
	clear(d.values[base:])
	d.values = d.values[:base]
	return array, i
}

// number reads the number at i, which begins as one.
func (d *decoder) number(i int) (any, int) {
	next, at, value, whole := number(d.data, i)
	if next < 0 {
		return nil, d.syntax(at, "a digit")
	}
	if whole && int64(int(value)) == value {
		return int(value), next
	}
	text := d.slice(i, next)
	if d.err != nil {
		return nil, -1
	}
	return json.Number(text), next
}

// string reads the string at i.
func (d *decoder) string(i int) (string, int) {
	end, escaped := d.scan(i)
	if end < 0 {
		return "", end
	}
	var s string
	if escaped {
		d.unescaped = unescape(d.unescaped[:0], d.data[i+1:end-1])
		s = d.copied(d.unescaped, end)
	} else {
		s = d.slice(i+1, end-1)
	}
	if d.err != nil {
		return "", -1
	}
	return s, end
}

// slice is the text of the body between two places.
func (d *decoder) slice(i, end int) string {
	if !d.share {
		return d.copied(d.data[i:end], end)
	}
	if d.text == "" {
		if !d.charge(i, len(d.data)) {
			return ""
		}
		d.text = string(d.data)
	}
	return d.text[i:end]
}

func (d *decoder) copied(b []byte, i int) string {
	if !d.charge(i, len(b)) {
		return ""
	}
	return string(b)
}

// What values take, by estimate: an element of an array is an interface and most
// often something to point to.
const (
	slotSize    = 32
	sliceHeader = 24
)

// mapMemory is what a map with n members takes: groups of eight, of which a larger
// one fills no more than seven eighths of a power of two.
func mapMemory(n int) int {
	const header, group, slots = 48, 288, 8
	switch {
	case n == 0:
		return header
	case n <= slots:
		return header + group
	}
	groups := 1
	for groups*(slots-1) < n {
		groups *= 2
	}
	return header + groups*group
}

// charge takes n bytes from the limit of memory.
func (d *decoder) charge(i, n int) bool {
	if d.memory -= n; d.memory < 0 {
		d.err = &LimitError{Limit: LimitMemory, Max: d.limits.Memory, Offset: i}
		return false
	}
	return true
}

// enter goes one level deeper; who leaves it adds to depth again.
func (d *decoder) enter(i int) bool {
	if d.depth--; d.depth < 0 {
		d.err = &LimitError{Limit: LimitDepth, Max: d.limits.depth(), Offset: i}
		return false
	}
	return true
}
