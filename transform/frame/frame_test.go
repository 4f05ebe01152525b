package frame_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/frame"
)

// run cuts a stream that comes in chunks, puts what change makes of it in place of
// each message (nil keeps it), and gives the messages and what came out.
func run(form frame.Form, chunks [][]byte, change func(message string) *string) (messages []string, out string) {
	var s frame.Splitter
	s.Reset(form)
	var held, to []byte
	for i := range len(chunks) + 1 {
		end := i == len(chunks)
		if !end {
			held = append(held, chunks[i]...)
		}
		for {
			p, n := s.Next(held, end)
			if n == 0 {
				break
			}
			var by *string
			if p.IsMessage {
				messages = append(messages, string(p.Message))
				by = change(string(p.Message))
			}
			if by != nil {
				to = s.Append(to, p, []byte(*by))
			} else {
				to = append(to, p.Raw...)
			}
			held = append(held[:0], held[n:]...)
		}
	}
	return messages, string(to) + string(held)
}

func keep(string) *string { return nil }

// stepped is a stream byte by byte, which is the hardest of all cuts.
func stepped(in string) (out [][]byte) {
	for i := range len(in) {
		out = append(out, []byte{in[i]})
	}
	return out
}

func TestPieces(t *testing.T) {
	upper := func(message string) *string {
		message = strings.ToUpper(message)
		return &message
	}
	for _, test := range []struct {
		name, in, out string
		form          frame.Form
		messages      []string
	}{
		{name: "lines", in: "a\nb\r\n", messages: []string{"a", "b"}, out: "A\nB\r\n"},
		{name: "last line without an end", in: "a\nb", messages: []string{"a", "b"}, out: "A\nB"},
		{name: "blank lines", in: "\n \t\na\n\r\n", messages: []string{"a"}, out: "\n \t\nA\n\r\n"},
		{name: "nothing", in: ""},

		{form: frame.Events, name: "no events", in: ""},
		{form: frame.Events, name: "events", in: "data: a\n\ndata:b\n\n", messages: []string{"a", "b"}, out: "data: A\n\ndata: B\n\n"},
		{form: frame.Events, name: "other fields", in: "event: e\nid: 1\ndata: a\nretry: 5\n: c\nother\n\n", messages: []string{"a"}, out: "event: e\nid: 1\ndata: A\nretry: 5\n: c\nother\n\n"},
		{form: frame.Events, name: "joined", in: "data: a\nid: 1\ndata:  b\ndata\ndata:\n\n", messages: []string{"a\n b\n\n"}, out: "data: A\ndata:  B\ndata: \ndata: \nid: 1\n\n"},
		{form: frame.Events, name: "empty data", in: "data\n\ndata:\n\ndata: \n\n", messages: []string{"", "", ""}, out: "data: \n\ndata: \n\ndata: \n\n"},
		{form: frame.Events, name: "names that are not data", in: "Data: a\n\ndatax: a\n\n data: a\n\n", out: "Data: a\n\ndatax: a\n\n data: a\n\n"},
		{form: frame.Events, name: "comments", in: ":\n: ping\n\n:p\ndata: a\n\n\n:q\n", messages: []string{"a"}, out: ":\n: ping\n\n:p\ndata: A\n\n\n:q\n"},
		{form: frame.Events, name: "CRLF", in: ":p\r\nid: 1\r\ndata: a\r\n\r\nid: 2\r\n\r\n", messages: []string{"a"}, out: ":p\r\nid: 1\ndata: A\n\nid: 2\r\n\r\n"},
		{form: frame.Events, name: "CR", in: ":p\rid: 1\rdata: a\r\rdata: b\r\r", messages: []string{"a", "b"}, out: ":p\rid: 1\ndata: A\n\ndata: B\n\n"},
		// Without the second line the CR and the LF behind it would be one end.
		{form: frame.Events, name: "ends that must not meet", in: "data: a\rid: 1\rdata: b\n\n", messages: []string{"a\nb"}, out: "data: A\ndata: B\nid: 1\n\n"},
		{form: frame.Events, name: "byte order mark", in: "\xEF\xBB\xBFdata: a\n\n\xEF\xBB\xBFdata: b\n\n", messages: []string{"a"}, out: "\xEF\xBB\xBFdata: A\n\n\xEF\xBB\xBFdata: b\n\n"},
		{form: frame.Events, name: "no final blank line", in: "data: a\n\nid: 1\ndata: b\n", messages: []string{"a", "b"}, out: "data: A\n\nid: 1\ndata: B\n"},
		{form: frame.Events, name: "no final line end", in: "data: a\n\ndata: b", messages: []string{"a", "b"}, out: "data: A\n\ndata: B\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, chunks := range map[string][][]byte{"whole": {[]byte(test.in)}, "by bytes": stepped(test.in)} {
				messages, out := run(test.form, chunks, keep)
				require.Equal(t, test.messages, messages, name)
				require.Equal(t, test.in, out, name)
				_, out = run(test.form, chunks, upper)
				require.Equal(t, test.out, out, name)
			}
		})
	}
}

