package codec

import (
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Lengths. A message is written before its length is known, so one byte is
// kept free for it. That is enough below 128 bytes. A longer content is moved
// up at once if it is short, as most are; but moving a long one for each
// message around it would cost depth times size, so there the length is only
// noted, and all the notes are worked in with one pass at the very end.

// lateLength is a length that has not been written yet.
type lateLength struct {
	// pos is the place of the byte that was kept free.
	pos int
	// value is the length, those of inner messages included; extra is how many
	// bytes it needs beyond the one.
	value uint64
	extra int
}

// moveLimit is the longest content that is moved at once, in bytes.
const moveLimit = 2 << 10

// mark is where a length-delimited content begins.
type mark struct{ start, pending int }

// open keeps a byte for a length.
func (p *parser) open() mark {
	p.out = append(p.out, 0)
	return mark{len(p.out), p.pending}
}

// close writes, or notes, the length of what was appended since open. It
// returns by how many bytes that has moved.
func (p *parser) close(m mark) (moved int) {
	n := len(p.out) - m.start
	if n < 0x80 && p.pending == m.pending {
		p.out[m.start-1] = byte(n)
		return 0
	}
	return p.closeLong(m, n)
}

func (p *parser) closeLong(m mark, n int) (moved int) {
	value := uint64(n + p.pending - m.pending)
	extra := protowire.SizeVarint(value) - 1
	if p.pending != m.pending || n > p.moveLimit {
		p.late = append(p.late, lateLength{m.start - 1, value, extra})
		p.pending += extra
		return 0
	}
	for range extra {
		p.out = append(p.out, 0)
	}
	copy(p.out[m.start+extra:], p.out[m.start:m.start+n])
	protowire.AppendVarint(p.out[:m.start-1], value)
	return extra
}

// settle writes the lengths that were noted, from the last to the first, each
// time moving what lies behind it to its final place.
func (p *parser) settle() {
	if len(p.late) == 0 {
		return
	}
	slices.SortFunc(p.late, func(a, b lateLength) int { return a.pos - b.pos })
	end := len(p.out)
	p.out = slices.Grow(p.out, p.pending)[:end+p.pending]
	to := len(p.out)
	for i := len(p.late) - 1; i >= 0; i-- {
		l := p.late[i]
		from := l.pos + 1
		copy(p.out[to-(end-from):to], p.out[from:end])
		to -= end - from + l.extra + 1
		protowire.AppendVarint(p.out[:to], l.value)
		end = l.pos
	}
	p.late, p.pending = p.late[:0], 0
}

// moveAll makes close move contents of any length until the returned limit is
// put back, for those who must look at what was written.
func (p *parser) moveAll() (before int) {
	before, p.moveLimit = p.moveLimit, math.MaxInt
	return before
}
