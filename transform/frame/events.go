package frame

import "bytes"

// An event is the lines up to a blank one. A line ends with CR, LF or both:
//
//	: a comment            passes at once if it stands before the event
//	id: 7                  stays as it is
//	data: {"a":            the message is {"a":
//	data: 1}               1}
//	                       the blank line
//
// An event that is replaced has line feeds at the ends of all its lines. With the
// ends that it had, a CR might come to stand before the LF of another line, and the
// two would be one end.

// mark may stand before everything, and means nothing.
var mark = []byte("\xEF\xBB\xBF")

// event is Next for events.
func (s *Splitter) event(data []byte, end bool) (p Piece, n int) {
	if s.returned && len(data) > 0 {
		s.returned = false
		if data[0] == '\n' {
			if s.rewritten {
				return Piece{}, 1
			}
			return Piece{Raw: data[:1]}, 1
		}
	}
	if !s.begun {
		if len(data) < len(mark) && !end && bytes.HasPrefix(mark, data) {
			return Piece{}, 0
		}
		if s.begun = true; bytes.HasPrefix(data, mark) {
			return Piece{Raw: data[:len(mark)]}, len(mark)
		}
	}
	for {
		stop, next, returned := s.lineEnd(data, end)
		if next == 0 {
			return Piece{}, 0
		}
		line := data[s.line:stop]
		blank, comment := stop == s.line && next > stop, stop > s.line && line[0] == ':'
		if returned && !blank && (s.fields || !comment) {
			// The line is no end of a piece, and can wait for what follows.
			s.seen = stop
			return Piece{}, 0
		}
		if !blank && !comment && stop > s.line {
			s.fields = true
			if value, ok := dataOf(line); ok {
				if s.data++; s.data == 1 {
					s.value.start, s.value.end = stop-len(value), stop
				}
			}
		}
		s.seen, s.line = next, next
		if blank || comment && !s.fields || end && next == len(data) {
			s.returned = returned
			return s.piece(data[:next]), next
		}
	}
}

// lineEnd finds the end of the line that begins at s.line, and where the next one
// does: 0 if that is not known. returned says that the line ends with a CR, and that
// nothing is known of what follows.
func (s *Splitter) lineEnd(data []byte, end bool) (stop, next int, returned bool) {
	i := bytes.IndexAny(data[s.seen:], "\r\n")
	stop = s.seen + i
	switch {
	case i < 0 && (!end || len(data) == 0):
		s.seen = len(data)
		return 0, 0, false
	case i < 0:
		return len(data), len(data), false
	case data[stop] == '\n':
		return stop, stop + 1, false
	case stop+1 < len(data) && data[stop+1] == '\n':
		return stop, stop + 2, false
	}
	return stop, stop + 1, stop+1 == len(data) && !end
}

// piece is raw as a piece, behind which another begins.
func (s *Splitter) piece(raw []byte) Piece {
	p := Piece{Raw: raw, IsMessage: s.data > 0}
	s.joined = s.joined[:0]
	if s.data == 1 {
		p.Message = raw[s.value.start:s.value.end]
	}
	for rest := raw; len(rest) > 0 && s.data > 1; {
		var line []byte
		line, rest = cut(rest)
		if value, ok := dataOf(line); ok {
			s.joined = append(append(s.joined, value...), '\n')
			p.Message = s.joined[:len(s.joined)-1]
		}
	}
	s.seen, s.line, s.data, s.fields, s.rewritten = 0, 0, 0, false, false
	return p
}

// cut is the first line of some, without its end, and those behind it.
func cut(lines []byte) (line, rest []byte) {
	i := bytes.IndexAny(lines, "\r\n")
	switch {
	case i < 0:
		return lines, nil
	case lines[i] == '\r' && i+1 < len(lines) && lines[i+1] == '\n':
		return lines[:i], lines[i+2:]
	}
	return lines[:i], lines[i+1:]
}

// dataOf is the value of a line, if that is a field named data.
func dataOf(line []byte) (value []byte, ok bool) {
	value, ok = bytes.CutPrefix(line, []byte("data"))
	switch {
	case !ok || len(value) > 0 && value[0] != ':':
		return nil, false
	case len(value) == 0:
		return value, true
	}
	return bytes.TrimPrefix(value[1:], []byte(" ")), true
}

// appendEvent is Append for events. The message stands where the first line of the
// old one stood.
func (s *Splitter) appendEvent(dst []byte, p Piece, message []byte) []byte {
	s.rewritten = true
	written := false
	for rest := p.Raw; len(rest) > 0; {
		var line []byte
		line, rest = cut(rest)
		if _, ok := dataOf(line); !ok {
			dst = append(append(dst, line...), '\n')
			continue
		}
		if written {
			continue
		}
		for written = true; ; {
			line, more := cut(message)
			dst = append(append(append(dst, "data: "...), line...), '\n')
			if len(line) == len(message) {
				break
			}
			message = more
		}
	}
	return dst
}
