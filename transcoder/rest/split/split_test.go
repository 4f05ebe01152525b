package split

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// split gives the elements of a body that arrives in these pieces, and the error
// at its end; nil for a whole one.
func split(form Form, limit int, pieces ...[]byte) (elements []string, _ error) {
	var s Splitter
	s.Reset(form, limit)
	take := func() error {
		for {
			element, err := s.Next()
			if element == nil {
				return err
			}
			elements = append(elements, string(element))
		}
	}
	for _, piece := range pieces {
		for len(piece) > 0 {
			if err := take(); err != nil {
				return elements, err
			}
			n := copy(s.Space(), piece)
			s.Add(n)
			piece = piece[n:]
		}
	}
	if err := take(); err != nil {
		return elements, err
	}
	s.End()
	err := take()
	if errors.Is(err, io.EOF) {
		err = nil
	} else if err == nil {
		err = errors.New("no end")
	}
	if cap(s.buf) > limit+readSize {
		err = fmt.Errorf("a buffer of %d bytes for elements of %d", cap(s.buf), limit)
	}
	return elements, err
}

const limit = 40

var cases = []struct {
	name, in string
	form     Form
	want     []string
	wantErr  string
}{
	{name: "array", in: `[{"a":1},{"b":[2]}]`, form: Array, want: []string{`{"a":1}`, `{"b":[2]}`}},
	{name: "no elements", in: `[]`, form: Array},
	{name: "no elements, spaced", in: "\r\n [ \t] \n", form: Array},
	{name: "nothing", in: ``, form: Array},
	{name: "white space only", in: " \n", form: Array},
	{name: "white space around", in: " [ {} ,\n{ } ] ", form: Array, want: []string{`{}`, `{ }`}},
	{name: "scalars", in: `[1,-2.5e3, true ,null,"x","a]\"\\",""]`, form: Array,
		want: []string{`1`, `-2.5e3`, `true`, `null`, `"x"`, `"a]\"\\"`, `""`}},
	{name: "arrays", in: `[[1,[2]],[],[{}]]`, form: Array, want: []string{`[1,[2]]`, `[]`, `[{}]`}},
	{name: "brackets in strings", in: `[{"]}":"[{\"}\\"}]`, form: Array, want: []string{`{"]}":"[{\"}\\"}`}},
	{name: "an object", in: ` {"a":1}`, form: Array, wantErr: `want a JSON array, which begins with "[", got "{" (byte 1)`},
	{name: "no JSON", in: `hello`, form: Array, wantErr: `got "h" (byte 0)`},
	{name: "more behind it", in: `[1] 2`, form: Array, want: []string{"1"}, wantErr: `there is more behind the array: "2" (byte 4)`},
	{name: "two arrays", in: `[1][2]`, form: Array, want: []string{"1"}, wantErr: `there is more behind the array`},
	{name: "comma first", in: `[,1]`, form: Array, wantErr: `want element 0, got "," (byte 1)`},
	{name: "comma last", in: `[1,]`, form: Array, want: []string{"1"}, wantErr: `want element 1, got "]" (byte 3)`},
	{name: "no comma", in: `[{}{}]`, form: Array, want: []string{"{}"}, wantErr: `want "," or "]" behind element 0, got "{" (byte 3)`},
	{name: "no comma behind a number", in: `[1"x"]`, form: Array, want: []string{"1"}, wantErr: `got "\"" (byte 2)`},
	{name: "wrong bracket", in: `[1}`, form: Array, want: []string{"1"}, wantErr: `got "}" (byte 2)`},
	{name: "high byte", in: "[1 \xff]", form: Array, want: []string{"1"}, wantErr: `got "\xff" (byte 3)`},
	{name: "cut before the first", in: ` [ `, form: Array, wantErr: "the body ends within its array, after 0 elements (byte 3)"},
	{name: "cut in an element", in: `[{},{"a":`, form: Array, want: []string{"{}"}, wantErr: "after 1 elements (byte 9)"},
	{name: "cut in a string", in: `["a\`, form: Array, wantErr: "after 0 elements (byte 4)"},
	{name: "cut in a number", in: `[12`, form: Array, wantErr: "after 0 elements (byte 3)"},
	{name: "cut behind one", in: `[12 `, form: Array, want: []string{"12"}, wantErr: "after 1 elements (byte 4)"},
	{name: "cut behind a comma", in: `[{},`, form: Array, want: []string{"{}"}, wantErr: "after 1 elements (byte 4)"},
	{name: "as large as it may be", in: `["` + strings.Repeat("a", limit-2) + `"]`, form: Array,
		want: []string{`"` + strings.Repeat("a", limit-2) + `"`}},
	{name: "too large", in: `[1,"` + strings.Repeat("a", limit-1) + `"]`, form: Array, want: []string{"1"},
		wantErr: "element 1 is larger than 40 bytes (byte 3)"},
	{name: "a number that is too large", in: `[` + strings.Repeat("1", limit+1) + `]`, form: Array,
		wantErr: "element 0 is larger than 40 bytes (byte 1)"},
	{name: "too large and cut", in: `[1,"` + strings.Repeat("a", limit), form: Array, want: []string{"1"},
		wantErr: "element 1 is larger than 40 bytes (byte 3)"},
	{name: "white space is not counted", in: `[` + strings.Repeat(" ", 3*limit) + `1]`, form: Array, want: []string{"1"}},

	{name: "lines", in: "{\"a\":1}\n{\"b\":2}\n", form: Lines, want: []string{`{"a":1}`, `{"b":2}`}},
	{name: "last line without its end", in: "{}\n[1]", form: Lines, want: []string{`{}`, `[1]`}},
	{name: "empty lines", in: "\n \n{}\r\n\t\r\n\n{}  ", form: Lines, want: []string{`{}`, `{}`}},
	{name: "no lines", in: "", form: Lines},
	{name: "empty lines only", in: "\n\n", form: Lines},
	{name: "a line as large as it may be", in: strings.Repeat("1", limit) + "\n2", form: Lines, want: []string{strings.Repeat("1", limit), "2"}},
	{name: "a line too large", in: "1\n" + strings.Repeat("1", limit+1) + "\n", form: Lines, want: []string{"1"},
		wantErr: "element 1 is larger than 40 bytes (byte 2)"},
	{name: "a line too large without end", in: strings.Repeat("1", 3*limit), form: Lines, wantErr: "element 0 is larger than 40 bytes (byte 0)"},
	{name: "white space in front of a line is not counted", in: strings.Repeat(" ", 3*limit) + "1", form: Lines, want: []string{"1"}},

	{name: "an array by its first byte", in: "\n[1,2]", form: ByFirst, want: []string{"1", "2"}},
	{name: "lines by their first byte", in: "\n1\n[2]", form: ByFirst, want: []string{"1", "[2]"}},
	{name: "neither", in: " \n", form: ByFirst},
	{name: "nothing at all", in: "", form: ByFirst},
}

func TestSplit(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := split(c.form, limit, []byte(c.in))
			require.Equal(t, c.want, got)
			if c.wantErr == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.wantErr)
				var own *Error
				require.ErrorAs(t, err, &own)
				require.Equal(t, strings.Contains(c.wantErr, "larger"), own.TooLarge)
			}
			everySplit(t, c.form, limit, []byte(c.in))
		})
	}
}

