package body_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

var all = jq.Paths{All: true}

func object(pairs ...any) map[string]any {
	m := make(map[string]any)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func array(values ...any) []any { return append([]any{}, values...) }

func num(text string) json.Number { return json.Number(text) }

func TestDecodeJSON(t *testing.T) {
	for _, row := range []struct {
		in   string
		want any
	}{
		{`null`, nil},
		{` true `, true},
		{"\t\r\n false", false},
		{`""`, ""},
		{`"a b"`, "a b"},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{`"\u0041\u00e9\u20AC"`, "Aé€"},
		{`"\ud83d\ude00 and \u0000"`, "😀 and \x00"},
		{`"€ in UTF-8, and 😀"`, "€ in UTF-8, and 😀"},
		{"\"\x7f\"", "\x7f"},
		{`0`, 0},
		{`-1`, -1},
		{`255`, 255},
		{`999999999999999999`, 999999999999999999},
		{`-999999999999999999`, -999999999999999999},
		// Text that an int would not be written with, or that is too long for one.
		{`-0`, num("-0")},
		{`1.0`, num("1.0")},
		{`0.10`, num("0.10")},
		{`1e2`, num("1e2")},
		{`1E+2`, num("1E+2")},
		{`-1.5e-07`, num("-1.5e-07")},
		{`9223372036854775807`, num("9223372036854775807")},
		{`12345678901234567890`, num("12345678901234567890")},
		{`1e999999999`, num("1e999999999")},
		{`{}`, object()},
		{`[ ]`, array()},
		{`{"":{"a":[]},"b":[1,"c",null]}`, object("", object("a", array()), "b", array(1, "c", nil))},
		{`{"a":1,"a":{"b":2},"a":3}`, object("a", 3)},
		{`{"a\u0062":1,"ab":2}`, object("ab", 2)},
		{`[[],[[]],{"a":{}}]`, array(array(), array(array()), object("a", object()))},
		{`{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9}`, object("1", 1, "2", 2, "3", 3, "4", 4, "5", 5, "6", 6, "7", 7, "8", 8, "9", 9)},
	} {
		t.Run(row.in, func(t *testing.T) {
			got, err := body.Decode(body.JSON, "", []byte(row.in), all, body.Limits{})
			require.NoError(t, err)
			require.Equal(t, row.want, got)
		})
	}
}

func TestDecodeJSONErrors(t *testing.T) {
	for _, row := range []struct {
		in      string
		wantErr string
	}{
		{``, "the JSON ends where a value was expected at byte 0"},
		{`  `, "the JSON ends where a value was expected at byte 2"},
		{`{"a":`, "the JSON ends where a value was expected at byte 5"},
		{`{"a"`, `the JSON ends where ":" was expected at byte 4`},
		{`{"a" 1}`, `no JSON: found "1" where ":" was expected at byte 5`},
		{`{"a":1`, `the JSON ends where "," or "}" was expected at byte 6`},
		{`{"a":1 "b"}`, `no JSON: found "\"" where "," or "}" was expected at byte 7`},
		{`{a:1}`, `no JSON: found "a" where the name of a member was expected at byte 1`},
		{`{"a":1,}`, `no JSON: found "}" where the name of a member was expected at byte 7`},
		{`{"a":,}`, `no JSON: found "," where a value was expected at byte 5`},
		{`[1,]`, `no JSON: found "]" where a value was expected at byte 3`},
		{`[1 2]`, `no JSON: found "2" where "," or "]" was expected at byte 3`},
		{`[1}`, `no JSON: found "}" where "," or "]" was expected at byte 2`},
		{`[`, "the JSON ends where a value was expected at byte 1"},
		{`]`, `no JSON: found "]" where a value was expected at byte 0`},
		{`1 2`, `no JSON: found "2" where the end of the body was expected at byte 2`},
		{`01`, `no JSON: found "1" where a digit was expected at byte 1`},
		{`-`, "the JSON ends where a digit was expected at byte 1"},
		{`-a`, `no JSON: found "a" where a digit was expected at byte 1`},
		{`+1`, `no JSON: found "+" where a value was expected at byte 0`},
		{`.5`, `no JSON: found "." where a value was expected at byte 0`},
		{`1.`, "the JSON ends where a digit was expected at byte 2"},
		{`1.e1`, `no JSON: found "e" where a digit was expected at byte 2`},
		{`1e`, "the JSON ends where a digit was expected at byte 2"},
		{`1e+`, "the JSON ends where a digit was expected at byte 3"},
		{`0x1`, `no JSON: found "x" where the end of the body was expected at byte 1`},
		{`NaN`, `no JSON: found "N" where a value was expected at byte 0`},
		{`nul`, `no JSON: found "n" where null was expected at byte 0`},
		{`True`, `no JSON: found "T" where a value was expected at byte 0`},
		{`truefalse`, `no JSON: found "f" where the end of the body was expected at byte 4`},
		{`"a`, "the JSON ends where the end of a string was expected at byte 2"},
		{`"a\`, `an unknown escape in a string at byte 2`},
		{`"\x41"`, `an unknown escape in a string at byte 1`},
		{`"\u12"`, `an unknown escape in a string at byte 1`},
		{`"\u12G4"`, `an unknown escape in a string at byte 1`},
		{`"12345678\ud800"`, `half a surrogate pair in a string at byte 9`},
		{`"\udc00\ud800"`, `half a surrogate pair in a string at byte 1`},
		{`"\ud800\u0041"`, `half a surrogate pair in a string at byte 1`},
		{"\"a\nb\"", "a control character in a string at byte 2"},
		{"\"12345678\x00\"", "a control character in a string at byte 9"},
		{"\"€\xff\"", "a string that is not UTF-8 at byte 4"},
		{"\"\\n\xc0\xaf\"", "a string that is not UTF-8 at byte 3"},
		{"\"12\xff\\n12\"", "a string that is not UTF-8 at byte 3"},
		{"{\"\xed\xa0\x80\":1}", "a string that is not UTF-8 at byte 2"},
		{"\xff", "no JSON: found byte 0xff where a value was expected at byte 0"},
		{"\ufeff{}", "no JSON: found \"\\ufeff\" where a value was expected at byte 0"},
		{`{"a":1}//`, `no JSON: found "/" where the end of the body was expected at byte 7`},
		{`'a'`, `no JSON: found "'" where a value was expected at byte 0`},
		{"1\x00", `no JSON: found "\x00" where the end of the body was expected at byte 1`},
		{"1\v", `no JSON: found "\v" where the end of the body was expected at byte 1`},
	} {
		t.Run(row.in, func(t *testing.T) {
			// What is not wanted is checked as what is.
			for name, want := range map[string]jq.Paths{"all": all, "none": {}, "some": {Keys: map[string]jq.Paths{"x": all}}} {
				_, err := body.Decode(body.JSON, "", []byte(row.in), want, body.Limits{})
				var wrong *body.SyntaxError
				require.ErrorAs(t, err, &wrong, name)
				require.EqualError(t, err, row.wantErr, name)
			}
		})
	}
}

func TestDecodeParts(t *testing.T) {
	const in = `{"id":7,"name":"n","tags":["a","b"],"by":{"id":1,"at":{"x":1,"y":2}},"items":[{"sku":"s","n":1},{"n":2},3,[4]],"n\u0061me2":"e"}`
	key := func(name string, below jq.Paths) jq.Paths {
		return jq.Paths{Keys: map[string]jq.Paths{name: below}}
	}
	each := func(below jq.Paths) jq.Paths { return jq.Paths{Elements: &below} }
	for _, row := range []struct {
		name string
		want jq.Paths
		out  any
	}{
		{"nothing", jq.Paths{}, nil},
		{"member", key("id", all), object("id", 7)},
		{"member with an escape in its name", key("name2", all), object("name2", "e")},
		{"missing member", key("nope", all), object()},
		{"two", jq.Paths{Keys: map[string]jq.Paths{"id": all, "name": all}}, object("id", 7, "name", "n")},
		{"deep", key("by", key("at", key("y", all))), object("by", object("at", object("y", 2)))},
		{"whole subtree", key("by", all), object("by", object("id", 1, "at", object("x", 1, "y", 2)))},
		{"members of elements", key("items", each(key("n", all))), object("items", array(object("n", 1), object("n", 2), 3, array()))},
		{"how many elements", key("tags", each(jq.Paths{})), object("tags", array(nil, nil))},
		{"each member", key("by", each(all)), object("by", object("id", 1, "at", object("x", 1, "y", 2)))},
		{"a member and what is in each", key("by", jq.Paths{Keys: map[string]jq.Paths{"at": key("x", all)}, Elements: &jq.Paths{Keys: map[string]jq.Paths{"y": all}}}),
			object("by", object("id", 1, "at", object("x", 1, "y", 2)))},
		{"member of an array", key("tags", key("a", all)), object("tags", array())},
		{"member of a scalar", key("name", key("a", all)), object("name", "n")},
		{"nothing of a member", key("by", jq.Paths{}), object()},
		{"nothing of a member of a member", key("by", key("id", jq.Paths{})), object("by", object())},
		{"nothing of each member", key("by", each(jq.Paths{})), object("by", object("id", nil, "at", nil))},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := body.Decode(body.JSON, "", []byte(in), row.want, body.Limits{})
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(row.out, got))
			require.Empty(t, cmp.Diff(got, restrict(reference(t, []byte(in)), row.want)), "the rules as the fuzz test has them")
		})
	}
}

