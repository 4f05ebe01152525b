package codec

import (
	"bytes"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// The well-known types, JSON → wire. What their values mean is in functions of
// their own, which text in a path or a query shares.

const (
	maxNanos            = 999_999_999
	minTimestampSeconds = -62_135_596_800 // 0001-01-01T00:00:00Z
	maxTimestampSeconds = 253_402_300_799 // 9999-12-31T23:59:59Z
	maxDurationSeconds  = 315_576_000_000
)

// wellKnownFields are the fields that the code relies on in the types that it
// treats specially; everything else about them comes from their descriptors.
var wellKnownFields = map[form][]protoreflect.Kind{
	formAny:       {protoreflect.StringKind, protoreflect.BytesKind},
	formTimestamp: {protoreflect.Int64Kind, protoreflect.Int32Kind},
	formDuration:  {protoreflect.Int64Kind, protoreflect.Int32Kind},
	formFieldMask: {protoreflect.StringKind},
	formStruct:    {protoreflect.MessageKind},
	formListValue: {protoreflect.MessageKind},
	formValue: {protoreflect.EnumKind, protoreflect.DoubleKind, protoreflect.StringKind, protoreflect.BoolKind,
		protoreflect.MessageKind, protoreflect.MessageKind},
}

// genuine reports whether m, which has the name of a well-known type, also has
// its fields.
func (m *Message) genuine() bool {
	for i, kind := range wellKnownFields[m.form] {
		f := m.field(uint32(i + 1))
		if f == nil || f.kind != kind {
			return false
		}
	}
	switch f := m.field(1); m.form {
	case formWrapper:
		return f != nil && f.shape == shapeOne && f.sub == nil && f.kind != protoreflect.EnumKind
	case formFieldMask:
		return f.shape == shapeList
	case formStruct:
		return f.shape == shapeMap && f.mapKey.kind == protoreflect.StringKind
	case formListValue:
		return f.shape == shapeList
	case formValue:
		return m.field(5).sub.form == formStruct && m.field(6).sub.form == formListValue
	}
	return true
}

// wellKnown parses a value in the special form of m and appends its content.
func (p *parser) wellKnown(m *Message, i int, w *watchNode) int {
	start := len(p.out)
	at := i
	limit := p.moveLimit
	if w != nil { // what is written is looked at, so no length may be missing in it
		p.moveAll()
	}
	switch m.form {
	case formTimestamp, formDuration, formFieldMask:
		i = p.wellKnownString(m, i)
	case formWrapper:
		if i >= len(p.in) {
			return p.syntax(i, "a value")
		}
		i = p.value(m.field(1), i, nil)
	case formStruct:
		i = p.mapValue(m.field(1), i)
	case formListValue:
		i = p.list(m.field(1), i)
	case formValue:
		i = p.anyJSON(m, i)
	case formAny:
		i = p.any(m, i)
	default:
		i = p.object(m, i, nil, false)
	}
	p.moveLimit = limit
	if w != nil && i >= 0 {
		return p.verify(w, at, start, i)
	}
	return i
}

// anyJSON parses any JSON value as a google.protobuf.Value.
func (p *parser) anyJSON(m *Message, i int) int {
	switch c := p.peek(i); {
	case c == 'n':
		p.out = append(p.out, 0x08, 0x00)
		return p.literal(i, "null")
	case c == '-' || '0' <= c && c <= '9':
		return p.value(m.field(2), i, nil)
	case c == '"':
		return p.value(m.field(3), i, nil)
	case c == 't' || c == 'f':
		return p.value(m.field(4), i, nil)
	case c == '{':
		f := m.field(5)
		p.out = append(p.out, f.tag...)
		body := p.open()
		if i = p.mapValue(f.sub.field(1), i); i >= 0 {
			p.close(body)
		}
		return i
	case c == '[':
		f := m.field(6)
		p.out = append(p.out, f.tag...)
		body := p.open()
		if i = p.list(f.sub.field(1), i); i >= 0 {
			p.close(body)
		}
		return i
	}
	return p.syntax(i, "a value")
}

var stringForms = map[form]string{
	formTimestamp: `a time such as "2006-01-02T15:04:05.5Z"`,
	formDuration:  `a duration in seconds such as "1.5s"`,
	formFieldMask: `field paths such as "title,author.givenName"`,
}

func (p *parser) wellKnownString(m *Message, i int) int {
	if p.peek(i) != '"' {
		return p.mismatch(i, stringForms[m.form])
	}
	s, next := p.stringValue(i)
	if next < 0 {
		return next
	}
	out, verdict := appendStringForm(p.out, m.form, s, false)
	switch verdict {
	case textBad:
		return p.fail(KindType, i, "got %s, expected %s", p.show(i), stringForms[m.form])
	case textRange:
		return p.fail(KindRange, i, "%s is out of the range of a %s", p.show(i), m.name)
	}
	p.out = out
	return next
}

// verdict is what is wrong with a value given as text.
type verdict uint8

const (
	textGood verdict = iota
	textBad
	textRange
)

// appendStringForm appends the content of the message that s means in the form
// of a Timestamp, Duration or FieldMask. snake allows paths of a mask to be
// spelled as in the .proto file, too.
func appendStringForm(dst []byte, form form, s []byte, snake bool) ([]byte, verdict) {
	var seconds int64
	var nanos int32
	var v verdict
	switch form {
	case formTimestamp:
		seconds, nanos, v = parseTimestamp(s)
	case formDuration:
		seconds, nanos, v = parseDuration(s)
	default:
		return appendMask(dst, s, snake)
	}
	if v != textGood {
		return dst, v
	}
	if seconds != 0 {
		dst = append(dst, 0x08)
		dst = appendVarint(dst, uint64(seconds))
	}
	if nanos != 0 {
		dst = append(dst, 0x10)
		dst = appendVarint(dst, uint64(int64(nanos)))
	}
	return dst, textGood
}

// two is the number that two digits at b[i:] spell, or something huge.
func two(b []byte, i int) int {
	a, c := b[i]-'0', b[i+1]-'0'
	if a > 9 || c > 9 {
		return 1 << 20
	}
	return int(a)*10 + int(c)
}

// parseTimestamp reads RFC 3339. The usual spellings are read by hand, the
// unusual ones, and all doubt, are left to package time, whose opinion counts
// in the referee, too.
func parseTimestamp(s []byte) (seconds int64, nanos int32, v verdict) {
	seconds, nanos, ok := plainTimestamp(s)
	if !ok {
		t, err := time.Parse(time.RFC3339Nano, string(s))
		if err != nil {
			return 0, 0, textBad
		}
		seconds, nanos = t.Unix(), int32(t.Nanosecond())
		dot, zone := bytes.LastIndexByte(s, '.'), bytes.LastIndexAny(s, "Z-+")
		if dot >= 0 && zone >= dot && zone-dot > len(".999999999") {
			if seconds >= minTimestampSeconds && seconds <= maxTimestampSeconds {
				return 0, 0, textBad
			}
		}
	}
	if seconds < minTimestampSeconds || seconds > maxTimestampSeconds {
		return 0, 0, textRange
	}
	return seconds, nanos, textGood
}

func plainTimestamp(s []byte) (seconds int64, nanos int32, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, 0, false
	}
	year := two(s, 0)*100 + two(s, 2)
	month, day := two(s, 5), two(s, 8)
	hour, minute, second := two(s, 11), two(s, 14), two(s, 17)
	if year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return 0, 0, false
	}
	i := 19
	if s[i] == '.' {
		scale := int32(100_000_000)
		for i++; i < len(s) && s[i]-'0' <= 9; i++ {
			nanos += int32(s[i]-'0') * scale
			scale /= 10
		}
		if i == 20 || i > 29 {
			return 0, 0, false
		}
	}
	seconds = daysFromCivil(year, month, day)*86400 + int64(hour*3600+minute*60+second)
	switch zone := s[i:]; {
	case len(zone) == 1 && zone[0] == 'Z':
		return seconds, nanos, true
	case len(zone) == 6 && zone[3] == ':' && (zone[0] == '+' || zone[0] == '-'):
		h, m := two(zone, 1), two(zone, 4)
		if h > 23 || m > 59 {
			return 0, 0, false
		}
		offset := int64(h*3600 + m*60)
		if zone[0] == '+' {
			offset = -offset
		}
		return seconds + offset, nanos, true
	}
	return 0, 0, false
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysFromCivil is the number of days from 1970-01-01 to a day of the
// Gregorian calendar. Years are taken to begin in March, so that a leap day is
// the last of its year, and to come in eras of 400 years, which are all alike.
func daysFromCivil(year, month, day int) int64 {
	month -= 3
	if month < 0 {
		month += 12
		year--
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yearOfEra := year - era*400
	dayOfYear := (153*month+2)/5 + day - 1
	return int64(era)*146097 + int64(yearOfEra*365+yearOfEra/4-yearOfEra/100+dayOfYear) - 719468
}

// civilFromDays is the inverse of daysFromCivil.
func civilFromDays(days int64) (year, month, day int) {
	days += 719468
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	dayOfEra := int(days - era*146097)
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month = (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*month+2)/5 + 1
	year = yearOfEra + int(era)*400
	if month += 3; month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// parseDuration reads [+-]seconds[.fraction]s, where one of the two parts may
// lack its digits.
func parseDuration(s []byte) (seconds int64, nanos int32, v verdict) {
	if len(s) < 2 || s[len(s)-1] != 's' {
		return 0, 0, textBad
	}
	s = s[:len(s)-1]
	negative := s[0] == '-'
	if negative || s[0] == '+' {
		s = s[1:]
	}
	if len(s) == 0 {
		return 0, 0, textBad
	}
	i := 0
	overflow := false
	for i < len(s) && s[i]-'0' <= 9 {
		if seconds > (1<<63-10)/10 {
			overflow = true
		} else {
			seconds = seconds*10 + int64(s[i]-'0')
		}
		i++
	}
	if i > 1 && s[0] == '0' {
		return 0, 0, textBad
	}
	if i < len(s) {
		if s[i] != '.' {
			return 0, 0, textBad
		}
		scale := int32(100_000_000)
		point := i
		for i++; i < len(s) && i-point <= 9 && s[i]-'0' <= 9; i++ {
			nanos += int32(s[i]-'0') * scale
			scale /= 10
		}
		if i < len(s) {
			return 0, 0, textBad
		}
	}
	if overflow || seconds > maxDurationSeconds {
		return 0, 0, textRange
	}
	if negative {
		return -seconds, -nanos, textGood
	}
	return seconds, nanos, textGood
}

// appendMask appends the paths of a FieldMask.
func appendMask(dst, s []byte, snake bool) ([]byte, verdict) {
	s = bytes.TrimSpace(s)
	for more := len(s) > 0; more; {
		var path []byte
		path, s, more = bytes.Cut(s, []byte{','})
		upper := 0
		for _, c := range path {
			if 'A' <= c && c <= 'Z' {
				upper++
			}
		}
		// A name of the .proto file is not mixed with the other kind.
		if underscored := bytes.IndexByte(path, '_') >= 0; underscored && (!snake || upper > 0) || !validPath(path) {
			return dst, textBad
		}
		dst = append(dst, 0x0a)
		dst = appendVarint(dst, uint64(len(path)+upper))
		for _, c := range path {
			if 'A' <= c && c <= 'Z' {
				dst = append(dst, '_', c+'a'-'A')
			} else {
				dst = append(dst, c)
			}
		}
	}
	return dst, textGood
}

// validPath reports whether path is a chain of names joined by dots.
func validPath(path []byte) bool {
	first := true
	for _, c := range path {
		switch {
		case c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			first = false
		case '0' <= c && c <= '9' && !first:
		case c == '.' && !first:
			first = true
		default:
			return false
		}
	}
	return !first
}

// appendVarint is protowire.AppendVarint for numbers that are mostly small.
func appendVarint(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// typeName is the part of a type URL that names the type.
func typeName(url []byte) []byte {
	return url[strings.LastIndexByte(text(url), '/')+1:]
}
