package jq

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
)

// Normalize gives a value as a program may have it: integers of any size as int or
// *big.Int, floats as float64, bytes and named strings as strings, slices as []any
// and maps with keys that are strings as map[string]any. Nothing of what it gives
// is shared with v, but strings and *big.Int. The error names the type of what
// cannot be in a value of jq, or a value nested too deep.
func Normalize(v any) (any, error) { return normalize(v, 0) }

func normalize(v any, depth int) (any, error) {
	if depth > deepestValue {
		return nil, fmt.Errorf("nested more than %d deep", deepestValue)
	}
	switch v := v.(type) {
	case nil, bool, int, float64, string:
		return v, nil
	case json.Number:
		if len(v) > longestNumber {
			return nil, fmt.Errorf("a number of %d characters is longer than %d", len(v), longestNumber)
		}
		return v, nil
	case *big.Int:
		if v == nil {
			return nil, nil
		}
		return v, nil
	case []byte:
		return string(v), nil
	}
	w := reflect.ValueOf(v)
	switch w.Kind() {
	case reflect.Bool:
		return w.Bool(), nil
	case reflect.String:
		return w.String(), nil
	case reflect.Float32, reflect.Float64:
		return w.Float(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return int(w.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if n := w.Uint(); n <= math.MaxInt {
			return int(n), nil
		}
		return new(big.Int).SetUint64(w.Uint()), nil
	case reflect.Pointer, reflect.Interface:
		if w.IsNil() {
			return nil, nil
		}
		return normalize(w.Elem().Interface(), depth+1)
	case reflect.Slice, reflect.Array:
		out := make([]any, w.Len())
		for i := range out {
			e, err := normalize(w.Index(i).Interface(), depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	case reflect.Map:
		if w.Type().Key().Kind() != reflect.String {
			break
		}
		out := make(map[string]any, w.Len())
		for iter := w.MapRange(); iter.Next(); {
			e, err := normalize(iter.Value().Interface(), depth+1)
			if err != nil {
				return nil, err
			}
			out[iter.Key().String()] = e
		}
		return out, nil
	}
	return nil, fmt.Errorf("a value of type %T has no JSON", v)
}