// everySplit requires that a body gives the same however it arrives.
func everySplit(t *testing.T, form Form, limit int, in []byte) {
	t.Helper()
	want, wantErr := split(form, limit, in)
	same := func(how string, pieces ...[]byte) {
		got, err := split(form, limit, pieces...)
		require.Equal(t, want, got, how)
		require.Equal(t, wantErr, err, how)
	}
	single := make([][]byte, 0, len(in))
	for i := range in {
		same(fmt.Sprintf("split at %d", i), in[:i], in[i:])
		single = append(single, in[i:i+1])
	}
	same("byte by byte", single...)
}

// TestManyInOneRead is row F18: however many elements come at once, all are
// found, and a buffer of usual size is enough for them.
func TestManyInOneRead(t *testing.T) {
	const many = 5000
	body := []byte("[" + strings.Repeat(`{"name":"a"},`, many-1) + `{"name":"a"}]`)
	got, err := split(Array, 1<<20, body)
	require.NoError(t, err)
	require.Len(t, got, many)

	var s Splitter
	s.Reset(Array, 1<<20)
	for at := 0; at < len(body); {
		n := copy(s.Space(), body[at:])
		s.Add(n)
		at += n
		for {
			element, err := s.Next()
			if element == nil || err != nil {
				break
			}
		}
	}
	require.Equal(t, many, s.Count())
	require.LessOrEqual(t, cap(s.buf), 2*readSize)
}

