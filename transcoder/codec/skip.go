package codec

// literal expects one of true, false and null.
func (p *parser) literal(i int, want string) int {
	end := i + len(want)
	if end > len(p.in) || string(p.in[i:end]) != want || end < len(p.in) && !delimits(p.in[end]) {
		return p.syntax(i, want)
	}
	return end
}

// skipValue passes over any value, in which objects and arrays may nest depth
// deep.
func (p *parser) skipValue(i, depth int) int {
	if i >= len(p.in) {
		return p.syntax(i, "a value")
	}
	switch c := p.in[i]; {
	case c == '"':
		_, _, i = p.stringToken(i)
		return i
	case c == 't':
		return p.literal(i, "true")
	case c == 'f':
		return p.literal(i, "false")
	case c == 'n':
		return p.literal(i, "null")
	case c == '-' || c-'0' <= 9:
		_, n := scanNumber(p.in[i:])
		if n == 0 {
			return p.fail(KindSyntax, i, "%s is not a JSON number", p.word(i))
		}
		return i + n
	case c == '{' || c == '[':
		if depth--; depth < 0 {
			return p.fail(KindDepth, i, "the JSON text nests deeper than the limit of %d", p.maxDepth)
		}
		return p.skipContents(i, c == '{', depth)
	}
	return p.syntax(i, "a value")
}

func (p *parser) skipContents(i int, object bool, depth int) int {
	end := byte(']')
	if object {
		end = '}'
	}
	if i = p.space(i + 1); p.peek(i) == end {
		return i + 1
	}
	for {
		if object {
			if p.peek(i) != '"' {
				return p.syntax(i, "a field name in quotes")
			}
			if _, _, i = p.stringToken(i); i < 0 {
				return i
			}
			if i = p.colon(i); i < 0 {
				return i
			}
		}
		if i = p.skipValue(i, depth); i < 0 {
			return i
		}
		i = p.space(i)
		switch p.peek(i) {
		case ',':
			i = p.space(i + 1)
		case end:
			return i + 1
		default:
			return p.syntax(i, "a comma or "+string(rune(end)))
		}
	}
}
