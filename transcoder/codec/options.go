package codec

import (
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// What the parser does with an option is here; it comes here only after it has
// looked for a name in vain, or met a field that the path has bound.

// Parse chooses what is accepted beyond protobuf's own JSON form. The zero
// value is that form, with unknown fields refused.
type Parse struct {
	// IgnoreUnknown passes over fields that a message does not have, at every
	// level and inside a google.protobuf.Any, too. Their values must be valid JSON
	// that nests no deeper than messages may. An Any without "@type" counts as one
	// with unknown fields only. A name that is no value of a known field's enum is
	// an error still: it is not a field that somebody added, and leaving it out
	// would change what the message says.
	IgnoreUnknown bool
	// Record lists what IgnoreUnknown passed over in [Scratch.Ignored].
	Record bool
	// FoldEnums takes names of enum values in any letter case, in JSON and in
	// text. A name that is spelled exactly so comes first; names that differ in
	// nothing but case, for different numbers, have to be spelled exactly.
	FoldEnums bool
	// BoundWins drops what the body says of a field that the path has bound, in
	// place of refusing another value: the field, and other members of a oneof
	// that a bound path goes through. They must be valid nevertheless.
	BoundWins bool
}

const (
	// maxIgnored is how many ignored fields are listed, the rest being "…".
	maxIgnored = 16
	// maxIgnoredPath is how long the path of one may be in bytes.
	maxIgnoredPath = 100
)

// ignores reports whether the unknown field name of m, at i, is passed over,
// and notes it. An extension of another message is not unknown.
func (p *parser) ignores(m *Message, i int, name []byte) bool {
	if !p.options.IgnoreUnknown || m.codec.extensions[protoreflect.FullName(extensionName(name))] {
		return false
	}
	p.ignored(i)
	return true
}

// ignored notes that the field whose name is at key was passed over.
func (p *parser) ignored(key int) {
	p.skipped++
	if p.options.Record && len(p.unknown) <= maxIgnored {
		p.unknown = append(p.unknown, key)
	}
}

// extensionName is what stands in the brackets of an extension's name, or
// nothing.
func extensionName(name []byte) string {
	if s := text(name); isExtensionName(s) && len(s) > 2 {
		return s[1 : len(s)-1]
	}
	return ""
}

// untyped passes over the fields of an Any without "@type", the first of which
// is at i. They are known to be valid.
func (p *parser) untyped(i int) int {
	for {
		p.ignored(i)
		_, _, i = p.stringToken(i)
		i = p.skipValue(p.colon(i), p.depth)
		if i = p.space(i); p.peek(i) == '}' {
			return i + 1
		}
		i = p.space(i + 1)
	}
}

// step is one level of a path in a JSON text: in an object the field whose
// name is at key, in an array the element with an index.
type step struct {
	key, index int
	array      bool
}

// ignoredPaths appends the paths of the names at p.unknown, which are in
// order, up to the last of which the text is valid.
func (p *parser) ignoredPaths(paths []string) []string {
	var levels []step
	named := false // whether the next string is a name
	left := p.unknown
	for i := 0; i < len(p.in) && len(left) > 0; i++ {
		switch c := p.in[i]; c {
		case '{', '[':
			levels = append(levels, step{array: c == '['})
			named = c == '{'
		case '}', ']':
			levels = levels[:len(levels)-1]
			named = false
		case ',':
			top := &levels[len(levels)-1]
			top.index++
			named = !top.array
		case ':':
			named = false
		case '"':
			if named {
				levels[len(levels)-1].key = i
			}
			if i == left[0] {
				if len(paths) == maxIgnored {
					return append(paths, "…")
				}
				paths = append(paths, p.pathOf(levels))
				left = left[1:]
			}
			i += closingQuote(p.in[i:]) - 1
		}
	}
	return paths
}

// pathOf spells a path.
func (p *parser) pathOf(levels []step) string {
	var path []byte
	for _, l := range levels {
		path = p.appendStep(path, l)
		if len(path) > maxIgnoredPath {
			const more = "…"
			return string(path[:maxIgnoredPath-len(more)]) + more
		}
	}
	return string(path)
}

func (p *parser) appendStep(path []byte, l step) []byte {
	if l.array {
		path = strconv.AppendInt(append(path, '['), int64(l.index), 10)
		return append(path, ']')
	}
	name := unescape(nil, p.in[l.key+1:l.key+closingQuote(p.in[l.key:])-1])
	name = name[:min(len(name), 2*maxIgnoredPath)]
	switch {
	case extensionName(name) != "" && validPath(name[1:len(name)-1]):
		return append(path, name...)
	case !validName(name):
		path = strconv.AppendQuoteToASCII(append(path, '['), text(name))
		return append(path, ']')
	case len(path) > 0:
		path = append(path, '.')
	}
	return append(path, name...)
}

// validName reports whether name could be that of a field.
func validName(name []byte) bool {
	for i, c := range name {
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c-'0' > 9) {
			return false
		}
	}
	return len(name) > 0
}

// foldedNumber is the number of the value that name means in any letter case.
func (e *enum) foldedNumber(name []byte) (number int32, ok bool) {
	if len(name) > e.longest {
		return 0, false
	}
	var room [64]byte
	number, ok = e.folded[string(appendFolded(room[:0], name))]
	return number, ok
}

// fold adds a name to e.folded, or makes it ambiguous.
func (e *enum) fold(name string, number int32, ambiguous map[string]bool) {
	e.longest = max(e.longest, len(name))
	folded := string(appendFolded(nil, []byte(name)))
	if other, ok := e.folded[folded]; ok && other != number || ambiguous[folded] {
		ambiguous[folded] = true
		delete(e.folded, folded)
		return
	}
	e.folded[folded] = number
}

// appendFolded appends a name in lower case. Names are ASCII.
func appendFolded(dst, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// dropped parses the value of f and takes back what that has written.
func (p *parser) dropped(f *Field, i int) int {
	start, late, pending := len(p.out), len(p.late), p.pending
	i = p.field(f, i, nil)
	p.out, p.late, p.pending = p.out[:start], p.late[:late], pending
	return i
}
