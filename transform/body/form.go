package body

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// fields collects the fields of a form.
type fields struct {
	object map[string]any
	// several has the values of each name that occurred more than once.
	several map[string][]any
}

func (f *fields) add(name string, v any) {
	first, again := f.object[name]
	if !again {
		f.object[name] = v
		return
	}
	if f.several == nil {
		f.several = make(map[string][]any)
	}
	if f.several[name] == nil {
		f.several[name] = []any{first}
	}
	f.several[name] = append(f.several[name], v)
}

func (f *fields) value() map[string]any {
	for name, values := range f.several {
		f.object[name] = values
	}
	return f.object
}

// fieldMemory is what a field takes beside its text, by estimate.
const fieldMemory = 128

// decodeForm reads application/x-www-form-urlencoded as the URL Standard says
// (section 5.1), but that a bad escape is refused, and what is not UTF-8.
func decodeForm(data []byte, want jq.Paths, l Limits) (any, error) {
	f := fields{object: make(map[string]any)}
	memory := l.memory()
	var name, value []byte
	for i := 0; i <= len(data); {
		end := len(data)
		if k := bytes.IndexByte(data[i:], '&'); k >= 0 {
			end = i + k
		}
		pair := data[i:end]
		if len(pair) > 0 {
			equals := bytes.IndexByte(pair, '=')
			if equals < 0 {
				equals = len(pair)
			}
			var err error
			if name, err = appendUnquoted(name[:0], pair[:equals], i); err != nil {
				return nil, err
			}
			after := min(equals+1, len(pair))
			if value, err = appendUnquoted(value[:0], pair[after:], i+after); err != nil {
				return nil, err
			}
			if wanted(want, string(name)) {
				if memory -= fieldMemory + len(name) + len(value); memory < 0 {
					return nil, &LimitError{Limit: LimitMemory, Max: l.Memory, Offset: i}
				}
				f.add(string(name), string(value))
			}
		}
		i = end + 1
	}
	if !want.Any() {
		return nil, nil
	}
	return f.value(), nil
}

// wanted reports whether a field is asked for.
func wanted(want jq.Paths, name string) bool {
	if want.All || want.Elements != nil {
		return true
	}
	return want.Keys[name].Any()
}

// appendUnquoted appends what b, which is at a place in the body, means.
func appendUnquoted(dst, b []byte, at int) ([]byte, error) {
	base := len(dst)
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '+':
			dst = append(dst, ' ')
		case '%':
			if i+2 >= len(b) || nibble(b[i+1]) < 0 || nibble(b[i+2]) < 0 {
				return dst, &SyntaxError{Offset: at + i, Message: "no form: found an unknown escape, not % and two hexadecimal digits"}
			}
			dst = append(dst, byte(nibble(b[i+1])<<4|nibble(b[i+2])))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	if !utf8.Valid(dst[base:]) {
		return dst, &SyntaxError{Offset: at, Message: "no form: found text that is not UTF-8"}
	}
	return dst, nil
}

// appendForm appends a form.
func appendForm(dst []byte, object map[string]any, l Limits) ([]byte, error) {
	base, limit := len(dst), l.bytes()
	err := eachField(object, func(name string, v any) error {
		if text, ok := v.(string); ok && len(text) > limit {
			return &LimitError{Limit: LimitBytes, Max: l.Bytes}
		}
		text, ok, err := fieldText(name, v)
		if !ok {
			return err
		}
		if len(dst) > base {
			dst = append(dst, '&')
		}
		dst = append(dst, url.QueryEscape(name)...)
		dst = append(dst, '=')
		dst = append(dst, url.QueryEscape(text)...)
		if len(dst)-base > limit {
			return &LimitError{Limit: LimitBytes, Max: l.Bytes}
		}
		return nil
	})
	return dst, err
}

// eachField calls do with each field of a form, by name, an array being several.
func eachField(object map[string]any, do func(name string, v any) error) error {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		values, ok := object[name].([]any)
		if !ok {
			values = []any{object[name]}
		}
		for _, v := range values {
			if err := do(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldText is the text of a field; ok is false, perhaps without an error, if it
// has none.
func fieldText(name string, v any) (text string, ok bool, err error) {
	switch v := v.(type) {
	case nil:
		return "", false, nil
	case string:
		return string(appendUTF8(nil, v)), true, nil
	case bool:
		return fmt.Sprint(v), true, nil
	case int, float64, *big.Int, json.Number:
		b, err := appendNumber(nil, v)
		return string(b), err == nil, err
	case []any:
		return "", false, &ValueError{Message: fmt.Sprintf("field %q of a form is an array in an array", name)}
	default:
		return "", false, &ValueError{Message: fmt.Sprintf("field %q of a form is an object: make it a string, a number, a boolean or an array of these", name)}
	}
}
