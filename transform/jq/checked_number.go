package jq

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// number is a number to compute with: the text of one is read. What is none is
// given back.
func (r *budget) number(v any) (any, error) {
	n, ok := v.(json.Number)
	if !ok {
		return v, nil
	}
	if err := r.long(n); err != nil {
		return nil, err
	}
	if i, err := n.Int64(); err == nil {
		return int(i), nil
	}
	return numberOf(n), nil
}

// long is the failure for the text of a number that is too long to be read. It
// can be caught: nothing has been made.
func (r *budget) long(n json.Number) error {
	if len(n) <= longestNumber {
		return nil
	}
	return fmt.Errorf("a number of %d characters is too long to compute with", len(n))
}

// numbers is its input, if that is no number that is too long, nor an array of such.
func (r *budget) numbers(v any) any {
	switch w := v.(type) {
	case json.Number:
		if err := r.long(w); err != nil {
			return err
		}
	case []any:
		for _, e := range w[:min(len(w), 10)] {
			if n, ok := e.(json.Number); ok {
				if err := r.long(n); err != nil {
					return err
				}
			}
		}
	}
	return v
}

// order is its input, if jn and yn can have it for an order: they take time with it.
func (r *budget) order(v any) any {
	if err, ok := r.numbers(v).(error); ok {
		return err
	}
	if n, ok := gojq.ToFloat64(v); ok && math.Abs(n) > 1e5 {
		return fmt.Errorf("jn and yn take numbers up to 100000, not %v", n)
	}
	return v
}

// both are two operands as numbers, if they are.
func (r *budget) both(x, y any) (any, any, error) {
	x, err := r.number(x)
	if err != nil {
		return nil, nil, err
	}
	y, err = r.number(y)
	return x, y, err
}

// arithmetic is what a native makes of two numbers, or why it can not. Integers of
// a million bits would take it long.
func (r *budget) arithmetic(native string, x, y any) any {
	bits := 0
	for _, n := range []any{x, y} {
		if i, ok := n.(*big.Int); ok {
			bits += i.BitLen()
		}
	}
	if bits > widestNumber {
		return r.fail(limitMemory, "computes with integers of more than %d bits", widestNumber)
	}
	if bits > 0 && (!r.charge(bits/4) || !r.work(bits/64)) {
		return errOver
	}
	return unchecked(native, nil, x, y)
}

func (r *budget) add(x, y any) any {
	switch l := x.(type) {
	case string:
		if m, ok := y.(string); ok {
			if !r.charge(len(l) + len(m)) {
				return errOver
			}
			return l + m
		}
	case []any:
		if m, ok := y.([]any); ok {
			switch {
			case len(l) == 0:
				return m
			case len(m) == 0:
				return l
			case !r.charge(sizeArray + sizeValue*(len(l)+len(m))):
				return errOver
			}
			return slices.Concat(l, m)
		}
	case map[string]any:
		if m, ok := y.(map[string]any); ok {
			switch {
			case len(l) == 0:
				return m
			case len(m) == 0:
				return l
			case !r.charge(sizeObject(len(l) + len(m))):
				return errOver
			}
			out := make(map[string]any, len(l)+len(m))
			maps.Copy(out, l)
			maps.Copy(out, m)
			return out
		}
	}
	x, y, err := r.both(x, y)
	if err != nil {
		return err
	}
	switch l := x.(type) {
	case nil:
		return y
	case int:
		if m, ok := y.(int); ok {
			if sum := l + m; (sum >= l) == (m >= 0) {
				return sum
			}
		}
	case float64:
		if m, ok := y.(float64); ok {
			return l + m
		}
	}
	if y == nil {
		return x
	}
	return r.arithmetic("_add", x, y)
}

func (r *budget) subtract(x, y any) any {
	if l, ok := x.([]any); ok {
		if m, ok := y.([]any); ok {
			return r.without(l, m)
		}
	}
	x, y, err := r.both(x, y)
	if err != nil {
		return err
	}
	if l, ok := x.(int); ok {
		if m, ok := y.(int); ok {
			if d := l - m; (d <= l) == (m >= 0) {
				return d
			}
		}
	}
	return r.arithmetic("_subtract", x, y)
}

func (r *budget) without(l, m []any) any {
	if !r.charge(sizeArray + sizeValue*len(l)) {
		return errOver
	}
	out := make([]any, 0, len(l))
	for _, e := range l {
		found := slices.ContainsFunc(m, func(f any) bool {
			return r.failure != nil || r.compare(e, f, 0) == 0
		})
		if r.failure != nil || !r.work(1) {
			return errOver
		}
		if !found {
			out = append(out, e)
		}
	}
	return out
}

