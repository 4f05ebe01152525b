package body

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// encoder writes JSON. Values may share parts, so that what is small in memory may
// be huge as text: the length is checked before anything is appended.
type encoder struct {
	dst []byte
	// most is how long dst may become.
	most   int
	depth  int
	limits Limits
	// members are those of the objects that are open.
	members []member
}

type member struct {
	key   string
	value any
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

func appendJSON(dst []byte, v any, l Limits) ([]byte, error) {
	e := encoders.Get().(*encoder)
	defer e.release()
	e.dst, e.depth, e.limits = dst, l.depth(), l
	if e.most = len(dst) + l.bytes(); e.most < 0 {
		e.most = math.MaxInt
	}
	if err := e.value(v); err != nil {
		return nil, err
	}
	return e.dst, nil
}

func (e *encoder) release() {
	clear(e.members)
	members := e.members[:0]
	if cap(members) > maxKept {
		members = nil
	}
	*e = encoder{members: members}
	encoders.Put(e)
}

func (e *encoder) value(v any) error {
	switch v := v.(type) {
	case nil:
		return e.raw("null")
	case bool:
		if v {
			return e.raw("true")
		}
		return e.raw("false")
	case string:
		return e.string(v)
	case map[string]any:
		return e.object(v)
	case []any:
		return e.array(v)
	default:
		least := 1
		switch v := v.(type) {
		case *big.Int:
			least = v.BitLen() / 4 // a digit is less than four bits
		case json.Number:
			least = len(v)
		}
		err := e.room(least)
		if err != nil {
			return err
		}
		if e.dst, err = appendNumber(e.dst, v); err != nil {
			return err
		}
		return e.room(0)
	}
}

// appendNumber appends a number as gojq prints it.
func appendNumber(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case float64:
		return appendFloat(dst, v), nil
	case *big.Int:
		return v.Append(dst, 10), nil
	case json.Number:
		if !isNumber(string(v)) {
			return dst, &ValueError{Message: fmt.Sprintf("%.40q is not a number in JSON", string(v))}
		}
		return append(dst, v...), nil
	default:
		return dst, &ValueError{Message: fmt.Sprintf("a value of type %T has no form in JSON", v)}
	}
}

func isNumber(text string) bool {
	if text == "" {
		return false
	}
	next, _, _, _ := number(view(text), 0)
	return next == len(text)
}

func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) {
		return append(dst, "null"...)
	}
	f = min(max(f, -math.MaxFloat64), math.MaxFloat64)
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if n := len(dst); format == 'e' && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // 1e-07 is written 1e-7
		dst = dst[:n-1]
	}
	return dst
}

func (e *encoder) object(object map[string]any) error {
	if err := e.enter(); err != nil {
		return err
	}
	base := len(e.members)
	for key, value := range object {
		e.members = append(e.members, member{key, value})
	}
	sortMembers(e.members[base:])
	if err := e.raw("{"); err != nil {
		return err
	}
	// By index: what is below may move the members.
	for i := base; i < base+len(object); i++ {
		if i > base {
			e.dst = append(e.dst, ',')
		}
		if err := e.string(e.members[i].key); err != nil {
			return err
		}
		e.dst = append(e.dst, ':')
		if err := e.value(e.members[i].value); err != nil {
			return err
		}
	}
	clear(e.members[base:])
	e.members = e.members[:base]
	e.depth++
	return e.raw("}")
}

func (e *encoder) array(array []any) error {
	if err := e.enter(); err != nil {
		return err
	}
	if err := e.raw("["); err != nil {
		return err
	}
	for i, v := range array {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		if err := e.value(v); err != nil {
			return err
		}
	}
	e.depth++
	return e.raw("]")
}

// sortMembers sorts by name. Most objects are small, where insertion is fastest.
func sortMembers(members []member) {
	if len(members) > 16 {
		slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
		return
	}
	for i := 1; i < len(members); i++ {
		m, k := members[i], i
		for ; k > 0 && m.key < members[k-1].key; k-- {
			members[k] = members[k-1]
		}
		members[k] = m
	}
}

func (e *encoder) string(s string) error {
	if err := e.room(len(s) + 2); err != nil {
		return err
	}
	e.dst = append(e.dst, '"')
	for {
		n, ascii := run(view(s))
		if part := s[:n]; ascii {
			e.dst = append(e.dst, part...)
		} else {
			e.dst = appendUTF8(e.dst, part)
		}
		if s = s[n:]; s == "" {
			break
		}
		e.dst = appendEscaped(e.dst, s[0])
		s = s[1:]
		if err := e.room(0); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, '"')
	return e.room(0)
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		const digits = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
}

// raw appends text that JSON has for a value.
func (e *encoder) raw(text string) error {
	if err := e.room(len(text)); err != nil {
		return err
	}
	e.dst = append(e.dst, text...)
	return nil
}

// room reports an error if there is none for n more bytes.
func (e *encoder) room(n int) error {
	if n > e.most-len(e.dst) {
		return e.tooLong()
	}
	return nil
}

func (e *encoder) tooLong() error { return &LimitError{Limit: LimitBytes, Max: e.limits.Bytes} }

func (e *encoder) enter() error {
	if e.depth--; e.depth < 0 {
		return &LimitError{Limit: LimitDepth, Max: e.limits.depth()}
	}
	return nil
}
