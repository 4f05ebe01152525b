package codec

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The well-known types, wire → JSON. They are read so that neither order nor
// splitting matters, so they never need the index.

// wellKnown appends a message in the special form of m.
func (p *printer) wellKnown(out []byte, m *Message, parts []span) ([]byte, bool) {
	switch m.form {
	case formTimestamp:
		return p.timestamp(out, m, parts)
	case formDuration:
		return p.duration(out, m, parts)
	case formFieldMask:
		return p.fieldMask(out, m, parts)
	case formStruct:
		return p.structValue(out, m, parts)
	case formListValue:
		return p.listValue(out, m, parts)
	case formValue:
		return p.anyJSON(out, m, parts)
	case formWrapper:
		return p.wrapper(out, m, parts)
	case formAny:
		return p.any(out, m, parts)
	}
	return out, p.fail(KindUnprintable, 0, "%s is a message set, which has no JSON form", m.name) >= 0
}

// known reads tags from i until one of a field of m; f is nil at the end.
func (p *printer) known(m *Message, i, end int) (f *Field, wire protowire.Type, next int) {
	for i < end {
		number, wire, next := p.tag(i, end)
		if next < 0 {
			return nil, 0, next
		}
		if f = m.field(number); f != nil && f.fits(wire) {
			return f, wire, next
		}
		if i = p.skip(number, wire, next, end); i < 0 {
			return nil, 0, i
		}
	}
	return nil, 0, end
}

// moment reads the seconds and nanos of a Timestamp or Duration.
func (p *printer) moment(m *Message, parts []span) (seconds int64, nanos int32, ok bool) {
	for _, c := range parts {
		for i := c.start; ; {
			f, _, next := p.known(m, i, c.end)
			if next < 0 {
				return 0, 0, false
			}
			if f == nil {
				break
			}
			var v uint64
			if f.wire != protowire.VarintType {
				i = p.skip(uint32(f.number), f.wire, next, c.end)
			} else if v, i = p.number(f, next, c.end); f.number == 1 {
				seconds = int64(v)
			} else if f.number == 2 {
				nanos = int32(v)
			}
			if i < 0 {
				return 0, 0, false
			}
		}
	}
	return seconds, nanos, true
}

func (p *printer) timestamp(out []byte, m *Message, parts []span) ([]byte, bool) {
	seconds, nanos, ok := p.moment(m, parts)
	if !ok {
		return out, false
	}
	if seconds < minTimestampSeconds || seconds > maxTimestampSeconds || nanos < 0 || nanos > maxNanos {
		return out, p.fail(KindUnprintable, parts[0].start,
			"the Timestamp of %d seconds and %d nanos is out of range", seconds, nanos) >= 0
	}
	days := seconds / 86400
	rest := int(seconds % 86400)
	if rest < 0 {
		rest += 86400
		days--
	}
	year, month, day := civilFromDays(days)
	out = append(out, '"')
	out = appendTwo(out, year/100)
	out = appendTwo(out, year%100)
	out = append(out, '-')
	out = appendTwo(out, month)
	out = append(out, '-')
	out = appendTwo(out, day)
	out = append(out, 'T')
	out = appendTwo(out, rest/3600)
	out = append(out, ':')
	out = appendTwo(out, rest/60%60)
	out = append(out, ':')
	out = appendTwo(out, rest%60)
	out = appendNanos(out, nanos)
	return append(out, 'Z', '"'), true
}

func appendTwo(out []byte, n int) []byte { return append(out, '0'+byte(n/10), '0'+byte(n%10)) }

// appendNanos appends a fraction of a second with 0, 3, 6 or 9 digits.
func appendNanos(out []byte, nanos int32) []byte {
	if nanos == 0 {
		return out
	}
	out = append(out, '.')
	digits := 9
	for ; nanos%1000 == 0; nanos /= 1000 {
		digits -= 3
	}
	at := len(out)
	for range digits {
		out = append(out, '0')
	}
	for i := at + digits - 1; i >= at; i-- {
		out[i] = '0' + byte(nanos%10)
		nanos /= 10
	}
	return out
}