// Few strings of a large body must not keep all of it.
func TestPartsOfLargeBody(t *testing.T) {
	in := []byte(`{"k\u0065y":"val\u0075e","n":1.50,"pad":"` + strings.Repeat("x", 1<<20) + `"}`)
	got, err := body.Decode(body.JSON, "", in, jq.Paths{Keys: map[string]jq.Paths{"key": all, "n": all}}, body.Limits{Memory: 1 << 10})
	require.NoError(t, err)
	require.Equal(t, object("key", "value", "n", num("1.50")), got)

	for _, name := range []string{"pad", "k\u0065y"} {
		in := []byte(`{"` + name + `":"` + strings.Repeat("x", 1<<16) + `\n"}`)
		_, err = body.Decode(body.JSON, "", in, jq.Paths{Keys: map[string]jq.Paths{"pad": all, "key": all}}, body.Limits{Memory: 1 << 16})
		var over *body.LimitError
		require.ErrorAs(t, err, &over)
	}
}

// The value shares no memory with the body, and the next body none with it.
func TestDecodedValuesStay(t *testing.T) {
	in := []byte(`{"a":"first","b":["\u0066irst",1.5]}`)
	got, err := body.Decode(body.JSON, "", in, all, body.Limits{})
	require.NoError(t, err)
	copy(in, bytes.ToUpper(in))
	_, err = body.Decode(body.JSON, "", []byte(`{"x":"second","y":["\u0078econd",2.5,3,4]}`), all, body.Limits{})
	require.NoError(t, err)
	require.Equal(t, object("a", "first", "b", array("first", num("1.5"))), got)
}