func (r *budget) multiply(x, y any) any {
	if l, ok := x.(map[string]any); ok {
		if m, ok := y.(map[string]any); ok {
			return r.merge(l, m, 0)
		}
	}
	x, y, err := r.both(x, y)
	if err != nil {
		return err
	}
	switch l := x.(type) {
	case int:
		if m, ok := y.(int); ok && l > math.MinInt32 && l < math.MaxInt32 && m > math.MinInt32 && m < math.MaxInt32 {
			return l * m
		}
	case string:
		if n, ok := gojq.ToFloat64(y); ok {
			return r.repeat(l, n, x, y)
		}
	}
	if m, ok := y.(string); ok {
		if n, ok := gojq.ToFloat64(x); ok {
			return r.repeat(m, n, x, y)
		}
	}
	return r.arithmetic("_multiply", x, y)
}

func (r *budget) repeat(s string, n float64, x, y any) any {
	if n < 0 || math.IsNaN(n) {
		return nil
	}
	count := int(min(n, math.MaxInt32))
	switch {
	case len(s)*count >= math.MaxInt32 && r.limits.Memory <= 0:
		return unchecked("_multiply", nil, x, y) // gojq's own limit
	case !r.charges(count, len(s)):
		return errOver
	}
	return strings.Repeat(s, count)
}

func (r *budget) merge(l, m map[string]any, depth int) any {
	if !r.deep(depth) || !r.charge(sizeObject(len(l)+len(m))) {
		return errOver
	}
	out := make(map[string]any, len(l)+len(m))
	maps.Copy(out, l)
	for key, v := range m {
		below, ok := out[key].(map[string]any)
		over, both := v.(map[string]any)
		if ok && both {
			if v = r.merge(below, over, depth+1); r.failure != nil {
				return errOver
			}
		}
		out[key] = v
	}
	return out
}

func (r *budget) divide(x, y any) any {
	if l, ok := x.(string); ok {
		if m, ok := y.(string); ok {
			return r.split(l, m)
		}
	}
	x, y, err := r.both(x, y)
	if err != nil {
		return err
	}
	if l, ok := x.(int); ok {
		if m, ok := y.(int); ok && m > 0 {
			if l%m == 0 {
				return l / m
			}
			return float64(l) / float64(m)
		}
	}
	return r.arithmetic("_divide", x, y)
}

func (r *budget) modulo(x, y any) any {
	x, y, err := r.both(x, y)
	if err != nil {
		return err
	}
	if l, ok := x.(int); ok {
		if m, ok := y.(int); ok && m > 0 {
			return l % m
		}
	}
	return r.arithmetic("_modulo", x, y)
}

// compare is the order of two values, in jq's. Once the run has failed, or its time
// is over, it means nothing.
func (r *budget) compare(x, y any, depth int) int {
	if !r.work(1) || !r.deep(depth) {
		return 0
	}
	switch l := x.(type) {
	case string:
		if m, ok := y.(string); ok {
			r.work(min(len(l), len(m)) >> 6)
			return strings.Compare(l, m)
		}
	case []any:
		if m, ok := y.([]any); ok {
			return r.compareArrays(l, m, depth)
		}
	case map[string]any:
		if m, ok := y.(map[string]any); ok {
			return r.compareObjects(l, m, depth)
		}
	case int:
		if m, ok := y.(int); ok {
			return cmp.Compare(l, m)
		}
	}
	if c := cmp.Compare(rank(x), rank(y)); c != 0 || rank(x) != rankNumber {
		return c
	}
	return r.compareNumbers(x, y)
}

func (r *budget) compareNumbers(x, y any) int {
	x, y, err := r.both(x, y)
	if err != nil {
		_ = r.fail(limitMemory, "compares a number of more than %d characters", longestNumber)
		return 0
	}
	return gojq.Compare(x, y)
}

func (r *budget) compareArrays(l, m []any, depth int) int {
	for i := range min(len(l), len(m)) {
		if c := r.compare(l[i], m[i], depth+1); c != 0 || r.failure != nil {
			return c
		}
	}
	return cmp.Compare(len(l), len(m))
}

func (r *budget) compareObjects(l, m map[string]any, depth int) int {
	keys, others, ok := r.sortedKeys(l, m)
	if !ok {
		return 0
	}
	if c := slices.Compare(keys, others); c != 0 {
		return c
	}
	for _, key := range keys {
		if c := r.compare(l[key], m[key], depth+1); c != 0 || r.failure != nil {
			return c
		}
	}
	return 0
}

func (r *budget) sortedKeys(l, m map[string]any) (keys, others []string, ok bool) {
	if n := len(l) + len(m); !r.fits(sizeValue*n) || !r.work(8*n) {
		return nil, nil, false
	}
	return slices.Sorted(maps.Keys(l)), slices.Sorted(maps.Keys(m)), true
}

const rankNumber = 3

// rank is where values of a type stand among others.
func rank(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 2
		}
		return 1
	case string:
		return 4
	case []any:
		return 5
	case map[string]any:
		return 6
	default:
		return rankNumber
	}
}