func (p *printer) duration(out []byte, m *Message, parts []span) ([]byte, bool) {
	seconds, nanos, ok := p.moment(m, parts)
	if !ok {
		return out, false
	}
	if seconds < -maxDurationSeconds || seconds > maxDurationSeconds || nanos < -maxNanos || nanos > maxNanos ||
		seconds > 0 && nanos < 0 || seconds < 0 && nanos > 0 {
		return out, p.fail(KindUnprintable, parts[0].start,
			"the Duration of %d seconds and %d nanos is out of range or has two signs", seconds, nanos) >= 0
	}
	out = append(out, '"')
	if seconds < 0 || nanos < 0 {
		out = append(out, '-')
		seconds, nanos = -seconds, -nanos
	}
	out = strconv.AppendInt(out, seconds, 10)
	out = appendNanos(out, nanos)
	return append(out, 's', '"'), true
}

func (p *printer) fieldMask(out []byte, m *Message, parts []span) ([]byte, bool) {
	out = append(out, '"')
	for _, c := range parts {
		for i := c.start; ; {
			f, wire, next := p.known(m, i, c.end)
			if next < 0 {
				return out, false
			}
			if f == nil {
				break
			}
			if f.number != 1 {
				if i = p.checkValue(f, wire, next, c.end); i < 0 {
					return out, false
				}
				continue
			}
			start, after := p.length(next, c.end)
			if after < 0 {
				return out, false
			}
			if len(out) > p.limit {
				return out, p.tooLarge()
			}
			i = after
			path := p.in[start:after]
			if !validPath(path) {
				return out, p.fail(KindUnprintable, start, "%q is no path of a FieldMask", clip(path)) >= 0
			}
			if out[len(out)-1] != '"' {
				out = append(out, ',')
			}
			for j := 0; j < len(path); j++ {
				b := path[j]
				if b == '_' {
					if j++; j == len(path) || path[j] < 'a' || path[j] > 'z' {
						b = 'A'
					} else {
						out = append(out, path[j]-'a'+'A')
						continue
					}
				}
				if 'A' <= b && b <= 'Z' {
					return out, p.fail(KindUnprintable, start,
						"the path %q of a FieldMask would read back as another one", clip(path)) >= 0
				}
				out = append(out, b)
			}
		}
	}
	return append(out, '"'), true
}

func (p *printer) structValue(out []byte, m *Message, parts []span) ([]byte, bool) {
	base := len(p.entries)
	fields := m.field(1)
	for _, c := range parts {
		for i := c.start; ; {
			f, wire, next := p.known(m, i, c.end)
			if next < 0 {
				return out, false
			}
			if f == nil {
				break
			}
			if f != fields {
				i = p.checkValue(f, wire, next, c.end)
			} else {
				i = p.entry(f, next, c.end)
			}
			if i < 0 {
				return out, false
			}
		}
	}
	out, ok := p.mapEntries(out, fields, base)
	if !ok && p.err != nil { // the name "fields" is not part of the JSON
		p.err.Path = trimField(p.err.Path, fields)
	}
	return out, ok
}

// trimField takes the name of a field that JSON does not show off a path.
func trimField(path string, f *Field) string {
	if rest := path[min(len(f.jsonName), len(path)):]; rest != "" && rest[0] == '[' {
		return rest
	}
	return path
}

func (p *printer) listValue(out []byte, m *Message, parts []span) ([]byte, bool) {
	values := m.field(1)
	out = append(out, '[')
	n := 0
	for _, c := range parts {
		for i := c.start; ; {
			f, wire, next := p.known(m, i, c.end)
			if next < 0 {
				return out, false
			}
			if f == nil {
				break
			}
			if f != values {
				if i = p.checkValue(f, wire, next, c.end); i < 0 {
					return out, false
				}
				continue
			}
			if n > 0 {
				out = append(out, ',')
			}
			if out, i = p.element(out, f, next, c.end); i < 0 {
				if p.err != nil {
					p.err.Path = joinPath("["+strconv.Itoa(n)+"]", p.err.Path)
				}
				return out, false
			}
			n++
		}
	}
	return append(out, ']'), true
}