// TestLargeThenSmall: the memory of a large element goes with it.
func TestLargeThenSmall(t *testing.T) {
	var s Splitter
	s.Reset(Lines, 4<<20)
	large := append(bytes.Repeat([]byte("1"), 1<<20), '\n')
	for at := 0; at < len(large); {
		element, err := s.Next()
		require.NoError(t, err)
		require.Nil(t, element)
		n := copy(s.Space(), large[at:])
		s.Add(n)
		at += n
	}
	element, err := s.Next()
	require.NoError(t, err)
	require.Len(t, element, 1<<20)
	element, err = s.Next()
	require.NoError(t, err)
	require.Nil(t, element)
	s.Space()
	require.LessOrEqual(t, cap(s.buf), readSize)
}

func FuzzSplit(f *testing.F) {
	for _, c := range cases {
		f.Add(uint8(c.form), []byte(c.in))
	}
	f.Fuzz(func(t *testing.T, form uint8, in []byte) {
		if len(in) > 200 {
			in = in[:200]
		}
		kind := Form(form % 3)
		everySplit(t, kind, limit, in)
		everySplit(t, kind, 1<<10, in)
		got, err := split(kind, 1<<10, in)
		for _, one := range got {
			if !json.Valid([]byte(one)) {
				return // for whoever reads it
			}
		}
		want, ok := oracle(kind, in)
		if !ok {
			require.Error(t, err, "%q", in)
			return
		}
		require.NoError(t, err, "%q", in)
		require.Equal(t, want, got, "%q", in)
	})
}

// oracle is what encoding/json makes of a body all of whose elements are valid.
func oracle(form Form, in []byte) (elements []string, ok bool) {
	trimmed := bytes.Trim(in, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, true
	}
	if form == Array || form == ByFirst && trimmed[0] == '[' {
		var all []json.RawMessage
		if trimmed[0] != '[' || json.Unmarshal(in, &all) != nil {
			return nil, false
		}
		for _, one := range all {
			elements = append(elements, string(one))
		}
		return elements, true
	}
	for line := range bytes.SplitSeq(in, []byte("\n")) {
		if line = bytes.Trim(line, " \t\r"); len(line) == 0 {
			continue
		}
		var one json.RawMessage
		d := json.NewDecoder(bytes.NewReader(line))
		if d.Decode(&one) != nil {
			return nil, false
		}
		if _, err := d.Token(); err != io.EOF {
			return nil, false
		}
		elements = append(elements, string(one))
	}
	return elements, true
}

// TestAllocations: a splitter that is used again allocates nothing.
func TestAllocations(t *testing.T) {
	body := []byte("[" + strings.Repeat(`{"name":"shelves/1","theme":"a \"b\""},`, 99) + `{}]`)
	var s Splitter
	n := testing.AllocsPerRun(100, func() { through(&s, body) })
	require.Zero(t, n)
}

func through(s *Splitter, body []byte) {
	s.Reset(Array, 1<<20)
	for len(body) > 0 {
		n := copy(s.Space(), body)
		s.Add(n)
		body = body[n:]
		for {
			element, _ := s.Next()
			if element == nil {
				break
			}
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	const many = 1000
	body := []byte("[" + strings.Repeat(`{"name":"shelves/1","theme":"a \"b\""},`, many-1) + `{}]`)
	var s Splitter
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		through(&s, body)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/many, "ns/message")
}
