package jq

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/itchyny/gojq"
)

// checked are the functions that stand for gojq's natives, and those that only
// count. Where they have nothing to count, as for a mistake, they ask the native,
// so that messages are gojq's.
var checked = []native{
	operator("__add", (*budget).add),
	operator("__subtract", (*budget).subtract),
	operator("__multiply", (*budget).multiply),
	operator("__divide", (*budget).divide),
	operator("__modulo", (*budget).modulo),
	comparison("__equal", func(c int) bool { return c == 0 }),
	comparison("__notequal", func(c int) bool { return c != 0 }),
	comparison("__greater", func(c int) bool { return c > 0 }),
	comparison("__less", func(c int) bool { return c < 0 }),
	comparison("__greatereq", func(c int) bool { return c >= 0 }),
	comparison("__lesseq", func(c int) bool { return c <= 0 }),

	nullary("__number", (*budget).numbers),
	nullary("__order", (*budget).order),
	nullary("__each", (*budget).each),
	nullary("__made", (*budget).made),
	nullary("__item", func(r *budget, v any) any { return r.counted(v, sizeItem) }),
	nullary("__deeper", func(r *budget, v any) any { return r.counted(v, sizeCall) }),
	nullary("__characters", (*budget).characters),
	nullary("__objectkey", objectKey),
	unary("__part", (*budget).part),
	unary("__indexable", (*budget).indexable),
	unary("__readable", (*budget).readable),

	nullary("__edit", newEdit),
	nullary("__edited", (*budget).edited),
	unary("__open", (*budget).open),
	{name: "__put", min: 2, max: 2, call: func(r *budget, v any, args []any) any { return r.put(v, args[0], args[1]) }},
	{name: "__setpath", min: 2, max: 2, call: func(r *budget, v any, args []any) any {
		path, ok := args[0].([]any)
		if !ok {
			return unchecked("setpath", v, args[0], args[1])
		}
		return r.setpath(v, path, args[0], args[1])
	}},
	unary("__delpaths", (*budget).delpaths),

	nullary("__length", (*budget).length),
	nullary("__keys", (*budget).keys),
	nullary("__sum", (*budget).sum),
	nullary("__reverse", (*budget).reverse),
	{name: "__flatten", min: 0, max: 1, call: (*budget).flatten},
	nullary("__transpose", (*budget).transpose),
	nullary("__min", func(r *budget, v any) any { return r.extreme("min", v, nil) }),
	nullary("__max", func(r *budget, v any) any { return r.extreme("max", v, nil) }),
	unary("__min_by", func(r *budget, v, x any) any { return r.extreme("_min_by", v, x) }),
	unary("__max_by", func(r *budget, v, x any) any { return r.extreme("_max_by", v, x) }),
	nullary("__sort", func(r *budget, v any) any { return r.sort("sort", v, nil) }),
	nullary("__unique", func(r *budget, v any) any { return r.sort("unique", v, nil) }),
	unary("__sort_by", func(r *budget, v, x any) any { return r.sort("_sort_by", v, x) }),
	unary("__group_by", func(r *budget, v, x any) any { return r.sort("_group_by", v, x) }),
	unary("__unique_by", func(r *budget, v, x any) any { return r.sort("_unique_by", v, x) }),
	unary("__contains", func(r *budget, v, x any) any { return r.contains(v, x) }),
	unary("__inside", func(r *budget, v, x any) any { return r.contains(x, v) }),
	unary("__indices", func(r *budget, v, x any) any { return r.find("indices", v, x) }),
	unary("__index", func(r *budget, v, x any) any { return r.find("index", v, x) }),
	unary("__rindex", func(r *budget, v, x any) any { return r.find("rindex", v, x) }),
	unary("__bsearch", (*budget).bsearch),

	nullary("__tostring", func(r *budget, v any) any { return r.result(r.toString(v)) }),
	nullary("__tojson", func(r *budget, v any) any { return r.result(r.toJSON(v)) }),
	nullary("__tonumber", (*budget).toNumber),
	nullary("__fromjson", (*budget).fromJSON),
	unary("__format", (*budget).format),
	nullary("__html", func(r *budget, v any) any { return r.escaped("_tohtml", v) }),
	nullary("__uri", func(r *budget, v any) any { return r.escaped("_touri", v) }),
	nullary("__urid", func(r *budget, v any) any { return r.escaped("_tourid", v) }),
	nullary("__base64", func(r *budget, v any) any { return r.escaped("_tobase64", v) }),
	nullary("__base64d", func(r *budget, v any) any { return r.escaped("_tobase64d", v) }),
	nullary("__csv", func(r *budget, v any) any { return r.row("_tocsv", v) }),
	nullary("__tsv", func(r *budget, v any) any { return r.row("_totsv", v) }),
	nullary("__sh", func(r *budget, v any) any { return r.row("_tosh", v) }),
	nullary("__explode", (*budget).explode),
	nullary("__implode", (*budget).implode),
	unary("__split", (*budget).split),
	unary("__join", (*budget).join),
	nullary("__ascii_downcase", func(r *budget, v any) any { return r.sameSize("ascii_downcase", v) }),
	nullary("__ascii_upcase", func(r *budget, v any) any { return r.sameSize("ascii_upcase", v) }),

	unary("__strftime", func(r *budget, v, x any) any { return r.formatTime("strftime", v, x) }),
	unary("__strflocaltime", func(r *budget, v, x any) any { return r.formatTime("strflocaltime", v, x) }),
	unary("__strptime", func(r *budget, v, x any) any { return r.ofTime("strptime", v, x) }),
	nullary("__mktime", func(r *budget, v any) any { return r.ofTime("mktime", v) }),
	nullary("__gmtime", func(r *budget, v any) any { return r.ofTime("gmtime", v) }),
	nullary("__localtime", func(r *budget, v any) any { return r.ofTime("localtime", v) }),

	{name: "__match", min: 3, max: 3, call: (*budget).match},
	nullary("__captures", (*budget).captures),
	unary("__pieces", (*budget).pieces),
	unary("__replaced", (*budget).replaced),
}