// anyJSON appends a google.protobuf.Value: the last member of its oneof, or if
// that is a message, all that came since another member.
func (p *printer) anyJSON(out []byte, m *Message, parts []span) ([]byte, bool) {
	var member *Field
	at, end, n := 0, 0, 0 // where its last value is, and how many there were
	base := len(p.spans)
	for _, c := range parts {
		for i := c.start; ; {
			f, wire, next := p.known(m, i, c.end)
			if next < 0 {
				return out, false
			}
			if f == nil {
				break
			}
			if n > 0 && !p.checkDropped(member, f, at, end) {
				return out, false
			}
			if f != member {
				p.spans = p.spans[:base]
			}
			member, at, end = f, next, c.end
			n++
			if f.sub == nil {
				i = p.skip(uint32(f.number), wire, next, c.end)
			} else {
				var part span
				if part, i = p.content(f, next, c.end); i >= 0 {
					p.spans = append(p.spans, part)
				}
			}
			if i < 0 {
				return out, false
			}
		}
	}
	if member == nil {
		start := 0
		if len(parts) > 0 {
			start = parts[0].start
		}
		return out, p.fail(KindUnprintable, start, "the Value has no kind set") >= 0
	}
	if member.sub != nil {
		out, ok := p.merged(out, member.sub, p.spans[base:])
		p.spans = p.spans[:base]
		return out, ok
	}
	start := len(out)
	out, next := p.element(out, member, at, end)
	if next >= 0 && member.kind == protoreflect.DoubleKind && out[start] == '"' {
		return out, p.fail(KindUnprintable, at, "the number of a Value is %s", out[start:]) >= 0
	}
	return out, next >= 0
}

// checkDropped checks the value of a member that another one replaces.
func (p *printer) checkDropped(member, by *Field, at, end int) bool {
	if member.sub != nil && member == by {
		return true // they are merged
	}
	return p.checkValue(member, member.wire, at, end) >= 0
}

func (p *printer) wrapper(out []byte, m *Message, parts []span) ([]byte, bool) {
	value := m.field(1)
	at, end := -1, 0
	for _, c := range parts {
		for i := c.start; ; {
			f, wire, next := p.known(m, i, c.end)
			if next < 0 {
				return out, false
			}
			if f == nil {
				break
			}
			if f == value {
				at, end = next, c.end
			}
			if i = p.checkValue(f, wire, next, c.end); i < 0 {
				return out, false
			}
		}
	}
	if at < 0 {
		return p.absent(out, value)
	}
	out, next := p.element(out, value, at, end)
	return out, next >= 0
}

// any appends a google.protobuf.Any: the message in it with its "@type".
func (p *printer) any(out []byte, m *Message, parts []span) ([]byte, bool) {
	var url, value span
	for _, c := range parts {
		for i := c.start; ; {
			f, wire, next := p.known(m, i, c.end)
			if next < 0 {
				return out, false
			}
			if f == nil {
				break
			}
			if i = p.checkValue(f, wire, next, c.end); i < 0 {
				return out, false
			}
			switch f.number {
			case 1:
				url.start, url.end = p.length(next, c.end)
			case 2:
				value.start, value.end = p.length(next, c.end)
			}
		}
	}
	if url.start == url.end {
		if value.start == value.end {
			return append(out, '{', '}'), true
		}
		return out, p.fail(KindUnprintable, value.start, "the Any has a value but no type") >= 0
	}
	name := typeName(p.in[url.start:url.end])
	sub := m.codec.messages[protoreflect.FullName(text(name))]
	if sub == nil {
		return out, p.fail(KindUnknownType, url.start, "the schema has no message type %q", clip(name)) >= 0
	}
	out = append(out, `{"@type":`...)
	out, ok := appendString(out, p.in[url.start:url.end])
	if !ok {
		return out, p.badUTF8(url.start) >= 0
	}
	switch {
	case sub.form != formObject && sub.form != formEmpty:
		out = append(out, `,"value":`...)
		out, ok = p.message(out, sub, value)
	default:
		if p.depth--; p.depth < 0 {
			return out, p.tooDeep(value.start)
		}
		if p.careful {
			one := [1]span{value}
			out, ok = p.indexed(out, sub, one[:])
		} else {
			out, ok = p.ordered(out, sub, value.start, value.end)
		}
		p.depth++
	}
	return append(out, '}'), ok
}
