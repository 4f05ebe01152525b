package route

import (
	"encoding/binary"
	"math/bits"
	"net/http"
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
// each node at most once, and only those whose literals and stars fit the path:
// coming back is never exponential in the path's length, and a path longer than
// the templates is no more work. Only a table with every mix of literals and
// stars for one shape has many such nodes. A node's literals are one hash table,
// so their number does not matter.
//
// Layout. What makes a look-up among 100,000 templates slower than one among 100
// is memory that is in no cache, so there is as little of it on the way as can
// be: all nodes lie in one slice of bytes, in the order of a walk, each just as
// long as what it has to say, and with its rows in it. A collection and the star
// after it are a line or two.

// tree has the nodes of all hosts. A node is, with numbers in little endian,
//
//	1  isInner if steps lead on, hasRows if entries end here, or both
//	2  length of the literal that leads here, or 0
//	16 refs of the steps, if it is inner, in the order of the constants
//	   the literal, decoded
//	   the rows: the entries that end here, those with the lowest class of
//	   conditions on the whole path first, then those with the most conditions on
//	   headers, on the query, and with the longest content type
//
// A row is
//
//	4  index of the entry
//	2  index of the method
//	2  index of the content type
//	1  flags: isLast of the node, hasVerb, and what the entry does not do
//	2  number of variables
//	   the variables, of 4 each
//
// And a table, the hash table of several literals, is
//
//	1  how many bits of a hash choose a bucket
//	   the first slot of each bucket, and the end of the last one, of 4 each
//	   the slots, in the order of their hashes: 4 of hash and 4 of ref each
type tree struct {
	bytes   []byte
	entries []*Entry
	// narrows are those of the entries, as far as the last that has one.
	narrows []*narrow
}

// ref is where in a tree's bytes a step leads, to a node or, with isTable, to a
// table of them. 0 is nowhere: an empty node is there.
type ref uint32

const isTable ref = 1 << 31

const (
	isInner  = 1
	hasRows  = 2
	headLen  = 3
	innerLen = headLen + 16
)

// The steps that lead on from a node.
const (
	kids  ref = 0 // by a literal
	star  ref = 4 // by *
	multi ref = 8 // by **, to where kids are read backwards
	verbs ref = 12
)

// row is one entry at the node where its template ends: the tree's bytes from
// there on.
type row []byte

func (r row) entry() uint32       { return binary.LittleEndian.Uint32(r) }
func (r row) method() uint16      { return binary.LittleEndian.Uint16(r[4:]) }
func (r row) contentType() uint16 { return binary.LittleEndian.Uint16(r[6:]) }
func (r row) flags() uint8        { return r[8] }
func (r row) variables() int      { return int(binary.LittleEndian.Uint16(r[9:])) }

// variable is the i-th of a row.
func (r row) variable(i int) variable {
	b := r[rowHead+i*variableLen:]
	return variable{int16(binary.LittleEndian.Uint16(b)), int16(binary.LittleEndian.Uint16(b[2:]))}
}

const (
	rowHead     = 11 // bytes before the variables
	variableLen = 4
)

// The flags of a row. Those after hasVerb are not set for an entry that asks for
// nothing special, but for noSlash, which only a second match looks at.
const (
	isLast    = 1 << iota
	hasVerb   // the template has one
	noColon   // [Entry.StrictVerb], of an entry without a verb
	noSlash   // not [Entry.TrailingSlash]
	noHEAD    // [Entry.NoHEAD], of an entry for GET
	noOPTIONS // [Entry.NoOPTIONS]
	noAllow   // [Entry.NoAllow]
	isNarrow  // there are conditions
)

// flagsOf are the flags of the rows of e, less isLast.
func flagsOf(e *Entry) uint8 {
	var flags uint8
	set := func(flag uint8, asked bool) {
		if asked {
			flags |= flag
		}
	}
	set(hasVerb, e.Template.Verb != "")
	set(noColon, e.Template.Verb == "" && e.StrictVerb)
	set(noSlash, !e.TrailingSlash)
	set(noHEAD, e.Method == http.MethodGet && e.NoHEAD)
	set(noOPTIONS, e.NoOPTIONS)
	set(noAllow, e.NoAllow)
	return flags
}

// variable is what is known of a template's variable before there is a path.
// Positions from 0 on count the segments from the left; those after a "**" can
// only be counted from the right: ^n is the one with n segments after it.
type variable struct{ start, end int16 }

// What a tree has room for; no template that was parsed has more.
const (
	maxSegments = 1<<15 - 1
	maxLiteral  = 1<<16 - 1
	maxBytes    = 1<<31 - 1
)

func (t *tree) uint16(at ref) uint16 { return binary.LittleEndian.Uint16(t.bytes[at:]) }
func (t *tree) uint32(at ref) uint32 { return binary.LittleEndian.Uint32(t.bytes[at:]) }

// step is where a step leads from node r.
func (t *tree) step(r, step ref) ref {
	if t.bytes[r]&isInner == 0 {
		return 0
	}
	return ref(t.uint32(r + headLen + step))
}

// literal is what leads to node r.
func (t *tree) literal(r ref) []byte {
	b := t.bytes[r:]
	start := headLen
	if b[0]&isInner != 0 {
		start = innerLen
	}
	return b[start : start+int(binary.LittleEndian.Uint16(b[1:]))]
}

// rows is the first row of node r, or 0.
func (t *tree) rows(r ref) ref {
	kind := t.bytes[r]
	if kind&hasRows == 0 {
		return 0
	}
	end := r + headLen + ref(t.uint16(r+1))
	if kind&isInner != 0 {
		end += innerLen - headLen
	}
	return end
}

// row is the row at r.
func (t *tree) row(r ref) row { return t.bytes[r:] }

// is reports whether the literal seg, decoded if escaped, leads to node r.
func (t *tree) is(r ref, seg string, escaped bool) bool {
	lit := t.literal(r)
	if escaped {
		return same(lit, seg)
	}
	return string(lit) == seg
}

// child is the node that the literal seg, escaped as it came, leads to.
func (t *tree) child(at ref, seg string, escaped bool) ref {
	if at&isTable == 0 {
		if at != 0 && t.is(at, seg, escaped) {
			return at
		}
		return 0
	}
	var h uint32
	if escaped {
		h = hashEscaped(seg)
	} else {
		h = hash(seg)
	}
	at &^= isTable
	bits := t.bytes[at]
	buckets := at + 1
	slots := buckets + 4<<bits + 4
	bucket := buckets + ref(h>>(32-bits))*4 // a shift by 32, for no bits, is 0 in Go
	from, to := slots+ref(t.uint32(bucket))*8, slots+ref(t.uint32(bucket+4))*8
	for ; from < to; from += 8 {
		if t.uint32(from) != h {
			continue
		}
		if kid := ref(t.uint32(from + 4)); t.is(kid, seg, escaped) {
			return kid
		}
	}
	return 0
}

// same reports whether seg is lit once it is decoded. A malformed escape is never
// the same as anything.
func same(lit []byte, seg string) bool {
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
