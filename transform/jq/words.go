package jq

// A word is a name in the text of a program: of a function, a variable with its $,
// a format with its @, a key or a keyword. Names behind a dot are none: nothing
// has to find .name.
type word struct {
	text string
	// at is where it stands, in bytes.
	at int
}

// scan is the words of a program in their order, those in the queries of strings
// among them, and what \( and " are open at its end. It is right for what gojq can
// parse, and ends for everything.
func scan(src string) (words []word, open []int) {
	s := scanner{src: src}
	for s.at < len(s.src) {
		s.token()
	}
	return s.words, s.open
}

// position is the line and column of a place in bytes, both from 1, the column in
// characters.
func position(src string, at int) (line, column int) {
	line, column = 1, 1
	for _, r := range src[:min(max(at, 0), len(src))] {
		if column++; r == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}

type scanner struct {
	src   string
	at    int
	words []word
	// parens has a number for each string whose \( is open: of the parentheses
	// that are open in it.
	parens []int
	// open are the places where strings begin that have not ended.
	open []int
}

// token takes one token, which is at least one byte.
func (s *scanner) token() {
	start := s.at
	c := s.src[s.at]
	s.at++
	switch {
	case c == '#':
		s.comment()
	case c == '"':
		s.open = append(s.open, start)
		s.text()
	case c == '(' && len(s.parens) > 0:
		s.parens[len(s.parens)-1]++
	case c == ')' && len(s.parens) > 0:
		if s.parens[len(s.parens)-1]--; s.parens[len(s.parens)-1] < 0 {
			s.parens = s.parens[:len(s.parens)-1]
			s.text()
		}
	case c == '.' && s.peek() == '.':
		s.at++
	case c == '.' && isName(s.peek()) && !isDigit(s.peek()):
		s.name()
	case isDigit(c), c == '.' && isDigit(s.peek()):
		s.number()
	case c == '$' && isName(s.peek()), c == '@' && isName(s.peek()), isName(c):
		s.name()
		// A module's name, as in a::b, is part of the word.
		if s.at+2 < len(s.src) && s.src[s.at:s.at+2] == "::" && isName(s.src[s.at+2]) {
			s.at += 2
			s.name()
		}
		s.words = append(s.words, word{s.src[start:s.at], start})
	}
}

// comment goes to the end of the line. A backslash before that goes on with the
// comment, unless it stands behind another.
func (s *scanner) comment() {
	for ; s.at < len(s.src) && s.src[s.at] != '\n' && s.src[s.at] != '\r'; s.at++ {
		if s.src[s.at] != '\\' || s.at+1 == len(s.src) {
			continue
		}
		switch s.src[s.at+1] {
		case '\r':
			if s.at++; s.at+1 < len(s.src) && s.src[s.at+1] == '\n' {
				s.at++
			}
		case '\n', '\\':
			s.at++
		}
	}
}

// text goes on with a string, to its end or to the query in it.
func (s *scanner) text() {
	for s.at < len(s.src) {
		c := s.src[s.at]
		s.at++
		switch {
		case c == '"':
			s.open = s.open[:len(s.open)-1]
			return
		case c == '\\' && s.peek() == '(':
			s.at++
			s.parens = append(s.parens, 0)
			return
		case c == '\\':
			s.at++
		}
	}
	s.at = len(s.src)
}

func (s *scanner) name() {
	for isName(s.peek()) {
		s.at++
	}
}

func (s *scanner) number() {
	for isDigit(s.peek()) || s.peek() == '.' {
		s.at++
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		for isDigit(s.peek()) {
			s.at++
		}
	}
}

// peek is the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at >= len(s.src) {
		return 0
	}
	return s.src[s.at]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isName(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || isDigit(c)
}