func TestDecodeLimits(t *testing.T) {
	limit := func(err error) string {
		var over *body.LimitError
		if !errors.As(err, &over) {
			return fmt.Sprint(err)
		}
		return over.Limit
	}
	decode := func(in string, want jq.Paths, l body.Limits) string {
		_, err := body.Decode(body.JSON, "", []byte(in), want, l)
		return limit(err)
	}
	require.Equal(t, "<nil>", decode(`[1]`, all, body.Limits{Bytes: 3}))
	require.Equal(t, body.LimitBytes, decode(`[1] `, all, body.Limits{Bytes: 3}))

	for _, want := range []jq.Paths{all, {}, {Elements: &all}, {Keys: map[string]jq.Paths{"a": all}}} {
		require.Equal(t, "<nil>", decode(`[[[]],[{"a":[]}]]`, want, body.Limits{Depth: 4}))
		require.Equal(t, "<nil>", decode(`[[],[],[],[[]],{},{},{},[{}],{"a":{}},{"b":{}},{"b":[]}]`, want, body.Limits{Depth: 3}))
		require.Equal(t, body.LimitDepth, decode(`[[[]],[{"a":[]}]]`, want, body.Limits{Depth: 3}))
		require.Equal(t, body.LimitDepth, decode(`{"a":{"a":{}}}`, want, body.Limits{Depth: 2}))
		require.Equal(t, body.LimitDepth, decode(strings.Repeat("[", 10_001), want, body.Limits{}))
		require.Equal(t, body.LimitDepth, decode(strings.Repeat(`{"a":`, 1_000_000), want, body.Limits{Depth: 1 << 40}))
	}

	require.Equal(t, body.LimitMemory, decode(`["`+strings.Repeat("a", 1000)+`"]`, all, body.Limits{Memory: 1000}))
	require.Equal(t, body.LimitMemory, decode(`[`+strings.Repeat("{},", 1000)+`{}]`, all, body.Limits{Memory: 64 << 10}))
	require.Equal(t, "<nil>", decode(`[`+strings.Repeat("{},", 1000)+`{}]`, jq.Paths{}, body.Limits{Memory: 1}))
}

