// Package split finds the elements of a body that is a stream of JSON values, as
// its bytes arrive: those of one array, or one in each line (NDJSON).
//
//	[{"a":1}, {"a":2}]       {"a":1}
//	                         {"a":2}
//
// It finds where a value begins and ends, and nothing more: brackets are counted
// but not paired, and what stands between them is not looked at. Whoever reads
// the elements finds what is wrong with them. Given that every element is valid,
// so is the whole.
//
// The package is pure: it reads from nowhere. Bytes are put into the [Splitter]'s
// own buffer, and elements are slices of it; nothing else is copied or allocated.
// The buffer is never larger than one element may be, and 8 KiB.
package split

import (
	"bytes"
	"fmt"
	"io"
)

// Form is how the elements stand in the body.
type Form uint8

const (
	// ByFirst is [Array] if the first byte that is no white space is a bracket,
	// else [Lines].
	ByFirst Form = iota
	// Array is one JSON array.
	Array
	// Lines is one value in each line. Empty lines count for nothing, and the last
	// one needs no line feed.
	Lines
)

// Error is what is wrong with a body. Its text is safe to show to the client.
type Error struct {
	// Element is the index of the element, from 0, at or before which it is.
	Element int
	// Offset counts the bytes of the body before it.
	Offset int64
	// TooLarge says that the element is over the limit.
	TooLarge bool
	// Message says what is wrong, with the offset.
	Message string
}

func (e *Error) Error() string { return e.Message }

const (
	// readSize is the room for what arrives.
	readSize = 8 << 10
	// maxKept is the largest buffer that is kept behind a large element.
	maxKept = 256 << 10
)

// state is where in an array the next byte stands.
type state uint8

const (
	begin    state = iota // before the bracket that opens the array
	first                 // before its first element, or its end
	next                  // before an element, behind a comma
	nested                // in an element with brackets, outside of strings
	quoted                // in a string
	escaped               // in a string, behind a backslash
	scalar                // in a number or a name
	behind                // behind an element
	finished              // behind the array
)

// Splitter splits one body. It is for one goroutine at a time. Its zero value
// must be [Splitter.Reset] first; that keeps its buffer.
//
//	for {
//		n, err := body.Read(s.Space())
//		s.Add(n)
//		for {
//			element, fault := s.Next()
//			...
type Splitter struct {
	form Form
	// max is the most bytes that an element may have.
	max int
	buf []byte
	// buf[from:at] is of the element at hand, or nothing; buf[at:] has not been
	// looked at.
	from, at int
	// dropped counts the bytes of the body before buf.
	dropped int64
	// depth counts the open brackets of the element at hand.
	depth int
	state state
	count int
	// last is the offset of the last element.
	last  int64
	ended bool
	err   error
}

// Reset begins a new body of which no element may have more than maxBytes bytes.
func (s *Splitter) Reset(form Form, maxBytes int) {
	buf := s.buf[:0]
	if cap(buf) > maxKept {
		buf = nil
	}
	*s = Splitter{form: form, max: maxBytes, buf: buf}
}

// Form is that of the body: with [ByFirst] what it turned out to be, as soon as
// that can be told.
func (s *Splitter) Form() Form { return s.form }

// Count is the number of elements that were found so far.
func (s *Splitter) Count() int { return s.count }

// Offset is how many bytes of the body are before the last element that was
// found.
func (s *Splitter) Offset() int64 { return s.last }

// Space is where the next bytes of the body are to be put; it is never empty. The
// elements that were given out before are no longer valid. It must be called only
// after [Splitter.Next] found nothing, as that is what keeps the buffer small.
func (s *Splitter) Space() []byte {
	held := len(s.buf) - s.from
	switch {
	case held == 0 && cap(s.buf) > maxKept:
		s.move(make([]byte, 0, readSize))
	case held == 0, cap(s.buf)-len(s.buf) < readSize/4 && s.from > 0 && held <= cap(s.buf)/2:
		s.move(s.buf[:0])
	}
	if len(s.buf) == cap(s.buf) {
		s.move(make([]byte, 0, max(readSize, min(2*cap(s.buf), s.max+readSize))))
	}
	return s.buf[len(s.buf):cap(s.buf)]
}

// move takes what is still wanted to another place.
func (s *Splitter) move(to []byte) {
	s.dropped += int64(s.from)
	s.at -= s.from
	s.buf, s.from = append(to, s.buf[s.from:]...), 0
}

// Add says that n bytes have been put into the room that [Splitter.Space] gave.
func (s *Splitter) Add(n int) { s.buf = s.buf[:len(s.buf)+n] }

// End says that no more bytes follow.
func (s *Splitter) End() { s.ended = true }

// Next gives the next element, valid until [Splitter.Space] or [Splitter.Reset] is
// called. It is nil if more bytes are wanted to tell. The error is [io.EOF] behind
// the last element, else an *[Error]; from then on it is always the same. A body
// without any bytes has no elements.
func (s *Splitter) Next() ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.form == ByFirst && !s.recognize() {
		return nil, s.err
	}
	var element []byte
	if s.form == Lines {
		element = s.line()
	} else {
		element = s.element()
	}
	if s.err == nil && s.at-s.from > s.max {
		s.tooLarge()
	}
	if s.err != nil {
		return nil, s.err
	}
	if element != nil {
		s.count++
	}
	return element, nil
}

