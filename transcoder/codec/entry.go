package codec

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Maps, wire → JSON: the entries of one map are collected, brought into the
// order of their keys, and the last of each key is printed.

// mapEntry is one entry of a map that is being printed.
type mapEntry struct {
	whole span // its content
	key   span // of a string
	num   uint64
	// value is where its last value begins, after the tag, -1 if it has none;
	// values counts them.
	value, values int
}

// entry reads the entry at i, after its tag, and adds it to p.entries.
func (p *printer) entry(f *Field, i, end int) (next int) {
	start, next := p.length(i, end)
	if next < 0 {
		return next
	}
	if p.depth < 1 { // an entry is a message, too
		p.tooDeep(i)
		return -1
	}
	e := mapEntry{whole: span{start, next}, value: -1}
	for j := start; j < next; {
		number, wire, k := p.tag(j, next)
		if k < 0 {
			return k
		}
		switch {
		case number == 1 && wire == f.mapKey.wire && wire == protowire.BytesType:
			if e.key.start, j = p.length(k, next); j < 0 {
				return j
			}
			e.key.end = j
			if f.mapKey.utf8 && !utf8.Valid(p.in[e.key.start:j]) {
				return p.badUTF8(e.key.start)
			}
		case number == 1 && wire == f.mapKey.wire:
			if e.num, j = p.number(f.mapKey, k, next); j < 0 {
				return j
			}
		default:
			if number == 2 && wire == f.mapValue.wire {
				e.value = k
				e.values++
			}
			if j = p.skip(number, wire, k, next); j < 0 {
				return j
			}
		}
	}
	p.entries = append(p.entries, e)
	return next
}

// compareKeys orders false before true, numbers by value, strings by bytes.
func (p *printer) compareKeys(f *Field, a, b *mapEntry) int {
	switch f.mapKey.kind {
	case protoreflect.StringKind:
		return bytes.Compare(p.in[a.key.start:a.key.end], p.in[b.key.start:b.key.end])
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind,
		protoreflect.Fixed64Kind, protoreflect.BoolKind:
		return cmp.Compare(a.num, b.num)
	}
	return cmp.Compare(int64(a.num), int64(b.num))
}

// sortEntries orders entries by key, those of the same key as they came. It
// reports whether they were in order already, without duplicates.
func (p *printer) sortEntries(f *Field, entries []mapEntry) (sorted bool) {
	sorted = true
	for i := 1; i < len(entries) && sorted; i++ {
		sorted = p.compareKeys(f, &entries[i-1], &entries[i]) < 0
	}
	if sorted {
		return true
	}
	if len(entries) > 16 {
		slices.SortFunc(entries, func(a, b mapEntry) int {
			if c := p.compareKeys(f, &a, &b); c != 0 {
				return c
			}
			return a.whole.start - b.whole.start
		})
		return false
	}
	for i := 1; i < len(entries); i++ {
		for j := i; j > 0 && p.compareKeys(f, &entries[j-1], &entries[j]) > 0; j-- {
			entries[j-1], entries[j] = entries[j], entries[j-1]
		}
	}
	return false
}

// mapEntries appends the entries from base on as an object, and drops them.
func (p *printer) mapEntries(out []byte, f *Field, base int) ([]byte, bool) {
	entries := p.entries[base:]
	sorted := p.sortEntries(f, entries)
	p.depth--
	out = append(out, '{')
	for i := range entries {
		e := &entries[i]
		if !sorted && i+1 < len(entries) && p.compareKeys(f, e, &entries[i+1]) == 0 {
			if !p.checkValues(f.mapValue, e.whole) {
				p.withinKey(f, e)
				return out, false
			}
			continue
		}
		if len(out) > p.limit {
			return out, p.tooLarge()
		}
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		var ok bool
		if out, ok = p.appendMapKey(out, f.mapKey, e); ok {
			out, ok = p.entryValue(append(out, ':'), f.mapValue, e)
		}
		if !ok {
			p.withinKey(f, e)
			return out, false
		}
	}
	p.depth++
	p.entries = p.entries[:base]
	return append(out, '}'), true
}

func (p *printer) appendMapKey(out []byte, f *Field, e *mapEntry) ([]byte, bool) {
	if f.kind == protoreflect.StringKind {
		out, ok := appendString(out, p.in[e.key.start:e.key.end])
		if !ok {
			p.badUTF8(e.key.start)
		}
		return out, ok
	}
	out = append(out, '"')
	switch f.kind {
	case protoreflect.BoolKind:
		out = strconv.AppendBool(out, e.num != 0)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		out = strconv.AppendUint(out, e.num, 10)
	default:
		out = strconv.AppendInt(out, int64(e.num), 10)
	}
	return append(out, '"'), true
}

// entryValue appends an entry's value: its last one, or if it is a message all
// of them merged.
func (p *printer) entryValue(out []byte, f *Field, e *mapEntry) ([]byte, bool) {
	if e.values == 0 {
		return p.absent(out, f)
	}
	if e.values == 1 || f.sub == nil {
		// Only the last value is printed, but those before it must be valid.
		if e.values > 1 && !p.checkValues(f, e.whole) {
			return out, false
		}
		out, next := p.element(out, f, e.value, e.whole.end)
		return out, next >= 0
	}
	base := len(p.spans)
	if !p.valueSpans(f, e) {
		return out, false
	}
	out, ok := p.merged(out, f.sub, p.spans[base:])
	p.spans = p.spans[:base]
	return out, ok
}

// valueSpans adds the contents of all values of an entry, messages, to
// p.spans.
func (p *printer) valueSpans(f *Field, e *mapEntry) bool {
	for i := e.whole.start; i < e.whole.end; {
		number, wire, next := p.tag(i, e.whole.end)
		if next < 0 {
			return false
		}
		if number != 2 || wire != f.wire {
			i = p.skip(number, wire, next, e.whole.end)
		} else {
			var c span
			if c, i = p.content(f, next, e.whole.end); i >= 0 {
				p.spans = append(p.spans, c)
			}
		}
		if i < 0 {
			return false
		}
	}
	return true
}

// absent appends the value of a map's entry that has none.
func (p *printer) absent(out []byte, f *Field) ([]byte, bool) {
	if f.sub != nil {
		return p.message(out, f.sub, span{})
	}
	return f.appendZero(out), true
}

// withinKey puts an entry of a map before the path of an error.
func (p *printer) withinKey(f *Field, e *mapEntry) {
	if p.err == nil {
		return
	}
	var key string
	if f.mapKey.kind == protoreflect.StringKind {
		key = strconv.Quote(clip(p.in[e.key.start:e.key.end]))
	} else {
		k, _ := p.appendMapKey(nil, f.mapKey, e)
		key = string(k)
	}
	p.err.Path = joinPath("["+key+"]", p.err.Path)
	p.within(f, -1)
}
