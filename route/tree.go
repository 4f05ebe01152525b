package route

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// The tree
//
// All templates of one host are one tree with a node per prefix of segments.
// A node leads on by the text of a literal, by "*" and by "**"; its rows are
// the entries whose template ends there, one for each method and content type.
// A verb is one more step, by a name of its own. So these five templates
//
//	GET  /v1/things/{name}          POST /v1/things/search
//	POST /v1/things/{name}:cancel   GET  /v1/files/{path=**}
//	GET  /v1/logs/**/tail
//
// are this tree:
//
//	v1 ─┬─ things ─┬─ search        POST
//	    │          └─ *             GET
//	    │             └─ :cancel    POST
//	    ├─ files ──── **            GET
//	    └─ logs ───── **
//	                  └─ tail       GET
//
// A match walks down with the segments of the escaped path and tries, at each
// node, the literal, then "*", then "**"; a branch that ends without an entry
// for the request is left for the next one. GET /v1/things/search goes to
// search, finds only POST there, comes back and ends at "*".
//
// What is below a "**" is read from the end of the path, and so are those
// templates put into the tree: only literals may follow a "**", so there is at
// most one way down, and the deepest node with a fitting entry wins. Nothing is
// tried for the segments that "**" takes: 64,000 of them cost nothing.
//
// In the last segment, what follows the last colon may be a verb. The node of
// the text before the colon is then asked for the verb, and the node of the
// whole text for its own rows, side by side, since kinds of segments come before
// verbs: /v1/things/a:cancel is tried as "a" with cancel and as "a:cancel", both
// at "*". An escaped colon is never a separator, nor is an escaped slash,
// because nothing is decoded before it is compared.
//
// Cost. A node's depth is the number of segments before it, so a match enters
// each node at most once: the work is bounded by the literals and stars that
// fit the path, and by the templates' depth, never by the path's length alone
// (backtracking is not exponential in it). A node's literals are one hash table, so that
// neither their number matters.
//
// Layout. What makes one look-up among 100,000 templates slower than among 100
// is the memory that is not in a cache, so there is as little of it on the way as
// can be. A node is one cache line and has its literal in itself. A node that is
// nothing but the end of templates (most of those after "*") is none: its rows
// take its place. A row has its captures in itself. A node's literals, in the
// order of their hashes, lie side by side, so that their table needs no pointers
// to them: a byte for each, and a number for about four, keep the tables of
// all nodes in the nearer caches. Everything else lies in the order of a walk.

// tree is what the builder flattens the nodes of all hosts into.
type tree struct {
	nodes []node // nodes[0] is none
	rows  []row  // rows[0] is none
	// tables has the hash tables of literals, one after the other; tables[0] is
	// none. A table is
	//
	//	the number of its first node, whose kin follow it by their hashes,
	//	the number of bits of a hash that choose a bucket,
	//	where each bucket begins, counted from the first node, and where the last ends,
	//	the lowest byte of each hash, four in a number.
	tables []uint32
	// long has the literals and the variables that nodes and rows have no room for.
	long struct {
		literals  []string
		variables [][]variable
	}
}

// ref is where a step leads: 0 is nowhere, and a number is that of a node, of
// rows if isRows is set (the node has nothing but these), or of a hash table if
// isTable is set (the step has several literals to choose from).
type ref uint32

const (
	isRows  ref = 1 << 31
	isTable ref = 1 << 30
)

// node is one prefix of templates, of 64 bytes.
type node struct {
	kids  ref // leads on by a literal, to a node or a table of them
	star  ref // leads on by *
	multi ref // leads on by **, to where kids are read backwards
	verbs ref // leads on by a verb, like kids
	rows  ref // the entries that end here
	// lit[:len] is the decoded literal that leads here, if one does. One that
	// is longer than lit is in tree.long, at the number that lit begins with.
	len uint16
	lit [42]byte
}

// row is one entry at the node where its template ends, of 32 bytes. The rows of
// a node have the longest content type first.
type row struct {
	entry               *Entry
	method, contentType uint16
	verb                bool // the template has one
	last                bool // of its node
	// variables[:count] are those of the template. If they do not fit, count is
	// tooMany and they are in tree.long, at the number whose halves
	// variables[0] is.
	count     uint8
	variables [4]variable
}

const tooMany = 255

// What nodes and rows have room for; no template that was parsed has more.
const (
	maxSegments = 1<<15 - 1
	maxLiteral  = 1<<16 - 1
)

// variable is what is known of a template's variable before there is a path.
// Positions from 0 on count the segments from the left; those after a "**" can
// only be counted from the right: ^n is the one with n segments after it. A
// template has less than 1<<15 segments.
type variable struct{ start, end int16 }

