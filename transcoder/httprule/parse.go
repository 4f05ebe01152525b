package httprule

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLength bounds a template in bytes. Nobody writes one that long, but
// descriptors may come from anywhere.
const maxLength = 64 << 10

// ParseError says where and why a template is not one.
type ParseError struct {
	Template string
	// Offset is in bytes; len(Template) is its end.
	Offset int
	// Message says what was expected, and what was found.
	Message string
}

func (e *ParseError) Error() string {
	t := e.Template
	if len(t) > 256 {
		t = t[:256] + "..."
	}
	return fmt.Sprintf("template %q, offset %d: %s", t, e.Offset, e.Message)
}

// Parse reads a path template, of the grammar in google/api/http.proto:
//
//	template = "/" [ segments [ ":" literal ] ]
//	segments = segment { "/" segment }
//	segment  = "*" | "**" | literal | variable
//	variable = "{" name { "." name } [ "=" segments ] "}"
//
// with two extensions: "/" alone is the root, and literals may follow a "**".
// A variable contains no other. A literal is made of the characters that
// RFC 3986 allows in a path segment, less "*" and ":", of percent escapes and
// of text beyond ASCII. Every error is a [*ParseError].
func Parse(s string) (*Template, error) {
	p := &parser{in: s, multi: -1, names: map[string]bool{}}
	if err := p.template(); err != nil {
		return nil, err
	}
	return &p.out, nil
}

// parser reads one template, left to right.
type parser struct {
	in    string
	pos   int
	out   Template
	multi int // offset of the ** seen, or -1
	names map[string]bool
}

func (p *parser) template() error {
	if len(p.in) > maxLength {
		return p.failAt(maxLength, fmt.Sprintf("want at most %d bytes", maxLength))
	}
	if !p.take('/') {
		return p.want(`"/"`)
	}
	if p.pos == len(p.in) {
		return nil
	}
	if err := p.segments(false); err != nil {
		return err
	}
	if p.take(':') {
		verb, err := p.literal("the text of a verb")
		if err != nil {
			return err
		}
		p.out.Verb = verb
		if p.pos < len(p.in) {
			return p.want("the end after a verb (a colon that is text is written %3A)")
		}
	}
	if p.pos < len(p.in) {
		if p.in[p.pos] == '{' {
			return p.want(`"/", ":" or the end (a variable is one or more whole segments)`)
		}
		return p.want(`"/", ":" or the end`)
	}
	return nil
}

// segments reads until something that can neither be nor separate segments;
// whether that may stand here is for the caller to say.
func (p *parser) segments(inVariable bool) error {
	for {
		if err := p.segment(inVariable); err != nil {
			return err
		}
		if !p.take('/') {
			return nil
		}
	}
}

func (p *parser) segment(inVariable bool) error {
	start := p.pos
	switch {
	case p.take('*'):
		kind := Single
		if p.take('*') {
			kind = Multi
		}
		return p.wildcard(kind, start)
	case p.pos < len(p.in) && p.in[p.pos] == '{':
		if inVariable {
			return p.fail(`want a literal, "*" or "**": a variable cannot contain another`)
		}
		return p.variable()
	}
	expected := `a literal, "*", "**" or a variable`
	if inVariable {
		expected = `a literal, "*" or "**"`
	}
	text, err := p.literal(expected)
	if err != nil {
		return err
	}
	p.out.Segments = append(p.out.Segments, Segment{Kind: Literal, Literal: text})
	return nil
}

func (p *parser) wildcard(kind SegmentKind, start int) error {
	if p.multi >= 0 {
		return p.failAt(start, fmt.Sprintf(`want a literal: only literals may follow the "**" at offset %d`, p.multi))
	}
	if kind == Multi {
		p.multi = start
	}
	p.out.Segments = append(p.out.Segments, Segment{Kind: kind})
	return nil
}

