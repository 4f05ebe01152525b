package route

import (
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
// Layout. Nodes lie in one slice, in the order of a walk, so that a chain
// through "*" and through an only literal is one cache line or two; rows and
// captures lie in the same order. Hash tables of all nodes share another slice,
// eight bytes a slot.

// tree is what the builder flattens the nodes of all hosts into.
type tree struct {
	nodes []node // nodes[0] is none
	rows  []row
	vars  []variable
	slots []slot // slots[0] is not used: a node without kids says 0
}

// node is one prefix of templates. Zero means that there is no such node.
type node struct {
	lit string // the decoded literal that leads here, if one does
	// kids leads on by a literal: if mask is 0, it is the only such node, else
	// the first of mask+1 slots, a power of two.
	kids, mask uint32
	star       uint32 // leads on by *
	multi      uint32 // leads on by **, to a node whose kids are read backwards
	verbs      uint32 // is a node whose kids are verbs
	row, rows  uint32 // the first entry that ends here, and their number
}

// slot is one place of a node's hash table, with open addressing.
type slot struct{ hash, node uint32 }

// row is one entry at the node where its template ends. The rows of a node have
// the longest content type first.
type row struct {
	entry               *Entry
	method, contentType uint32
	variable, vars      uint32 // the first of its variables, and their number
	verb                bool
}

// variable is what is known of a template's variable before there is a path.
// Positions from 0 on count the segments from the left; those after a "**" can
// only be counted from the right: ^n is the one with n segments after it.
type variable struct{ start, end int32 }

// child is the node that the literal seg, escaped as it came, leads to from n.
func (t *tree) child(n *node, seg string, escaped bool) uint32 {
	if n.mask == 0 {
		if n.kids != 0 && same(t.nodes[n.kids].lit, seg, escaped) {
			return n.kids
		}
		return 0
	}
	var h uint32
	if escaped {
		h = hashEscaped(seg)
	} else {
		h = hash(seg)
	}
	for i := h & n.mask; ; i = (i + 1) & n.mask {
		s := t.slots[n.kids+i]
		if s.node == 0 {
			return 0
		}
		if s.hash == h && same(t.nodes[s.node].lit, seg, escaped) {
			return s.node
		}
	}
}

// same reports whether seg, decoded if escaped, is lit. A malformed escape is
// never the same as anything.
func same(lit, seg string, escaped bool) bool {
	if !escaped {
		return lit == seg
	}
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
