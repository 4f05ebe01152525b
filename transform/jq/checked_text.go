package jq

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// toString is the text of a value: of a string, the string.
func (r *budget) toString(v any) (string, bool) {
	if s, ok := v.(string); ok {
		return s, true
	}
	return r.toJSON(v)
}

// toJSON is a value as JSON, in gojq's manner: keys in order, no more escapes than
// are needed. It ends when there is more than may be made.
func (r *budget) toJSON(v any) (string, bool) {
	e := encoder{run: r, most: math.MaxInt}
	if r.limits.Memory > 0 {
		e.most = int(r.left)
	}
	if !e.value(v, 0) || !r.charge(2*len(e.out)) {
		return "", false
	}
	return string(e.out), true
}

type encoder struct {
	run  *budget
	out  []byte
	most int
}

func (e *encoder) value(v any, depth int) bool {
	if len(e.out) > e.most/2 {
		return e.run.charge(math.MaxInt)
	}
	if !e.run.work(1) || !e.run.deep(depth) {
		return false
	}
	switch v := v.(type) {
	case nil:
		e.out = append(e.out, "null"...)
	case bool:
		e.out = strconv.AppendBool(e.out, v)
	case int:
		e.out = strconv.AppendInt(e.out, int64(v), 10)
	case float64:
		e.float(v)
	case *big.Int:
		if !e.run.work(v.BitLen() / 8) {
			return false
		}
		e.out = v.Append(e.out, 10)
	case json.Number:
		return e.room(len(v)) && e.add(string(v))
	case string:
		return e.text(v)
	case []any:
		e.out = append(e.out, '[')
		for i, x := range v {
			if i > 0 {
				e.out = append(e.out, ',')
			}
			if !e.value(x, depth+1) {
				return false
			}
		}
		e.out = append(e.out, ']')
	case map[string]any:
		return e.object(v, depth)
	default:
		panic(fmt.Sprintf("a value of type %T", v))
	}
	return true
}

func (e *encoder) object(v map[string]any, depth int) bool {
	if !e.run.fits(sizeValue*len(v)) || !e.run.work(8*len(v)) {
		return false
	}
	e.out = append(e.out, '{')
	for i, key := range slices.Sorted(maps.Keys(v)) {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if !e.text(key) {
			return false
		}
		e.out = append(e.out, ':')
		if !e.value(v[key], depth+1) {
			return false
		}
	}
	e.out = append(e.out, '}')
	return true
}

func (e *encoder) add(s string) bool {
	e.out = append(e.out, s...)
	return true
}

// room reports whether n bytes more may be written.
func (e *encoder) room(n int) bool {
	if n > e.most/2-len(e.out) {
		return e.run.charge(math.MaxInt)
	}
	return e.run.work(n >> 5)
}

func (e *encoder) float(f float64) {
	if math.IsNaN(f) {
		e.out = append(e.out, "null"...)
		return
	}
	f = min(max(f, -math.MaxFloat64), math.MaxFloat64)
	format := byte('f')
	if a := math.Abs(f); a != 0 && a < 1e-6 || a >= 1e21 {
		format = 'e'
	}
	start := len(e.out)
	e.out = strconv.AppendFloat(e.out, f, format, -1, 64)
	// 1e-09 is 1e-9 in JSON as jq writes it.
	if text := e.out[start:]; format == 'e' && len(text) > 4 && string(text[len(text)-4:len(text)-1]) == "e-0" {
		e.out = append(e.out[:len(e.out)-2], e.out[len(e.out)-1])
	}
}

func (e *encoder) text(s string) bool {
	if !e.room(len(s)) {
		return false
	}
	const hex = "0123456789abcdef"
	e.out = append(e.out, '"')
	for i := 0; i < len(s); {
		b := s[i]
		if b >= utf8.RuneSelf {
			c, n := utf8.DecodeRuneInString(s[i:])
			if c == utf8.RuneError && n == 1 {
				e.out = append(e.out, `\ufffd`...)
			} else {
				e.out = append(e.out, s[i:i+n]...)
			}
			i += n
			continue
		}
		i++
		if b >= ' ' && b <= '~' && b != '"' && b != '\\' {
			e.out = append(e.out, b)
			continue
		}
		if short := strings.IndexByte("\"\\\b\f\n\r\t", b); short >= 0 {
			e.out = append(e.out, '\\', `"\bfnrt`[short])
			continue
		}
		e.out = append(e.out, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		if len(e.out) > e.most/2 {
			return e.run.charge(math.MaxInt)
		}
	}
	e.out = append(e.out, '"')
	return true
}

func (r *budget) toNumber(v any) any {
	if s, ok := v.(string); ok && len(s) > longestNumber {
		return r.long(json.Number(s))
	}
	return unchecked("tonumber", v)
}

// fromJSON reads JSON. What it makes is reckoned from the text before.
func (r *budget) fromJSON(v any) any {
	s, ok := v.(string)
	if !ok {
		return unchecked("fromjson", v)
	}
	size, digits := 2*len(s), 0
	quoted := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quoted && c == '\\':
			i++
			continue
		case c == '"':
			quoted = !quoted
		case quoted:
			continue
		case c == '{':
			size += sizeObject(1)
		case c == '[':
			size += sizeArray + sizeValue
		case c == ',':
			size += 3 * sizeItem
		}
		if c >= '0' && c <= '9' && !quoted {
			if digits++; digits > longestNumber {
				return errors.New("fromjson: a number is too long")
			}
		} else {
			digits = 0
		}
	}
	if !r.charge(size) || !r.work(2*len(s)) {
		return errOver
	}
	return unchecked("fromjson", s)
}

