package codec_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// node is one JSON value as it stands in a text: objects keep the order of their
// keys and keys that come twice. Scalars keep their text.
type node struct {
	object, array bool
	keys          []string // unquoted
	children      []*node
	text          string // a scalar, quoted if it is a string
}

func parseNode(text []byte) (*node, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return readNode(dec)
}

func readNode(dec *json.Decoder) (*node, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	d, ok := tok.(json.Delim)
	if !ok {
		text, err := json.Marshal(tok)
		return &node{text: string(text)}, err
	}
	n := &node{object: d == '{', array: d == '['}
	for dec.More() {
		if n.object {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			n.keys = append(n.keys, key.(string))
		}
		child, err := readNode(dec)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, child)
	}
	_, err = dec.Token()
	return n, err
}

// write appends the value with random white space and random escapes.
func (n *node) write(r *rand.Rand, b []byte) []byte {
	space := func() {
		if r.IntN(12) == 0 {
			b = append(b, []string{" ", "\n", "\t", "\r\n", "  "}[r.IntN(5)]...)
		}
	}
	space()
	switch {
	case n.object:
		b = append(b, '{')
		for i, c := range n.children {
			if i > 0 {
				b = append(b, ',')
			}
			space()
			b = append(b, quote(r, n.keys[i])...)
			space()
			b = append(b, ':')
			b = c.write(r, b)
		}
		space()
		b = append(b, '}')
	case n.array:
		b = append(b, '[')
		for i, c := range n.children {
			if i > 0 {
				b = append(b, ',')
			}
			b = c.write(r, b)
		}
		space()
		b = append(b, ']')
	case strings.HasPrefix(n.text, `"`):
		var s string
		if json.Unmarshal([]byte(n.text), &s) == nil {
			b = append(b, quote(r, s)...)
		} else {
			b = append(b, n.text...)
		}
	default:
		b = append(b, n.text...)
	}
	space()
	return b
}

// quote is a JSON string, one time in four with characters escaped that need not
// be.
func quote(r *rand.Rand, s string) string {
	escape := r.IntN(4) == 0
	b := []byte{'"'}
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < 0x20 || escape && r.IntN(2) == 0:
			if short := strings.IndexRune("\b\f\n\r\t", c); short >= 0 && r.IntN(2) == 0 {
				b = append(b, '\\', "bfnrt"[short])
			} else if c == '/' {
				b = append(b, `\/`...)
			} else if c >= 0x10000 {
				b = fmt.Appendf(b, `\u%04x\u%04X`, 0xD800+(c-0x10000)>>10, 0xDC00+(c-0x10000)&0x3FF)
			} else {
				b = fmt.Appendf(b, `\u%04x`, c)
			}
		default:
			b = append(b, string(c)...)
		}
	}
	return string(append(b, '"'))
}

// all lists the value and everything below it.
func (n *node) all() []*node {
	list := []*node{n}
	for _, c := range n.children {
		list = append(list, c.all()...)
	}
	return list
}