// recognize finds out the form.
func (s *Splitter) recognize() bool {
	for ; s.at < len(s.buf); s.at++ {
		switch s.buf[s.at] {
		case ' ', '\t', '\r', '\n':
			continue
		case '[':
			s.form = Array
		default:
			s.form = Lines
		}
		s.from = s.at
		return true
	}
	s.from = s.at
	if s.ended {
		s.err = io.EOF
	}
	return false
}

// line finds the end of a line that is not empty.
func (s *Splitter) line() []byte {
	for s.from < len(s.buf) && kinds[s.buf[s.from]] == white {
		s.from++
	}
	s.at = max(s.at, s.from)
	end := bytes.IndexByte(s.buf[s.at:], '\n')
	if end < 0 {
		s.at = len(s.buf)
		if !s.ended || s.from == s.at {
			if s.ended {
				s.err = io.EOF
			}
			return nil
		}
		return trimTail(s.found())
	}
	s.at += end
	return trimTail(s.found())
}

func trimTail(b []byte) []byte {
	for len(b) > 0 && kinds[b[len(b)-1]] == white {
		b = b[:len(b)-1]
	}
	return b
}

// kind is what a byte may be for.
type kind uint8

const (
	plain kind = iota
	white
	quote
	opens
	closes
	comma
	colon
)

var kinds = [256]kind{
	' ': white, '\t': white, '\r': white, '\n': white,
	'"': quote, '[': opens, '{': opens, ']': closes, '}': closes, ',': comma, ':': colon,
}

// element finds the end of an element of the array.
func (s *Splitter) element() []byte {
	buf := s.buf
scan:
	for s.at < len(buf) {
		c := buf[s.at]
		switch s.state {
		case nested:
			s.at = skipPlain(buf, s.at)
			if s.at == len(buf) {
				continue
			}
			switch c = buf[s.at]; kinds[c] {
			case quote:
				s.state = quoted
			case opens:
				s.depth++
			case closes:
				if s.depth--; s.depth == 0 {
					s.at++
					return s.found()
				}
			}
		case quoted:
			for c != '"' && c != '\\' {
				if s.at++; s.at == len(buf) {
					continue scan
				}
				c = buf[s.at]
			}
			switch c {
			case '\\':
				s.state = escaped
			case '"':
				if s.depth == 0 {
					s.at++
					return s.found()
				}
				s.state = nested
			}
		case escaped:
			s.state = quoted
		case scalar:
			if kinds[c] != plain {
				return s.found()
			}
		default:
			if kinds[c] != white && !s.between(c) {
				return nil
			}
			if s.state < nested || s.state >= behind {
				// What is between elements is not kept.
				s.from = s.at + 1
			}
		}
		s.at++
	}
	if s.ended {
		s.cut()
	}
	return nil
}

// skipPlain finds the next byte that matters in an element.
func skipPlain(b []byte, at int) int {
	for at < len(b) && kinds[b[at]]-quote > closes-quote {
		at++
	}
	return at
}

// found is the element at hand, which ends at s.at.
func (s *Splitter) found() []byte {
	if s.at-s.from > s.max {
		s.tooLarge()
		return nil
	}
	element := s.buf[s.from:s.at:s.at]
	s.last = s.offset(s.from)
	s.from, s.state = s.at, behind
	return element
}

// between takes a byte that stands between elements.
func (s *Splitter) between(c byte) bool {
	switch s.state {
	case begin:
		if c == '[' {
			s.state = first
			return true
		}
		s.fail(false, s.offset(s.at), "want a JSON array, which begins with %q, got %q", "[", string([]byte{c}))
		return false
	case behind:
		switch c {
		case ',':
			s.state = next
			return true
		case ']':
			s.state = finished
			return true
		}
		s.fail(false, s.offset(s.at), "want \",\" or \"]\" behind element %d, got %q", s.count-1, string([]byte{c}))
		return false
	case finished:
		s.fail(false, s.offset(s.at), "there is more behind the array: %q", string([]byte{c}))
		return false
	}
	s.from = s.at
	switch kinds[c] {
	case quote:
		s.state, s.depth = quoted, 0
	case opens:
		s.state, s.depth = nested, 1
	case plain:
		s.state, s.depth = scalar, 0
	default:
		if c == ']' && s.state == first {
			s.state = finished
			return true
		}
		s.fail(false, s.offset(s.at), "want element %d, got %q", s.count, string([]byte{c}))
		return false
	}
	return true
}

// cut ends a body that has no more bytes.
func (s *Splitter) cut() {
	if s.state == finished || s.state == begin {
		s.err = io.EOF
		return
	}
	s.fail(false, s.offset(s.at), "the body ends within its array, after %d elements", s.count)
}

func (s *Splitter) tooLarge() {
	s.fail(true, s.offset(s.from), "element %d is larger than %d bytes", s.count, s.max)
}

// offset is how many bytes of the body are before buf[at].
func (s *Splitter) offset(at int) int64 { return s.dropped + int64(at) }

func (s *Splitter) fail(large bool, offset int64, format string, args ...any) {
	s.err = &Error{
		Element: s.count, Offset: offset, TooLarge: large,
		Message: fmt.Sprintf(format, args...) + fmt.Sprintf(" (byte %d)", offset),
	}
}