// What the values take is what the limit says, whatever they are of.
func TestDecodeMemory(t *testing.T) {
	const size = 128 << 10
	fill := func(begin, unit, end string) string {
		return begin + strings.Repeat(unit, size/len(unit)) + end
	}
	var members strings.Builder
	for i := range size / 10 {
		fmt.Fprintf(&members, `"%x":0,`, i)
	}
	for name, in := range map[string]string{
		"arrays":          fill("[", "[],", "[]]"),
		"arrays of one":   fill("[", "[0],", "[]]"),
		"objects":         fill("[", "{},", "{}]"),
		"objects of one":  fill("[", `{"":0},`, "{}]"),
		"objects of nine": fill("[", `{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0},`, "{}]"),
		"small ints":      fill("[", "0,", "0]"),
		"ints":            fill("[", "1000,", "0]"),
		"numbers":         fill("[", "1.5,", "0]"),
		"strings":         fill("[", `"",`, "0]"),
		"escaped strings": fill("[", `"\n",`, "0]"),
		"members":         "{" + members.String() + `"":0}`,
		"same member":     fill("{", `"a":0,`, `"":0}`),
	} {
		t.Run(name, func(t *testing.T) {
			// The least limit with which it passes tells the estimate.
			least, most := 0, 64<<20
			for most-least > most/16 {
				limit := (least + most) / 2
				_, err := body.Decode(body.JSON, "", []byte(in), all, body.Limits{Memory: limit})
				if err != nil {
					least = limit
				} else {
					most = limit
				}
			}
			var before, after runtime.MemStats
			data := []byte(in)
			runtime.GC()
			runtime.ReadMemStats(&before)
			v, err := body.Decode(body.JSON, "", data, all, body.Limits{Memory: most})
			require.NoError(t, err)
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(v)
			taken := int(after.HeapAlloc) - int(before.HeapAlloc)
			t.Logf("%d bytes of JSON take %d, at an estimate of %d", len(in), taken, most)
			require.Less(t, taken, most+most/8, "memory taken beyond the estimate")
			require.Less(t, most, 4*taken, "the estimate is far too high")
		})
	}
}

