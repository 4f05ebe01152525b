package event

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how many arrays and objects may be in each other. Nobody means more, and
// the scan calls itself for each.
const maxDepth = 1000

// isJSON says whether data is one JSON value in UTF-8.
func isJSON(data []byte) bool {
	return check(data) == nil
}

// check is why data is not one JSON value in UTF-8; nil if it is one.
func check(data []byte) error {
	s := scanner{data: data}
	if s.value(0) {
		s.space()
	}
	if s.deep {
		return fmt.Errorf("more than %d arrays and objects in each other, at byte %d", maxDepth, s.pos)
	}
	if s.pos < len(data) || len(data) == 0 || s.bad {
		return fmt.Errorf("not JSON, at byte %d", s.pos)
	}
	if !utf8.Valid(data) {
		return fmt.Errorf("not UTF-8")
	}
	return nil
}

// scanner walks over JSON. Where it stops is pos.
type scanner struct {
	data []byte
	pos  int
	// bad and deep say why it has stopped.
	bad, deep bool
}

func (s *scanner) fail() bool {
	s.bad = true
	return false
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte that is no space; 0 at the end.
func (s *scanner) peek() byte {
	if s.space(); s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// value passes one value.
func (s *scanner) value(depth int) bool {
	if depth > maxDepth {
		s.deep = true
		return s.fail()
	}
	switch c := s.peek(); c {
	case '{':
		s.pos++
		for first := true; ; first = false {
			_, ok, end := s.member(first)
			if end || !ok {
				return ok
			}
			if !s.value(depth + 1) {
				return false
			}
		}
	case '[':
		s.pos++
		for first := true; ; first = false {
			ok, end := s.element(first, ']')
			if end || !ok {
				return ok
			}
			if !s.value(depth + 1) {
				return false
			}
		}
	case '"':
		return s.text()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// element passes the comma in front of an element, which the first has not, or the end
// of what it is in.
func (s *scanner) element(first bool, closing byte) (ok, end bool) {
	switch c := s.peek(); {
	case c == closing:
		s.pos++
		return true, true
	case first:
		return true, false
	case c != ',':
		return s.fail(), false
	}
	s.pos++
	return true, false
}

// member is element for an object, and passes the name as well, which has its quotes,
// with the colon.
func (s *scanner) member(first bool) (name []byte, ok, end bool) {
	if ok, end = s.element(first, '}'); end || !ok {
		return nil, ok, end
	}
	if s.peek() != '"' {
		return nil, s.fail(), false
	}
	start := s.pos
	if !s.text() {
		return nil, false, false
	}
	if name = s.data[start:s.pos]; s.peek() != ':' {
		return nil, s.fail(), false
	}
	s.pos++
	return name, true, false
}

// text passes a string.
func (s *scanner) text() bool {
	for i := s.pos + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			return true
		case c < ' ':
			s.pos = i
			return s.fail()
		case c == '\\':
			i++
			if i < len(s.data) && s.data[i] == 'u' {
				if hex(s.data[i+1:]) < 0 {
					s.pos = i
					return s.fail()
				}
				i += 4
				continue
			}
			if i == len(s.data) || escaped(s.data[i]) == 0 {
				s.pos = i
				return s.fail()
			}
		}
	}
	s.pos = len(s.data)
	return s.fail()
}

func (s *scanner) literal(word string) bool {
	if rest := s.data[s.pos:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return s.fail()
	}
	s.pos += len(word)
	return true
}

func (s *scanner) number() bool {
	if s.at('-') {
		s.pos++
	}
	if s.at('0') {
		s.pos++
	} else if !s.digits() {
		return s.fail()
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			return s.fail()
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.digits() {
			return s.fail()
		}
	}
	return true
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > start
}

// members calls f with the name and the value of each member of an object that has been
// checked, until f returns an error. The value is as it was written.
func members(object []byte, f func(name, value []byte) error) error {
	s := scanner{data: object, pos: 1}
	for first := true; ; first = false {
		name, ok, end := s.member(first)
		if end || !ok {
			return nil
		}
		if err := f(unquote(name), s.raw()); err != nil {
			return err
		}
	}
}

// elements calls f with each element of an array that has been checked, as it was
// written, until f returns an error.
func elements(array []byte, f func(value []byte) error) error {
	s := scanner{data: array, pos: 1}
	for first := true; ; first = false {
		if ok, end := s.element(first, ']'); end || !ok {
			return nil
		}
		if err := f(s.raw()); err != nil {
			return err
		}
	}
}

// raw is the next value as it was written, which is passed.
func (s *scanner) raw() []byte {
	s.space()
	start := s.pos
	s.value(0)
	return s.data[start:s.pos]
}

// unquote is what a string that has been checked means: a part of it, or new bytes.
// Half a surrogate pair means U+FFFD.
func unquote(quoted []byte) []byte {
	raw := quoted[1 : len(quoted)-1]
	i := 0
	for i < len(raw) && raw[i] != '\\' {
		i++
	}
	if i == len(raw) {
		return raw
	}
	text := append(make([]byte, 0, len(raw)), raw[:i]...)
	for i < len(raw) {
		start := i
		for i < len(raw) && raw[i] != '\\' {
			i++
		}
		if text = append(text, raw[start:i]...); i == len(raw) {
			break
		}
		c := raw[i+1]
		i += 2
		if c != 'u' {
			text = append(text, escaped(c))
			continue
		}
		r := hex(raw[i:])
		i += 4
		if utf16.IsSurrogate(r) {
			half := r
			if r = utf8.RuneError; i+1 < len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				if pair := utf16.DecodeRune(half, hex(raw[i+2:])); pair != utf8.RuneError {
					r = pair
					i += 6
				}
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return text
}

// escaped is what stands for c behind a backslash; 0 if nothing does. What u stands for
// is in the digits behind it.
func escaped(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// hex is the number that the first four digits of b spell; negative if they are none.
func hex(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20-'a' <= 'f'-'a':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