func nullary(name string, f func(r *budget, v any) any) native {
	return native{name: name, call: func(r *budget, v any, _ []any) any { return f(r, v) }}
}

func unary(name string, f func(r *budget, v, x any) any) native {
	return native{name: name, min: 1, max: 1, call: func(r *budget, v any, args []any) any { return f(r, v, args[0]) }}
}

func operator(name string, f func(r *budget, x, y any) any) native {
	return native{name: name, min: 2, max: 2, call: func(r *budget, _ any, args []any) any { return f(r, args[0], args[1]) }}
}

func comparison(name string, holds func(int) bool) native {
	return operator(name, func(r *budget, x, y any) any {
		c := r.compare(x, y, 0)
		if r.failure != nil {
			return errOver
		}
		return holds(c)
	})
}

// natives are programs that call one native of gojq.
var natives = sync.OnceValue(func() *sync.Map { return new(sync.Map) })

// unchecked is what a native of gojq gives, whatever it costs.
func unchecked(name string, v any, args ...any) any {
	key := fmt.Sprint(name, "/", len(args))
	code, ok := natives().Load(key)
	if !ok {
		call := &gojq.Func{Name: name}
		var names []string
		for i := range args {
			arg := fmt.Sprint("$arg", i)
			names = append(names, arg)
			call.Args = append(call.Args, termQuery(&gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: arg}}))
		}
		compiled, err := gojq.Compile(termQuery(&gojq.Term{Type: gojq.TermTypeFunc, Func: call}), gojq.WithVariables(names))
		if err != nil {
			return err
		}
		code, _ = natives().LoadOrStore(key, compiled)
	}
	out, _ := code.(*gojq.Code).Run(v, args...).Next()
	return out
}

// failed reports whether a native has given an error.
func failed(v any) bool {
	_, ok := v.(error)
	return ok
}

// result is a text, or the failure.
func (r *budget) result(text string, ok bool) any {
	if !ok {
		return errOver
	}
	return text
}

func (r *budget) counted(v any, size int) any {
	if !r.charge(size) {
		return errOver
	}
	return v
}

func (r *budget) made(v any) any { return r.counted(v, sizeOf(v)) }

// each counts what the engine makes to iterate over a value.
func (r *budget) each(v any) any {
	switch w := v.(type) {
	case []any:
		return r.counted(v, sizeEach*len(w))
	case map[string]any:
		if !r.work(8 * len(w)) { // its keys are sorted
			return errOver
		}
		return r.counted(v, sizeEach*len(w))
	}
	return v
}

// characters counts what gojq makes to count the characters of a string.
func (r *budget) characters(v any) any {
	if s, ok := v.(string); ok && !r.fits(4*len(s)) {
		return errOver
	}
	return v
}

// part counts a part of a string that is put together from n.
func (r *budget) part(v, n any) any {
	s, _ := v.(string)
	count, _ := n.(int)
	if !r.charges(count, len(s)) {
		return errOver
	}
	return v
}

// indexable is its input, if gojq may look for a key in it. An array for a key is
// searched for: here first, as gojq would not stop.
func (r *budget) indexable(v, key any) any {
	if failed(r.characters(v)) {
		return errOver
	}
	switch key.(type) {
	case json.Number:
		if err, ok := r.numbers(key).(error); ok {
			return err
		}
	case []any:
		if a, ok := v.([]any); ok && failed(r.find("indices", a, key)) {
			return errOver
		}
	}
	return v
}

// readable is its input, if a path may be followed in it.
func (r *budget) readable(v, path any) any {
	keys, ok := path.([]any)
	if !ok {
		return v
	}
	at := v
	for _, key := range keys {
		if !r.work(1) {
			return errOver
		}
		if err, ok := r.indexable(at, key).(error); ok {
			return err
		}
		next := unchecked("_index", nil, at, key)
		if failed(next) {
			return v
		}
		at = next
	}
	return v
}

func objectKey(_ *budget, v any) any {
	if _, ok := v.([]any); ok {
		return fmt.Errorf("expected a string for object key but got: %s (%s)", gojq.TypeOf(v), gojq.Preview(v))
	}
	return v
}
