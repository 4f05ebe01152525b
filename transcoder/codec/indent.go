package codec

// Pretty JSON is made from the compact form afterwards: one walk over the
// text, which only has to tell strings from the rest. It keeps a count of
// levels and no stack, so no nesting is too deep for it.

// AppendIndented appends JSON that [Message.AppendJSON] or
// [Field.AppendJSON] made to dst with each field and element on a line of its
// own, two spaces further in than what it is in, and a space after each colon.
// What is empty stays {} or []. There is no line feed at the end. The two
// slices must not overlap.
//
// Of any other text that is valid JSON without white space it makes the same;
// what becomes of text that is not JSON is unspecified, but it never panics.
// Deeply nested JSON may grow by a large factor, which [IndentedLen] tells
// beforehand.
func AppendIndented(dst, json []byte) []byte {
	depth := 0
	for i := 0; i < len(json); {
		c := json[i]
		switch c {
		case '"':
			end := stringEnd(json, i)
			dst = append(dst, json[i:end]...)
			i = end
			continue
		case '{', '[':
			dst = append(dst, c)
			if i++; i < len(json) && json[i] == c+2 { // } or ]
				dst = append(dst, json[i])
				i++
				continue
			}
			depth++
			dst = appendLine(dst, depth)
			continue
		case '}', ']':
			depth = max(depth-1, 0)
			dst = append(appendLine(dst, depth), c)
		case ',':
			dst = appendLine(append(dst, c), depth)
		case ':':
			dst = append(dst, c, ' ')
		default:
			dst = append(dst, c)
		}
		i++
	}
	return dst
}

// IndentedLen is how many bytes [AppendIndented] appends.
func IndentedLen(json []byte) int {
	n, depth := len(json), 0
	for i := 0; i < len(json); i++ {
		switch c := json[i]; c {
		case '"':
			i = stringEnd(json, i) - 1
		case '{', '[':
			if i+1 < len(json) && json[i+1] == c+2 {
				i++
				continue
			}
			depth++
			n += 1 + 2*depth
		case '}', ']':
			depth = max(depth-1, 0)
			n += 1 + 2*depth
		case ',':
			n += 1 + 2*depth
		case ':':
			n++
		}
	}
	return n
}

const (
	lineOfSpaces = "\n                                                                "
	widest       = (len(lineOfSpaces) - 1) / 2
)

func appendLine(dst []byte, depth int) []byte {
	dst = append(dst, lineOfSpaces[:1+2*min(depth, widest)]...)
	for depth -= widest; depth > 0; depth -= widest {
		dst = append(dst, lineOfSpaces[1:1+2*min(depth, widest)]...)
	}
	return dst
}

// stringEnd is the position behind the string that begins at i, the end of the
// text if it has no end.
func stringEnd(json []byte, i int) int {
	for i++; i < len(json); i++ {
		n, _ := plain(json[i:])
		if i += n; i >= len(json) {
			break
		}
		switch json[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(json)
}