// node is the node that r leads to, which is empty if r leads to rows or nowhere.
func (t *tree) node(r ref) *node {
	if r&isRows != 0 {
		r = 0
	}
	return &t.nodes[r]
}

// rowsAt is where the rows begin that r leads to; 0 is none.
func (t *tree) rowsAt(r ref) ref {
	if r&isRows != 0 {
		return r &^ isRows
	}
	return t.nodes[r].rows
}

// variablesOf is the variables of a row.
func (t *tree) variablesOf(r *row) []variable {
	if r.count != tooMany {
		return r.variables[:r.count]
	}
	v := r.variables[0]
	return t.long.variables[int(uint16(v.start))|int(uint16(v.end))<<16]
}

// is reports whether the literal seg, decoded if escaped, leads to node r.
func (t *tree) is(r ref, seg string, escaped bool) bool {
	n := &t.nodes[r]
	if int(n.len) <= len(n.lit) {
		if !escaped {
			return len(seg) == int(n.len) && seg == string(n.lit[:n.len])
		}
		return same(n.lit[:n.len], seg)
	}
	lit := t.long.literals[binary.LittleEndian.Uint32(n.lit[:])]
	if !escaped {
		return lit == seg
	}
	return same(lit, seg)
}

// child is the node that the literal seg, escaped as it came, leads to.
func (t *tree) child(kids ref, seg string, escaped bool) ref {
	if kids&isTable == 0 {
		if kids != 0 && t.is(kids, seg, escaped) {
			return kids
		}
		return 0
	}
	var h uint32
	if escaped {
		h = hashEscaped(seg)
	} else {
		h = hash(seg)
	}
	table := t.tables[kids&^isTable:]
	bits := table[1]
	buckets := table[2:]
	low := buckets[1<<bits+1:]
	// A shift by 32, for no bits, is 0 in Go.
	bucket := h >> (32 - bits)
	for i := buckets[bucket]; i < buckets[bucket+1]; i++ {
		if byte(low[i/4]>>(i%4*8)) != byte(h) {
			continue
		}
		if kid := ref(table[0] + i); t.is(kid, seg, escaped) {
			return kid
		}
	}
	return 0
}

// same reports whether seg is lit once it is decoded. A malformed escape is never
// the same as anything.
func same[T string | []byte](lit T, seg string) bool {
	j := 0
	for i := 0; i < len(seg); j++ {
		c, n := decode(seg, i)
		if n == 0 || j == len(lit) || lit[j] != c {
			return false
		}
		i += n
	}
	return j == len(lit)
}

// decode reads the byte of seg at i and says how many bytes it takes: 1, or 3
// for an escape, or 0 for a malformed one.
func decode(seg string, i int) (c byte, n int) {
	if seg[i] != '%' {
		return seg[i], 1
	}
	if i+2 >= len(seg) {
		return 0, 0
	}
	hi, lo := strings.IndexByte(hexDigits, seg[i+1]), strings.IndexByte(hexDigits, seg[i+2])
	if hi < 0 || lo < 0 {
		return 0, 0
	}
	return hexValue(hi)<<4 | hexValue(lo), 3
}

// hexDigits has both cases of the letters, side by side.
const hexDigits = "0123456789aAbBcCdDeEfF"

func hexValue(i int) byte {
	if i < 10 {
		return byte(i)
	}
	return byte(10 + (i-10)/2)
}

// hash mixes eight bytes at a time. Requests cannot make collisions worse: a
// table holds only the operator's literals.
func hash(s string) uint32 {
	h, n := uint64(hashSeed), uint64(len(s))
	for ; len(s) >= 8; s = s[8:] {
		h = mix(h, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
	}
	var w uint64
	for i := range len(s) {
		w |= uint64(s[i]) << (8 * i)
	}
	return finish(mix(h, w), n)
}

// hashEscaped is the hash of the decoded s. That of a malformed one does not
// matter: it is the same as nothing.
func hashEscaped(s string) uint32 {
	h, n, w := uint64(hashSeed), uint64(0), uint64(0)
	for i := 0; i < len(s); {
		c, size := decode(s, i)
		i += max(size, 1)
		w |= uint64(c) << (8 * (n % 8))
		if n++; n%8 == 0 {
			h, w = mix(h, w), 0
		}
	}
	return finish(mix(h, w), n)
}

const hashSeed = 0x9E3779B97F4A7C15

func mix(h, w uint64) uint64 {
	hi, lo := bits.Mul64(h^w, 0xD6E8FEB86659FD93)
	return hi ^ lo
}

func finish(h, n uint64) uint32 {
	h = mix(h, n+hashSeed)
	return uint32(h) ^ uint32(h>>32)
}
