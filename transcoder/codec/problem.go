package codec

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/internal/near"
)

// How the parser words its errors. All of this runs only after something has
// gone wrong.

// maxShown is how many bytes of a value an error message shows.
const maxShown = 64

// fail sets the error, at position i of the input, and returns -1.
func (p *parser) fail(kind Kind, i int, format string, args ...any) int {
	if p.err == nil { // the first one is the cause
		i = min(max(i, 0), len(p.in))
		before := p.in[:i]
		line := bytes.LastIndexByte(before, '\n') + 1
		p.err = &Error{
			Kind:    kind,
			Offset:  i,
			Line:    bytes.Count(before, []byte{'\n'}) + 1,
			Column:  utf8.RuneCount(before[line:]) + 1,
			Message: fmt.Sprintf(format, args...),
		}
	}
	return -1
}

func (p *parser) tooDeep(i int) int {
	return p.fail(KindDepth, i, "messages nest deeper than the limit of %d", p.maxDepth)
}

// syntax reports what stands at i instead of what was expected.
func (p *parser) syntax(i int, want string) int {
	if i >= len(p.in) {
		return p.fail(KindSyntax, len(p.in), "the JSON text ends here, expected %s", want)
	}
	return p.fail(KindSyntax, i, "unexpected %s, expected %s", p.word(i), want)
}

func (p *parser) badUTF8(start, end int) int {
	for i := start; i < end; {
		r, n := utf8.DecodeRune(p.in[i:end])
		if r == utf8.RuneError && n <= 1 {
			return p.fail(KindUTF8, i, "the byte %#02x is not valid UTF-8 in a string", p.in[i])
		}
		i += n
	}
	return p.fail(KindUTF8, start, "the string is not valid UTF-8")
}

func (p *parser) badEscape(i, size int) int {
	if size < 0 {
		return p.fail(KindUTF8, i, "%q is half of a surrogate pair, expected both halves", clip(p.in[i:min(i+6, len(p.in))]))
	}
	if i+1 >= len(p.in) {
		return p.syntax(i+1, "the rest of an escape sequence")
	}
	if p.in[i+1] == 'u' {
		return p.fail(KindSyntax, i, `unexpected %q, expected \u and four hexadecimal digits`, clip(p.in[i:min(i+6, len(p.in))]))
	}
	return p.fail(KindSyntax, i, `unexpected %q, expected one of the escapes \" \\ \/ \b \f \n \r \t \u`, clip(p.in[i:min(i+2, len(p.in))]))
}

// mismatch reports that the value at i is of another JSON type than wanted, or
// what makes it no value at all.
func (p *parser) mismatch(i int, want string) int {
	if i >= len(p.in) {
		return p.syntax(i, want)
	}
	if end := p.skipValue(i, max(p.depth, 0)+1); end < 0 && p.err != nil && p.err.Kind != KindDepth {
		if c := p.in[i]; p.err.Offset == i && c != '-' && c-'0' > 9 {
			// Not the beginning of any value: say what is wanted here, not
			// which value its first letter could have begun.
			p.err = nil
			return p.syntax(i, want)
		}
		return end
	}
	p.err = nil
	return p.fail(KindType, i, "got %s, expected %s", p.show(i), want)
}

func (p *parser) outOfRange(f *Field, i int) int {
	return p.fail(KindRange, i, "%s is out of the range of %s", p.show(i), f.kind)
}

func (p *parser) unknownEnum(e *enum, i int, name []byte) int {
	known := make([]string, 0, len(e.byName))
	for n := range e.byName {
		known = append(known, n)
	}
	return p.fail(KindEnum, i, "%s is no value of the enum %s%s", p.show(i), e.name, suggest(string(name), known))
}

func (p *parser) unknownField(m *Message, i int, name []byte) int {
	known := make([]string, 0, len(m.byName))
	for n := range m.byName {
		known = append(known, n)
	}
	return p.fail(KindUnknownField, i, "%s has no field %q%s", m.name, clip(name), suggest(string(name), known))
}

// show is the value at i as it was written, cut if it is long.
func (p *parser) show(i int) string {
	c := p.peek(i)
	switch {
	case i >= len(p.in):
		return "nothing"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		if end := closingQuote(p.in[i:]); end > 0 {
			return clip(p.in[i : i+end])
		}
	}
	return p.word(i)
}

// closingQuote is the length of the string token that b starts with, 0 if it
// has no end.
func closingQuote(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// word is the run of characters at i that belong together.
func (p *parser) word(i int) string {
	b := p.in[i:]
	n := 0
	for n < len(b) && n <= maxShown && !delimits(b[n]) {
		n++
	}
	if n == 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size <= 1 {
			return fmt.Sprintf("byte %#02x", b[0])
		}
		return strconv.QuoteRune(r)
	}
	return clip(b[:n])
}

// clip cuts a long value, between characters.
func clip(b []byte) string {
	if len(b) <= maxShown {
		return string(bytes.ToValidUTF8(b, []byte("\ufffd")))
	}
	return string(bytes.ToValidUTF8(b[:maxShown], nil)) + "…"
}

// within puts the field whose name is at position key before the error's path.
func (p *parser) within(key int) {
	if p.err == nil || p.err.Kind == KindSyntax {
		return
	}
	name := unescape(nil, p.in[key+1:key+closingQuote(p.in[key:])-1])
	p.err.Path = joinPath(clip(name), p.err.Path)
}

// at puts an index before the error's path.
func (p *parser) at(index int) {
	if p.err != nil && p.err.Kind != KindSyntax {
		p.err.Path = joinPath("["+strconv.Itoa(index)+"]", p.err.Path)
	}
}

// atKey puts a map key, at position key, before the error's path.
func (p *parser) atKey(key int) {
	if p.err == nil || p.err.Kind == KindSyntax {
		return
	}
	if n := closingQuote(p.in[key:]); n > 0 {
		p.err.Path = joinPath("["+clip(p.in[key:key+n])+"]", p.err.Path)
	}
}

func joinPath(first, rest string) string {
	if rest == "" || rest[0] == '[' {
		return first + rest
	}
	return first + "." + rest
}

// suggest is a question after the nearest of the known names, if one is near.
func suggest(name string, known []string) string {
	if len(name) > maxShown {
		return ""
	}
	plain := plainName(name)
	best, least := "", min((len(name)+2)/2, 4)
	for _, k := range known {
		if len(k) > 2*maxShown {
			continue
		}
		if d := near.Distance(plain, plainName(k)); d < least || d == least && best != "" && k < best {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// plainName is a name without what a misspelling of it may have more or less.
func plainName(s string) string { return strings.ReplaceAll(s, "_", "") }
