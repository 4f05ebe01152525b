// Package frame finds the messages in streams of bytes, the lines of NDJSON and
// the data of server-sent events, and puts others in their place.
//
// It is pure, and complete for both forms: what is found does not depend on where
// the bytes were cut on their way.
package frame

import "bytes"

// Form is how a stream holds its messages.
type Form uint8

const (
	// Lines is NDJSON: every line is a message, unless it is blank.
	Lines Form = iota
	// Events are server-sent events (HTML, section 9.2): the data of an event, its
	// lines joined by line feeds, is a message. Comments, and events without data,
	// have none.
	Events
)

// Piece is a part of a stream. It is valid until the stream's next one is asked
// for.
type Piece struct {
	// Raw is the piece as it came, line ends included.
	Raw []byte
	// Message is what it says, if IsMessage is set: it may be empty.
	Message   []byte
	IsMessage bool
}

// Splitter cuts one stream into pieces. What [Splitter.Next] leaves of the data is
// the caller's to keep, and to bound.
type Splitter struct {
	form Form
	// seen is how far data was looked at, line where the line begins that is not
	// whole yet.
	seen, line int
	// fields says that the event has some, data how many of its lines are data, and
	// value where that of the first of these is.
	fields bool
	data   int
	value  struct{ start, end int }
	// begun says that the byte order mark is behind.
	begun bool
	// returned says that the last piece ended with a carriage return behind which no
	// more was known: a line feed that follows belongs to it. rewritten says that the
	// piece has been replaced.
	returned, rewritten bool
	joined              []byte
}

// Reset makes s one for another stream.
func (s *Splitter) Reset(form Form) {
	joined := s.joined[:0]
	if cap(joined) > maxKept {
		joined = nil
	}
	*s = Splitter{form: form, joined: joined}
}

// maxKept is the largest buffer that is kept for the next stream.
const maxKept = 64 << 10

// Next gives the piece with which data begins, and its length. The length is 0 if
// data has no whole piece: then it is to be called again with more behind what it
// had, or with end set if there is no more. Each time data begins behind the last
// piece. At the end, what is not whole is a piece, too.
func (s *Splitter) Next(data []byte, end bool) (p Piece, n int) {
	if s.form == Events {
		return s.event(data, end)
	}
	i := bytes.IndexByte(data[s.seen:], '\n')
	if i < 0 && (!end || len(data) == 0) {
		s.seen = len(data)
		return Piece{}, 0
	}
	if n = s.seen + i + 1; i < 0 {
		n = len(data)
	}
	s.seen = 0
	line := withoutEnd(data[:n])
	p = Piece{Raw: data[:n], Message: line, IsMessage: len(bytes.Trim(line, " \t\r")) > 0}
	return p, n
}

// Append appends a piece, which is the last that s gave and a message, with another
// message. Of an event, what is not data stays. A message has no line breaks in a
// line of NDJSON; in an event it may have any.
func (s *Splitter) Append(dst []byte, p Piece, message []byte) []byte {
	if s.form == Events {
		return s.appendEvent(dst, p, message)
	}
	dst = append(dst, message...)
	return append(dst, p.Raw[len(p.Message):]...)
}

// withoutEnd is a line without its end.
func withoutEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}