var oddScalars = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `1.0`, `1.5`, `1e2`, `1e0`, `1E+2`, `100e-2`, `15e-1`, `0e0`, `0.0`, `-0.0`,
	`1e400`, `-1e400`, `1e-400`, `1e39`, `3.5e38`, `2147483647`, `2147483648`, `-2147483648`, `-2147483649`, `4294967295`,
	`4294967296`, `9007199254740993`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775808`,
	`-9223372036854775809`, `18446744073709551615`, `18446744073709551616`, `1e19`, `922337203685477580.7e1`,
	`10000000000000000000000000000000000000000e-40`, `0.00000000000000000001e20`, `1e2147483648`, `1e-2147483648`, `0e99999999999`,
	`01`, `+1`, `.5`, `1.`, `1e`, `-`, `0x1`, `NaN`, `Infinity`, `nul`, `truefalse`, `1 2`, ``, `'a'`,
	`""`, `" "`, `"0"`, `"1"`, `"-1"`, `"-0"`, `"1.0"`, `"1.5"`, `"1e2"`, `" 1"`, `"1 "`, `"+1"`, `"01"`, `"0x1"`, `"1e400"`,
	`"2147483648"`, `"9223372036854775808"`, `"18446744073709551616"`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `"nan"`, `"inf"`,
	`"+Infinity"`, `"true"`, `"null"`, `"\u0031"`, `"NULL_VALUE"`, `"E0_V0"`, `"E0_V1"`, `"RED"`, `"LOW"`, `"ON"`, `"CENTRE"`, `"OPEN_ONE"`, `"red"`,
	`"YQ=="`, `"YQ"`, `"YQ="`, `"YR=="`, `"_-8="`, `"/+8="`, `"_+8="`, `"Y Q"`, `"YQ==\n"`, `"Y\nQ=="`, `"====" `, `"A"`, `"AAAAA"`,
	`"2020-01-02T03:04:05Z"`, `"2020-01-02T03:04:05.123456789Z"`, `"2020-01-02T03:04:05.1234567891Z"`,
	`"2020-01-02T03:04:05+01:00"`, `"2020-01-02T03:04:05-23:59"`, `"2020-01-02T03:04:05+24:00"`, `"2020-01-02t03:04:05z"`,
	`"2020-02-30T00:00:00Z"`, `"2020-01-02T24:00:00Z"`, `"2020-01-02T03:04:60Z"`, `"2020-01-02 03:04:05Z"`, `"2020-01-02T03:04:05"`,
	`"0001-01-01T00:00:00Z"`, `"0001-01-01T00:00:00+00:01"`, `"0000-12-31T23:59:59Z"`, `"9999-12-31T23:59:59.999999999Z"`,
	`"9999-12-31T23:59:59-00:01"`, `"10000-01-01T00:00:00Z"`, `"2020-1-2T3:4:5Z"`, `"2020-01-02T03:04:05.Z"`, `"2020-01-02T03:04:05,5Z"`,
	`"1s"`, `"1.5s"`, `"-1.5s"`, `"-0.5s"`, `"+1s"`, `"1.s"`, `".5s"`, `"s"`, `"1"`, `"1m"`, `"1.1234567890s"`, `"315576000000s"`,
	`"315576000001s"`, `"-315576000000.999999999s"`, `"1e2s"`, `"01s"`, `"00.5s"`, `"-s"`, `"--1s"`, `" 1s"`, `"1 s"`, `"1.5S"`,
	`"a"`, `"a,b"`, `"fooBar"`, `"foo_bar"`, `"fooBar.bazQux"`, `"a,,b"`, `",a"`, `"a,"`, `"a.b,c.d"`, `"a..b"`, `"A"`, `"a B"`, `"a1B"`, `"é"`, `"a__b,_a,a_,a_1.b,c"`, `"a_B"`, `"_"`, `" a_b "`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\uD83D\uD83D"`, `"\u12"`, `"\x41"`, `"\u000G"`, `"\v"`,
	`"` + "\x01" + `"`, `"` + "\t" + `"`, `"` + "\xff" + `"`, `"` + "\xc0\x80" + `"`, `"` + "\xed\xa0\x80" + `"`, `"` + "\xf4\x90\x80\x80" + `"`,
	`"\u0000"`, `"` + "\x7f" + `"`, `"a`, `{}`, `[]`, `[null]`, `{"":null}`, `{"a":1}`, `[[]]`, `[1,]`, `{"a":1,}`, `{"a"}`, `{1:2}`, `[1 2]`, `{"a":1 "b":2}`,
	`{"@type":"type.googleapis.com/google.protobuf.Empty"}`, `{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}`,
	`{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":1}`, `{"value":1,"@type":"type.googleapis.com/google.protobuf.Int32Value"}`,
	`{"@type":"type.googleapis.com/google.protobuf.Int32Value"}`, `{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":null}`,
	`{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":1,"x":2}`, `{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":1,"value":2}`,
	`{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}}`,
	`{"@type":"type.googleapis.com/google.protobuf.Any","value":{}}`, `{"@type":"type.googleapis.com/google.protobuf.Value","value":null}`,
	`{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}`, `{"@type":"type.googleapis.com/none.Such"}`, `{"@type":""}`, `{"@type":1}`,
	`{"@type":"google.protobuf.Empty","value":{}}`, `{"@type":"/google.protobuf.Empty","value":{}}`, `{"value":{}}`,
	`{"@type":"type.googleapis.com/google.protobuf.Empty","@type":"type.googleapis.com/google.protobuf.Empty","value":{}}`,
	`{"\u0040type":"type.googleapis.com/google.protobuf.Struct","value":{"@type":1}}`, `{"@type":null}`, `{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"a":[{"@type":"x"}]}}`,
}

