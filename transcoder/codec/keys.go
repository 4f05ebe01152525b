package codec

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// keySet finds duplicate keys of maps. The keys of the maps that are being
// parsed lie one after the other, those of the innermost last. They are
// compared as they stand in the output. A few keys are compared one by one,
// with their last bytes as a filter; more than that get a hash table, seeded
// so that nobody can choose keys that collide.
type keySet struct {
	seed  maphash.Seed
	ready bool
	refs  []keyRef
	slots []int32 // the table of the innermost map: indexes into refs, from 1
}

type keyRef struct {
	start, end int
	// last is the key's last bytes, eight at most.
	last uint64
	hash uint64
}

// fewKeys is the size of a map up to which there is no table.
const fewKeys = 8

func (k *keySet) reset() {
	if !k.ready {
		k.seed, k.ready = maphash.MakeSeed(), true
	}
	k.refs, k.slots = k.refs[:0], k.slots[:0]
}

// keyScope is one map's part of a keySet.
type keyScope struct{ refs, slots int }

func (k *keySet) enter() keyScope { return keyScope{len(k.refs), len(k.slots)} }

func (k *keySet) leave(s keyScope) { k.refs, k.slots = k.refs[:s.refs], k.slots[:s.slots] }

// add adds the key out[start:end] to the map of scope s, if it is new. The
// eight bytes before end exist in out.
func (k *keySet) add(s keyScope, out []byte, start int) (added bool) {
	end := len(out)
	ref := keyRef{start: start, end: end}
	if n := end - start; n > 0 {
		var w uint64
		if end >= 8 {
			w = binary.LittleEndian.Uint64(out[end-8:])
		} else {
			for _, c := range out[:end] {
				w = w>>8 | uint64(c)<<56
			}
		}
		ref.last = w >> (64 - 8*min(n, 8))
	}
	mine := k.refs[s.refs:]
	if len(mine) < fewKeys {
		for i := range mine {
			if mine[i].last == ref.last && bytes.Equal(out[mine[i].start:mine[i].end], out[start:end]) {
				return false
			}
		}
		k.refs = append(k.refs, ref)
		return true
	}
	if len(k.slots)-s.slots < 2*(len(mine)+1) {
		k.rebuild(s, out, len(mine) == fewKeys)
	}
	table := k.slots[s.slots:]
	ref.hash = maphash.Bytes(k.seed, out[start:end])
	at := ref.hash & uint64(len(table)-1)
	for ; table[at] != 0; at = (at + 1) & uint64(len(table)-1) {
		r := &k.refs[s.refs+int(table[at])-1]
		if r.hash == ref.hash && bytes.Equal(out[r.start:r.end], out[start:end]) {
			return false
		}
	}
	k.refs = append(k.refs, ref)
	table[at] = int32(len(k.refs) - s.refs)
	return true
}

// rebuild makes the table at least four times as large as the map.
func (k *keySet) rebuild(s keyScope, out []byte, first bool) {
	mine := k.refs[s.refs:]
	size := 4 * fewKeys
	for size < 4*(len(mine)+1) {
		size *= 2
	}
	k.slots = k.slots[:s.slots]
	for range size {
		k.slots = append(k.slots, 0)
	}
	table := k.slots[s.slots:]
	for i := range mine {
		if first {
			mine[i].hash = maphash.Bytes(k.seed, out[mine[i].start:mine[i].end])
		}
		at := mine[i].hash & uint64(size-1)
		for table[at] != 0 {
			at = (at + 1) & uint64(size-1)
		}
		table[at] = int32(i + 1)
	}
}

// mapValue parses an object as the entries of a map.
func (p *parser) mapValue(f *Field, i int) int {
	if p.peek(i) != '{' {
		return p.mismatch(i, "an object")
	}
	if i = p.space(i + 1); p.peek(i) == '}' {
		return i + 1
	}
	scope := p.keys.enter()
	for {
		if p.peek(i) != '"' {
			return p.syntax(i, "a key in quotes")
		}
		at := i
		p.out = append(p.out, f.tag...)
		entry := p.open()
		start, next := p.mapKey(f.mapKey, i)
		ref := len(p.keys.refs)
		if i = next; i >= 0 && !p.keys.add(scope, p.out, start) {
			i = p.fail(KindDuplicate, at, "the key %s is given twice", p.show(at))
		}
		if i >= 0 {
			if i = p.colon(i); i >= 0 {
				i = p.value(f.mapValue, i, nil)
			}
		}
		if i < 0 {
			p.atKey(at)
			return i
		}
		if moved := p.close(entry); moved > 0 {
			p.keys.refs[ref].start += moved
			p.keys.refs[ref].end += moved
		}
		if i = p.space(i); i < len(p.in) && p.in[i] == ',' {
			i = p.space(i + 1)
			continue
		}
		if p.peek(i) == '}' {
			p.keys.leave(scope)
			return i + 1
		}
		return p.syntax(i, "a comma or }")
	}
}

// mapKey parses the key at i and appends it; start is where its bytes begin.
func (p *parser) mapKey(f *Field, i int) (start, next int) {
	s, next := p.stringValue(i)
	if next < 0 {
		return 0, next
	}
	p.out = append(p.out, f.tag...)
	if f.kind == protoreflect.StringKind {
		p.out = protowire.AppendVarint(p.out, uint64(len(s)))
		start = len(p.out)
		p.out = append(p.out, s...)
		return start, next
	}
	start = len(p.out)
	v, ok := keyNumber(f.kind, s)
	if !ok {
		return 0, p.fail(KindType, i, "the key %s is no %s", p.show(i), f.kind)
	}
	p.appendNumber(f.wire, v)
	return start, next
}

// keyNumber is the value on the wire of a map key that is no string. It is
// more liberal than numbers elsewhere, as the referee is: it takes a sign and
// leading zeros.
func keyNumber(kind protoreflect.Kind, s []byte) (v uint64, ok bool) {
	switch kind {
	case protoreflect.BoolKind:
		return b2u(string(s) == "true"), string(s) == "true" || string(s) == "false"
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, err := strconv.ParseUint(text(s), 10, 64)
		if err != nil {
			return 0, false
		}
		return encodeInteger(kind, false, n)
	}
	n, err := strconv.ParseInt(text(s), 10, 64)
	if err != nil {
		return 0, false
	}
	if n < 0 {
		return encodeInteger(kind, true, -uint64(n))
	}
	return encodeInteger(kind, false, uint64(n))
}

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