// A message is there with the last byte that it needs, and what stands before an
// event at once.
func TestNothingWaits(t *testing.T) {
	for _, test := range []struct {
		form  frame.Form
		first string
	}{
		{frame.Lines, "a\n"}, {frame.Lines, "a\r\n"},
		{frame.Events, "data: a\n\n"}, {frame.Events, "data: a\r\r"}, {frame.Events, "data: a\r\n\r"},
		{frame.Events, ":\n"}, {frame.Events, ":\r"}, {frame.Events, "\n"},
	} {
		var s frame.Splitter
		s.Reset(test.form)
		for i := range test.first {
			_, n := s.Next([]byte(test.first[:i]), false)
			require.Zero(t, n, "%q", test.first[:i])
		}
		p, n := s.Next([]byte(test.first), false)
		require.Equal(t, len(test.first), n, "%q", test.first)
		require.Equal(t, strings.Contains(test.first, "a"), p.IsMessage)
	}
}

// A message can be no more than one.
func TestForgedEvents(t *testing.T) {
	for message, want := range map[string]string{
		"a\n\nevent: x\ndata: b\n\n": "data: a\ndata: \ndata: event: x\ndata: data: b\ndata: \ndata: \n\n",
		"a\r\rdata: b\r\n\r\nc":      "data: a\ndata: \ndata: data: b\ndata: \ndata: c\n\n",
		"\n":                         "data: \ndata: \n\n",
		"":                           "data: \n\n",
		" a":                         "data:  a\n\n",
	} {
		_, out := run(frame.Events, [][]byte{[]byte("data: x\n\n")}, func(string) *string { return &message })
		require.Equal(t, want, out)
		again, _ := run(frame.Events, [][]byte{[]byte(out)}, keep)
		require.Equal(t, []string{strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(message)}, again)
	}
}

// slowEvents reads events as the standard says it, all at once: it gives those that
// are dispatched, and what is left at the end as one more.
func slowEvents(in string) (messages []string) {
	in = strings.TrimPrefix(in, "\xEF\xBB\xBF")
	in = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(in)
	data, any := "", false
	for _, line := range append(strings.Split(in, "\n"), "") {
		name, value, _ := strings.Cut(line, ":")
		switch {
		case line == "" && any:
			messages = append(messages, strings.TrimSuffix(data, "\n"))
			data, any = "", false
		case name == "data":
			data, any = data+strings.TrimPrefix(value, " ")+"\n", true
		}
	}
	return messages
}

// slowLines are the lines that are not blank.
func slowLines(in string) (messages []string) {
	for line := range strings.SplitSeq(in, "\n") {
		if line = strings.TrimSuffix(line, "\r"); strings.Trim(line, " \t\r") != "" {
			messages = append(messages, line)
		}
	}
	return messages
}

// FuzzChunks cuts streams anywhere: messages and what comes out are the same, the
// messages are those of the slow reader, and a reader of what was changed sees the
// changes and nothing else.
func FuzzChunks(f *testing.F) {
	for _, seed := range []string{
		"data: a\n\ndata: b\n\n", ":p\r\n\r\nid: 1\rdata: a\r\r\ndata\r\n\r\n", "\xEF\xBB\xBFdata:x", "{\"a\":1}\n\n{}\r\n", "data: a\rid:1\rdata: b\n\n:x\r\n\r",
	} {
		f.Add([]byte(seed), []byte{1, 2, 3}, "x\r\ny")
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte, by string) {
		var chunks [][]byte
		for i, rest := 0, in; len(rest) > 0; i++ {
			n := len(rest)
			if len(cuts) > 0 {
				n = min(n, int(cuts[i%len(cuts)])%7+1)
			}
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		for form, slow := range map[frame.Form]func(string) []string{frame.Lines: slowLines, frame.Events: slowEvents} {
			if form == frame.Lines {
				by = strings.NewReplacer("\r", "", "\n", "").Replace("x" + by)
			}
			want := slow(string(in))
			messages, out := run(form, chunks, keep)
			require.Equal(t, string(in), out)
			require.Equal(t, want, messages)
			// Every other message becomes another one.
			change := func() func(string) *string {
				i := 0
				return func(string) *string {
					if i++; i%2 == 1 {
						return &by
					}
					return nil
				}
			}
			_, whole := run(form, [][]byte{in}, change())
			_, out = run(form, chunks, change())
			require.Equal(t, whole, out)
			for i := range want {
				if i%2 == 0 {
					want[i] = by
					if form == frame.Events {
						want[i] = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(by)
					}
				}
			}
			require.Equal(t, want, slow(out), fmt.Sprintf("%q", out))
		}
	})
}

// BenchmarkEvents cuts a stream that comes in 32 KiB.
func BenchmarkEvents(b *testing.B) {
	data := bytes.Repeat([]byte("id: 1\ndata: {\"title\":\"The Name of the Rose\",\"price\":12}\n\n"), 600)
	var s frame.Splitter
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		s.Reset(frame.Events)
		for rest := data; len(rest) > 0; {
			_, n := s.Next(rest, false)
			rest = rest[n:]
		}
	}
}