// FuzzDecodeJSON holds the decoder to encoding/json, and its parts to its whole.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"b":1,"c":[true,null,"x"]},"d":[{"b":1.50},{"b":-0}],"e\u0066":"\ud83d\ude00"}`, `[1,2.0,3e4,12345678901234567890]`,
		`{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"", `{"a":[[[[]]]]}`, ` [ ] `, `{"":""}`, `-`, `[1,]`, `nulll`, "\ufeff1", string(order()),
	} {
		f.Add([]byte(seed), uint64(0x5a5a5a))
		f.Add([]byte(seed), uint64(0))
	}
	// Depth, half surrogates and bytes that are not UTF-8 are the differences.
	surrogate := regexp.MustCompile(`\\u[dD][89a-fA-F]`)
	f.Fuzz(func(t *testing.T, data []byte, choice uint64) {
		got, err := body.Decode(body.JSON, "", data, all, body.Limits{Depth: 200})
		std := json.NewDecoder(bytes.NewReader(data))
		std.UseNumber()
		var want any
		stdErr := std.Decode(&want)
		if stdErr == nil {
			if _, more := std.Token(); !errors.Is(more, io.EOF) {
				stdErr = errors.New("more than one value")
			}
		}
		if err != nil {
			var over *body.LimitError
			if stdErr == nil && utf8.Valid(data) && !surrogate.Match(data) && !errors.As(err, &over) {
				t.Fatalf("refused %q, which encoding/json accepts: %v", data, err)
			}
			var wrong *body.SyntaxError
			if errors.As(err, &wrong) && (wrong.Offset < 0 || wrong.Offset > len(data)) {
				t.Fatalf("offset %d of %d", wrong.Offset, len(data))
			}
		} else {
			require.NoError(t, stdErr, "accepted %q", data)
			require.Empty(t, cmp.Diff(numbers(want), got))
		}

		paths := somePaths(&choice, 3)
		part, partErr := body.Decode(body.JSON, "", data, paths, body.Limits{Depth: 200})
		require.Equal(t, err, partErr, "%+v", paths)
		if err != nil {
			return
		}
		require.Empty(t, cmp.Diff(restrict(got, paths), part), "%+v", paths)

		out, contentType, err := body.Append(nil, body.JSON, "application/json", got, body.Limits{})
		require.NoError(t, err)
		require.Empty(t, contentType)
		require.True(t, json.Valid(out))
		again, err := body.Decode(body.JSON, "", out, all, body.Limits{})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(got, again))
		if len(data) < 1<<10 {
			_, err = body.Decode(body.JSON, "", data, all, body.Limits{Memory: 100})
			var over *body.LimitError
			require.True(t, err == nil || errors.As(err, &over))
		}
	})
}

// reference is what encoding/json makes of JSON, with numbers as ours.
func reference(t *testing.T, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, err := strconv.Atoi(string(v))
		if err == nil && strconv.Itoa(n) == string(v) && len(strings.TrimPrefix(string(v), "-")) <= 18 {
			return n
		}
		return v
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

// restrict is the part of a value that a set of places asks for.
func restrict(v any, want jq.Paths) any {
	switch {
	case want.All:
		return v
	case !want.Any():
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		for key, member := range v {
			if below := want.At(key); below.Any() || want.Elements != nil {
				out[key] = restrict(member, below)
			}
		}
		return out
	case []any:
		out := []any{}
		if want.Elements != nil {
			for _, element := range v {
				out = append(out, restrict(element, *want.Elements))
			}
		}
		return out
	}
	return v
}

// somePaths makes a set of places out of bits.
func somePaths(bits *uint64, depth int) jq.Paths {
	take := func(n uint) uint64 {
		v := *bits & (1<<n - 1)
		*bits >>= n
		return v
	}
	if depth == 0 || take(2) == 3 {
		return jq.Paths{All: take(1) == 1}
	}
	var p jq.Paths
	for _, key := range []string{"a", "b", "ef"} {
		if take(1) == 1 {
			if p.Keys == nil {
				p.Keys = make(map[string]jq.Paths)
			}
			p.Keys[key] = somePaths(bits, depth-1)
		}
	}
	if take(1) == 1 {
		below := somePaths(bits, depth-1)
		p.Elements = &below
	}
	return p
}
