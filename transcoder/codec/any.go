package codec

import "google.golang.org/protobuf/reflect/protoreflect"

// google.protobuf.Any, JSON → wire. Its "@type" says how to read the rest, but
// may come last, so the object is gone through once to find it; only where it
// comes first, as it mostly does, that is saved.

// maxRescan bounds how much may be read twice, as a multiple of the input:
// Anys within Anys that all have their type last would otherwise cost depth
// times size.
const maxRescan = 16

func (p *parser) any(m *Message, i int) int {
	start := i
	if p.peek(i) != '{' {
		return p.mismatch(i, `an object with a "@type"`)
	}
	if i = p.space(i + 1); p.peek(i) == '}' {
		return i + 1
	}
	typeAt, urlAt := p.findType(start, i)
	if urlAt < 0 {
		return urlAt
	}
	if urlAt == 0 {
		return p.untyped(i)
	}
	url, _ := p.stringValue(urlAt)
	if len(url) == 0 {
		return p.typeFailure(typeAt, p.fail(KindType, urlAt, `"@type" is empty, expected the URL of a type`))
	}
	sub := m.codec.messages[protoreflect.FullName(text(typeName(url)))]
	if sub == nil {
		return p.typeFailure(typeAt, p.fail(KindUnknownType, urlAt, "the schema has no message type %q", clip(typeName(url))))
	}
	p.out = append(p.out, 0x0a)
	p.out = appendVarint(p.out, uint64(len(url)))
	p.out = append(p.out, url...)

	p.out = append(p.out, 0x12)
	body := p.open()
	outer := p.typeAt
	p.typeAt = typeAt
	if p.depth--; p.depth < 0 {
		return p.tooDeep(start)
	}
	if sub.form == formObject || sub.form == formMessageSet {
		i = p.object(sub, start, nil, true)
	} else {
		i = p.anyValue(sub, i)
	}
	p.depth++
	p.typeAt = outer
	if i < 0 {
		return i
	}
	if len(p.out) == body.start {
		p.out = p.out[:body.start-2] // an empty value is the same as none
		return i
	}
	p.close(body)
	return i
}

func (p *parser) typeFailure(typeAt, i int) int {
	p.within(typeAt)
	return i
}

// findType finds "@type" in the object that begins at start, whose first key
// is at i, and the string that is its value. urlAt is 0 if there is none and
// that is no error.
func (p *parser) findType(start, i int) (typeAt, urlAt int) {
	typeAt, urlAt = -1, -1
	for first := true; ; first = false {
		if p.peek(i) != '"' {
			return -1, p.syntax(i, "a field name in quotes")
		}
		key := i
		name, next := p.stringValue(i)
		found := next >= 0 && string(name) == "@type"
		if i = next; i >= 0 {
			i = p.colon(i)
		}
		if i < 0 {
			return -1, i
		}
		if found {
			if typeAt >= 0 {
				return -1, p.typeFailure(key, p.fail(KindDuplicate, key, `"@type" is given twice`))
			}
			if p.in[i] != '"' {
				return -1, p.typeFailure(key, p.mismatch(i, "the URL of a type in a string"))
			}
			typeAt, urlAt = key, i
			if first {
				if _, _, i = p.stringToken(i); i < 0 {
					return -1, i
				}
				return typeAt, urlAt
			}
		}
		if i = p.skipValue(i, p.depth); i < 0 {
			return -1, i
		}
		switch i = p.space(i); p.peek(i) {
		case ',':
			i = p.space(i + 1)
		case '}':
			if urlAt < 0 {
				if p.options.IgnoreUnknown {
					return -1, 0
				}
				return -1, p.fail(KindType, start, `"@type" is missing, expected the URL of a type`)
			}
			if p.rescanned += i - start; p.rescanned > maxRescan*len(p.in) {
				return -1, p.fail(KindDepth, start, `messages nest too deep for their "@type" to come last, give it first`)
			}
			return typeAt, urlAt
		default:
			return -1, p.syntax(i, "a comma or }")
		}
	}
}

// anyValue parses the fields of an Any that holds a well-known type, the first
// of which is at i: next to its type there is "value" alone, and what is
// ignored.
func (p *parser) anyValue(m *Message, i int) int {
	seen := false
	for {
		if p.peek(i) != '"' {
			return p.syntax(i, "a field name in quotes")
		}
		key := i
		name, next := p.stringValue(i)
		if next < 0 {
			return next
		}
		switch string(name) {
		case "@type":
			if key != p.typeAt {
				return p.typeFailure(key, p.fail(KindDuplicate, key, `"@type" is given twice`))
			}
			if i = p.colon(next); i >= 0 {
				i = p.skipValue(i, p.depth)
			}
		case "value":
			if seen {
				return p.typeFailure(key, p.fail(KindDuplicate, key, `"value" is given twice`))
			}
			seen = true
			if i = p.colon(next); i >= 0 {
				i = p.wellKnown(m, i, nil)
			}
		default:
			if !p.options.IgnoreUnknown {
				return p.typeFailure(key, p.fail(KindUnknownField, key,
					`got the field %q, expected "value" with the JSON form of %s`, clip(name), m.name))
			}
			p.ignored(key)
			if i = p.colon(next); i >= 0 {
				i = p.skipValue(i, p.depth)
			}
		}
		if i < 0 {
			p.within(key)
			return i
		}
		switch i = p.space(i); p.peek(i) {
		case ',':
			i = p.space(i + 1)
		case '}':
			if !seen && m.form != formEmpty {
				return p.fail(KindType, i, `"value" is missing, expected it to have the JSON form of %s`, m.name)
			}
			return i + 1
		default:
			return p.syntax(i, "a comma or }")
		}
	}
}