// format is @name, with the name as a value.
func (r *budget) format(v, x any) any {
	name, ok := x.(string)
	if !ok {
		return unchecked("format", v, x)
	}
	switch name {
	case "text":
		return r.result(r.toString(v))
	case "json":
		return r.result(r.toJSON(v))
	case "csv", "tsv", "sh":
		return r.row("_to"+name, v)
	case "html", "uri", "urid", "base64", "base64d":
		return r.escaped("_to"+name, v)
	}
	return unchecked("format", nil, x)
}

// expansion is how many bytes an escaped string can have.
func expansion(native, s string) int {
	switch native {
	case "_tohtml":
		return len(s) + 5*countAny(s, `<>&'"`)
	case "_touri":
		return 3*len(s) + 3*len(s) // gojq makes it twice
	case "_tobase64":
		return len(s) + len(s)/3*4 + 4
	case "_tosh":
		return len(s) + 2 + 4*countAny(s, "'\x00")
	case "_tocsv", "_totsv":
		return 2*len(s) + 2
	}
	return 2 * len(s)
}

func countAny(s, chars string) (n int) {
	for i := range len(chars) {
		n += strings.Count(s, chars[i:i+1])
	}
	return n
}

// escaped is the text of a value as a native writes it.
func (r *budget) escaped(native string, v any) any {
	s, ok := r.toString(v)
	if !ok || !r.charge(expansion(native, s)) {
		return errOver
	}
	return unchecked(native, v)
}

// row is an array as a native joins it.
func (r *budget) row(native string, v any) any {
	cells, ok := v.([]any)
	if !ok {
		if cells = []any{v}; native != "_tosh" {
			return unchecked(native, v)
		}
	}
	size := 0
	for _, cell := range cells {
		if !r.work(1) {
			return errOver
		}
		switch c := cell.(type) {
		case string:
			size += expansion(native, c)
		case *big.Int:
			size += c.BitLen()
		case json.Number:
			size += len(c)
		case []any, map[string]any:
			return unchecked(native, v)
		default:
			size += 32
		}
		if size > math.MaxInt/4 {
			break
		}
	}
	if !r.charges(size, 2) || !r.charges(len(cells), sizeValue) {
		return errOver
	}
	return unchecked(native, v)
}

func (r *budget) explode(v any) any {
	s, ok := v.(string)
	if !ok {
		return unchecked("explode", v)
	}
	n := utf8.RuneCountInString(s)
	if !r.charges(n, sizeValue+8) {
		return errOver
	}
	out := make([]any, 0, n)
	for _, c := range s {
		out = append(out, int(c))
	}
	return out
}

func (r *budget) implode(v any) any {
	a, ok := v.([]any)
	if ok && !r.charges(len(a), 2*utf8.UTFMax) {
		return errOver
	}
	if err := r.anyLong(v); err != nil {
		return err
	}
	return unchecked("implode", v)
}

func (r *budget) split(v, x any) any {
	s, ok := v.(string)
	sep, both := x.(string)
	if !ok || !both {
		return unchecked("split", v, x)
	}
	if s == "" {
		return []any{}
	}
	n := strings.Count(s, sep) + 1
	if !r.charges(n, 2*sizeValue) || !r.work(len(s)>>4) {
		return errOver
	}
	out := make([]any, 0, n)
	for part := range strings.SplitSeq(s, sep) {
		out = append(out, part)
	}
	return out
}

func (r *budget) join(v, x any) any {
	size, count, ok := r.elements(v)
	if !ok || !r.charges(max(count-1, 0), sizeOf(x)) || !r.charges(size, 2) || !r.charges(count, sizeItem) {
		return errOver
	}
	if a, ok := v.([]any); ok {
		if text, ok := joined(a, x); ok {
			return text
		}
	}
	if err := r.anyLong(v); err != nil {
		return err
	}
	return unchecked("join", v, x)
}

// joined is the join of strings by a string, if they are.
func joined(a []any, x any) (string, bool) {
	sep, ok := x.(string)
	if !ok || len(a) == 0 {
		return "", false
	}
	var b strings.Builder
	for i, e := range a {
		s, ok := e.(string)
		if !ok {
			return "", false
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(s)
	}
	return b.String(), true
}

// sameSize is a native that makes a string of no more bytes.
func (r *budget) sameSize(native string, v any) any {
	if s, ok := v.(string); ok {
		if !r.charge(len(s)) {
			return errOver
		}
		switch {
		case !ascii(s):
		case native == "ascii_downcase":
			return strings.ToLower(s)
		case native == "ascii_upcase":
			return strings.ToUpper(s)
		}
	}
	return unchecked(native, v)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// widestTime is the most that a directive of a time format writes.
const widestTime = 1024

func (r *budget) formatTime(native string, v, x any) any {
	if format, ok := x.(string); ok && !r.charge(len(format)+widestTime*strings.Count(format, "%")) {
		return errOver
	}
	return r.ofTime(native, v, x)
}

// ofTime is a native that takes a number, or an array of them.
func (r *budget) ofTime(native string, v any, args ...any) any {
	if err, ok := r.numbers(v).(error); ok {
		return err
	}
	if s, ok := v.(string); ok && !r.work(len(s)) {
		return errOver
	}
	if gojq.TypeOf(v) == "array" && !r.charge(sizeArray) {
		return errOver
	}
	return unchecked(native, v, args...)
}