func (p *parser) variable() error {
	open := p.pos
	p.pos++
	v := Variable{Start: len(p.out.Segments)}
	for {
		name := p.name()
		if name == "" {
			return p.want("the name of a field")
		}
		v.Path = append(v.Path, name)
		if !p.take('.') {
			break
		}
	}
	if p.take('=') {
		if err := p.segments(true); err != nil {
			return err
		}
		if !p.take('}') {
			return p.want(`"/" or "}"`)
		}
	} else {
		if !p.take('}') {
			return p.want(`".", "=" or "}"`)
		}
		if err := p.wildcard(Single, open); err != nil {
			return err
		}
	}
	v.End = len(p.out.Segments)
	v.Multi = v.End-v.Start > 1 || p.out.Segments[v.Start].Kind == Multi
	if p.names[v.Name()] {
		return p.failAt(open+1, fmt.Sprintf("want each variable once, and %q was there before", v.Name()))
	}
	p.names[v.Name()] = true
	p.out.Variables = append(p.out.Variables, v)
	return nil
}

// name reads a protobuf identifier; it is empty if there is none.
func (p *parser) name() string {
	start := p.pos
	for p.pos < len(p.in) && (isLetter(p.in[p.pos]) || p.pos > start && isDigit(p.in[p.pos])) {
		p.pos++
	}
	return p.in[start:p.pos]
}

// literal reads and decodes one or more characters of a literal.
func (p *parser) literal(expected string) (string, error) {
	start := p.pos
	escaped := false
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		if c == '%' {
			if _, ok := unhex2(p.in[p.pos+1:]); !ok {
				return "", p.fail("want two hexadecimal digits after %")
			}
			escaped = true
			p.pos += 3
			continue
		}
		if c < utf8.RuneSelf && !isText(c) {
			break
		}
		p.pos++
	}
	if p.pos == start {
		return "", p.want(expected)
	}
	text := p.in[start:p.pos]
	if escaped {
		// Every escape was checked above, so this cannot fail.
		decoded, _ := AppendUnescaped(nil, text, Decoded)
		text = string(decoded)
	}
	if !utf8.ValidString(text) {
		return "", p.failAt(start, "want a literal that is valid UTF-8")
	}
	return text, nil
}

func (p *parser) take(c byte) bool {
	if p.pos < len(p.in) && p.in[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// want reports that something else than expected stands at the current offset.
func (p *parser) want(expected string) error {
	if p.pos == len(p.in) {
		return p.fail("want " + expected + ", found the end")
	}
	_, size := utf8.DecodeRuneInString(p.in[p.pos:])
	return p.fail(fmt.Sprintf("want %s, found %q", expected, p.in[p.pos:p.pos+size]))
}

func (p *parser) fail(message string) error { return p.failAt(p.pos, message) }

func (p *parser) failAt(offset int, message string) error {
	return &ParseError{Template: p.in, Offset: offset, Message: message}
}

// String is the template in canonical form: {a=*} is {a}, and whatever a
// literal must or need not escape is escaped, or not, in one way. It parses to
// an equal template.
func (t *Template) String() string {
	if len(t.Segments) == 0 {
		return "/"
	}
	var b []byte
	vars := t.Variables
	for i, seg := range t.Segments {
		b = append(b, '/')
		if len(vars) > 0 && vars[0].Start == i {
			b = append(append(b, '{'), vars[0].Name()...)
			if vars[0].short(t) {
				b = append(b, '}')
				vars = vars[1:]
				continue
			}
			b = append(b, '=')
		}
		switch seg.Kind {
		case Literal:
			b = AppendLiteral(b, seg.Literal)
		case Single:
			b = append(b, '*')
		case Multi:
			b = append(b, "**"...)
		}
		if len(vars) > 0 && vars[0].End == i+1 {
			b = append(b, '}')
			vars = vars[1:]
		}
	}
	if t.Verb != "" {
		b = AppendLiteral(append(b, ':'), t.Verb)
	}
	return string(b)
}

// short reports whether {name} says it all.
func (v *Variable) short(t *Template) bool {
	return v.End == v.Start+1 && t.Segments[v.Start].Kind == Single
}

// Equal reports whether two templates are the same but for the way in which
// they were written.
func (t *Template) Equal(u *Template) bool {
	return t.Verb == u.Verb && slices.Equal(t.Segments, u.Segments) &&
		slices.EqualFunc(t.Variables, u.Variables, func(a, b Variable) bool {
			return a.Start == b.Start && a.End == b.End && a.Multi == b.Multi && slices.Equal(a.Path, b.Path)
		})
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isText reports whether c may stand unescaped in a literal: RFC 3986 pchar
// without the two characters that mean something in a template.
func isText(c byte) bool {
	return isLetter(c) || isDigit(c) || strings.IndexByte("-.~!$&'()+,;=@", c) >= 0
}