// mutate changes the tree in one place, in a way a client could get it wrong or
// could spell it differently.
func (n *node) mutate(r *rand.Rand, names []string) {
	nodes := n.all()
	t := nodes[r.IntN(len(nodes))]
	pick := func() *node { return &node{text: oddScalars[r.IntN(len(oddScalars))]} }
	switch k := r.IntN(10); {
	case k == 0 && t.object && len(t.keys) > 0:
		// The same key again, with the same value, another or null.
		i := r.IntN(len(t.keys))
		value := t.children[i]
		if r.IntN(2) == 0 {
			value = pick()
		}
		at := r.IntN(len(t.keys) + 1)
		t.keys = append(t.keys[:at:at], append([]string{t.keys[i]}, t.keys[at:]...)...)
		t.children = append(t.children[:at:at], append([]*node{value}, t.children[at:]...)...)
	case k == 1 && t.object && len(t.keys) > 0:
		t.keys[r.IntN(len(t.keys))] = names[r.IntN(len(names))]
	case k == 2 && t.object:
		value := pick()
		if r.IntN(2) == 0 {
			value = nodes[r.IntN(len(nodes))].copied(4)
		}
		t.keys = append(t.keys, names[r.IntN(len(names))])
		t.children = append(t.children, value)
	case k == 3 && t.object && len(t.keys) > 0:
		// Another spelling of a map key, such as 01 for 1.
		i := r.IntN(len(t.keys))
		t.keys[i] = []string{"0" + t.keys[i], t.keys[i] + " ", "+" + t.keys[i], t.keys[i] + ".0", t.keys[i] + "e0", strings.ToUpper(t.keys[i]), "true", "-0", "1", ""}[r.IntN(10)]
	case k == 4 && t.object:
		r.Shuffle(len(t.keys), func(i, j int) {
			t.keys[i], t.keys[j] = t.keys[j], t.keys[i]
			t.children[i], t.children[j] = t.children[j], t.children[i]
		})
	case k == 5 && t.array:
		t.children = append(t.children, pick())
	case k == 6:
		*t = node{array: true, children: []*node{t.copied(4)}}
	case k == 7 && !t.object && !t.array:
		// A number as a string, a string as a number, an integer with an exponent.
		if s, err := strconv.Unquote(t.text); err == nil {
			t.text = s
		} else if r.IntN(2) == 0 {
			t.text = `"` + t.text + `"`
		} else {
			t.text += []string{"e0", ".0", "0e-1", "00e-2", "e1", ".5", "E+0"}[r.IntN(7)]
		}
	default:
		*t = *pick()
	}
}

// copied is a deep copy, cut off at a depth so that mutations cannot tie a knot.
func (n *node) copied(depth int) *node {
	c := *n
	c.keys = append([]string(nil), n.keys...)
	c.children = nil
	if depth == 0 {
		c.keys = nil
		return &c
	}
	for _, child := range n.children {
		c.children = append(c.children, child.copied(depth-1))
	}
	return &c
}
