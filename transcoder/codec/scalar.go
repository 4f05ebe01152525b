package codec

import (
	"encoding/base64"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Scalars, JSON → wire. Numbers may stand in quotes, and an integer may be
// spelled as any number that is whole.

// number parses a value that is not length-delimited, of f's kind, and returns
// it as it is encoded. i is not at the end.
func (p *parser) number(f *Field, i int) (v uint64, next int) {
	in := p.in
	switch f.kind {
	case protoreflect.BoolKind:
		switch in[i] {
		case 't':
			return 1, p.literal(i, "true")
		case 'f':
			return 0, p.literal(i, "false")
		}
		return 0, p.mismatch(i, "true or false")
	case protoreflect.EnumKind:
		return p.enum(f.enum, i)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return p.float(f.kind, i)
	}
	// A short whole number, quoted or not, in one go.
	j := i
	quoted := in[j] == '"'
	if quoted {
		j++
	}
	negative := j < len(in) && in[j] == '-'
	if negative {
		j++
	}
	start := j
	var n uint64
	for j < len(in) && in[j]-'0' <= 9 {
		n = n*10 + uint64(in[j]-'0')
		j++
	}
	if digits := j - start; digits > 0 && digits <= 19 && j < len(in) && (in[start] != '0' || digits == 1) {
		c := in[j]
		if quoted && c == '"' {
			j++
		}
		if quoted == (c == '"') && (quoted || delimits(c)) {
			v, ok := encodeInteger(f.kind, negative, n)
			if !ok {
				return 0, p.outOfRange(f, i)
			}
			return v, j
		}
	}
	return p.longInteger(f, i)
}

// longInteger parses every spelling of an integer.
func (p *parser) longInteger(f *Field, i int) (v uint64, next int) {
	number, d, next := p.numberText(i, "an integer")
	if next < 0 {
		return 0, next
	}
	n, ok, fits := integer(number, d)
	if !ok {
		return 0, p.fail(KindType, i, "got %s, expected an integer", p.show(i))
	}
	if fits {
		if v, ok = encodeInteger(f.kind, d.negative, n); ok {
			return v, next
		}
	}
	return 0, p.outOfRange(f, i)
}

// numberText is the number at i, which may be in quotes.
func (p *parser) numberText(i int, want string) (number []byte, d decimal, next int) {
	switch c := p.in[i]; {
	case c == '"':
		if number, next = p.stringValue(i); next < 0 {
			return nil, d, next
		}
		d, n := scanNumber(number)
		if n == 0 || n != len(number) {
			return nil, d, p.mismatch(i, want)
		}
		return number, d, next
	case c == '-' || c-'0' <= 9:
		d, n := scanNumber(p.in[i:])
		if n == 0 {
			return nil, d, p.fail(KindSyntax, i, "%s is not a JSON number", p.show(i))
		}
		return p.in[i : i+n], d, i + n
	}
	return nil, d, p.mismatch(i, want)
}

func (p *parser) float(kind protoreflect.Kind, i int) (v uint64, next int) {
	if p.in[i] == '"' {
		if name, next := p.stringValue(i); next >= 0 {
			if v, ok := namedFloat(kind, name); ok {
				return v, next
			}
		}
	}
	number, d, next := p.numberText(i, `a number, "NaN", "Infinity" or "-Infinity"`)
	if next < 0 {
		return 0, next
	}
	v, ok := encodeFloat(kind, number, d)
	if !ok {
		return 0, p.fail(KindRange, i, "%s is out of the range of a %s", p.show(i), kind)
	}
	return v, next
}

func (p *parser) enum(e *enum, i int) (v uint64, next int) {
	switch c := p.in[i]; {
	case c == '"':
		name, next := p.stringValue(i)
		if next < 0 {
			return 0, next
		}
		n, ok := e.byName[string(name)]
		if !ok {
			if p.options.FoldEnums {
				n, ok = e.foldedNumber(name)
			}
			if !ok {
				return 0, p.unknownEnum(e, i, name)
			}
		}
		return uint64(int64(n)), next
	case c == '-' || c-'0' <= 9:
		number, d, next := p.numberText(i, "")
		if next < 0 {
			return 0, next
		}
		n, ok, fits := integer(number, d)
		if !ok {
			return 0, p.fail(KindType, i, "got %s, expected the name or number of a value of %s", p.show(i), e.name)
		}
		if v, ok = encodeInteger(protoreflect.EnumKind, d.negative, n); !ok || !fits {
			return 0, p.fail(KindRange, i, "%s is out of the range of an enum", p.show(i))
		}
		return v, next
	case c == 'n' && e.null:
		return 0, p.literal(i, "null")
	}
	return 0, p.mismatch(i, "the name or number of a value of "+string(e.name))
}

var (
	stdUnpadded = base64.RawStdEncoding
	urlUnpadded = base64.RawURLEncoding
)

// decodeBase64 appends what s means in either alphabet, with or without
// padding.
func decodeBase64(dst, s []byte) ([]byte, error) {
	padded := len(s)%4 == 0
	url := strings.ContainsAny(text(s), "-_")
	enc := base64.StdEncoding
	switch {
	case url && padded:
		enc = base64.URLEncoding
	case url:
		enc = urlUnpadded
	case !padded:
		enc = stdUnpadded
	}
	return enc.AppendDecode(dst, s)
}

func (p *parser) bytes(f *Field, i int) int {
	if p.in[i] != '"' {
		return p.mismatch(i, "a string in base64")
	}
	s, next := p.stringValue(i)
	if next < 0 || len(s) == 0 && f.implicit {
		return next
	}
	start := len(p.out)
	p.out = append(p.out, f.tag...)
	m := p.open()
	out, err := decodeBase64(p.out, s)
	if err != nil {
		return p.fail(KindBase64, i, "%s is not base64: %v", p.show(i), err)
	}
	p.out = out
	if len(out) == m.start && f.implicit { // nothing but line breaks
		p.out = out[:start]
		return next
	}
	p.close(m)
	return next
}
