package event

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth is how many arrays and objects may be in each other. Nobody means more, and
// the scan calls itself for each.
const maxDepth = 1000

// isJSON says whether data is one JSON value in UTF-8.
func isJSON(data []byte) bool {
	return check(data, nil) == nil
}

// check is why data is not one JSON value in UTF-8; nil if it is one. If it is an
// object, member is called with the name and the value of each member on the way, both
// as they were written; member may be nil.
func check(data []byte, member func(name, value []byte)) error {
	s := scanner{data: data}
	var ok bool
	if member != nil && s.peek() == '{' {
		ok = s.object(member)
	} else {
		ok = s.value(0)
	}
	if ok {
		s.space()
	}
	switch {
	case s.deep:
		return fmt.Errorf("more than %d arrays and objects in each other, at byte %d", maxDepth, s.pos)
	case !ok || s.pos < len(data):
		return fmt.Errorf("not JSON, at byte %d", s.pos)
	case !utf8.Valid(data):
		return errors.New("not UTF-8")
	}
	return nil
}

// scanner walks over JSON. Where it stops is pos.
type scanner struct {
	data []byte
	pos  int
	// deep says that it has stopped because of maxDepth.
	deep bool
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

// value passes one value, which is in so many arrays and objects.
func (s *scanner) value(depth int) bool {
	c := s.peek()
	if depth == maxDepth && (c == '{' || c == '[') {
		s.deep = true
		return false
	}
	switch c {
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

// object passes an object, and calls f with its members.
func (s *scanner) object(f func(name, value []byte)) bool {
	s.pos++
	for first := true; ; first = false {
		name, ok, end := s.member(first)
		if end || !ok {
			return ok
		}
		s.space()
		start := s.pos
		if !s.value(1) {
			return false
		}
		f(name, s.data[start:s.pos])
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
		return false, false
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
		return nil, false, false
	}
	start := s.pos
	if !s.text() {
		return nil, false, false
	}
	if name = s.data[start:s.pos]; s.peek() != ':' {
		return nil, false, false
	}
	s.pos++
	return name, true, false
}

// text passes a string.
func (s *scanner) text() bool {
	for s.pos++; ; {
		s.pos += run(s.data[s.pos:])
		switch {
		case s.pos == len(s.data) || s.data[s.pos] < ' ':
			return false
		case s.data[s.pos] == '"':
			s.pos++
			return true
		}
		n := escape(s.data[s.pos:])
		if n == 0 {
			return false
		}
		s.pos += n
	}
}

func (s *scanner) literal(word string) bool {
	if rest := s.data[s.pos:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return false
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
		return false
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			return false
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.digits() {
			return false
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
