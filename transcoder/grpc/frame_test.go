package grpc

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// FuzzFrames: whatever comes, in pieces of any size, ends with io.EOF or with an
// error that says what is wrong, no message is over the limit, and the pieces make
// no difference.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add([]byte{0, 0, 0, 0, 0}, false)
	f.Add([]byte{0, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 1, 'd'}, false)
	f.Add([]byte{0, 255, 255, 255, 255, 'a'}, false)
	f.Add([]byte{1, 0, 0, 0, 1, 'a'}, true)
	f.Add([]byte{2, 0, 0, 0, 0}, true)
	f.Add([]byte{0, 0, 0}, true)
	zipped := rpc.NewBuffer()
	zipped.B = append(zipped.B, bytes.Repeat([]byte("dragoman"), 100)...)
	small := deflate(zipped)
	f.Add(append([]byte{1, 0, 0, 0, byte(len(small.B))}, small.B...), true)
	f.Fuzz(func(t *testing.T, body []byte, gzip bool) {
		const limit = 1 << 10
		whole, err := read(bytes.NewReader(body), limit, gzip)
		pieces, again := read(iotest.OneByteReader(bytes.NewReader(body)), limit, gzip)
		require.Equal(t, whole, pieces)
		require.Equal(t, err, again)
		for _, m := range whole {
			require.LessOrEqual(t, len(m), limit)
		}
		if !errors.Is(err, io.EOF) {
			var e *rpc.Error
			require.ErrorAs(t, err, &e)
		}
	})
}

// read takes all messages, and the error that ends them.
func read(body io.Reader, limit int, gzip bool) (messages []string, err error) {
	var frames frameReader
	frames.reset(body, limit, gzip)
	for {
		msg, err := frames.next()
		if err != nil {
			return messages, err
		}
		messages = append(messages, string(msg.B))
		msg.Release()
	}
}

// TestFrameSizes crosses every border between what is read ahead and what is read
// into the message.
func TestFrameSizes(t *testing.T) {
	var body bytes.Buffer
	var want []string
	for _, n := range []int{0, 1, 4085, 4086, 4090, 4091, 4096, 9000, 100_000, 0, 5} {
		text := string(bytes.Repeat([]byte{byte(n)}, n))
		body.Write([]byte{0, 0, byte(n >> 16), byte(n >> 8), byte(n)})
		body.WriteString(text)
		want = append(want, text)
	}
	for name, r := range map[string]func(io.Reader) io.Reader{
		"whole":  func(r io.Reader) io.Reader { return r },
		"bytes":  iotest.OneByteReader,
		"halves": iotest.HalfReader,
		"errors": iotest.DataErrReader,
	} {
		got, err := read(r(bytes.NewReader(body.Bytes())), 1<<20, false)
		require.ErrorIs(t, err, io.EOF, name)
		require.Equal(t, want, got, name)
	}
}

// TestFrameBodyError: an error of the body is passed on as it is.
func TestFrameBodyError(t *testing.T) {
	lost := errors.New("lost")
	for _, start := range [][]byte{nil, {0, 0}, {0, 0, 0, 0, 9, 'x'}} {
		_, err := read(io.MultiReader(bytes.NewReader(start), iotest.ErrReader(lost)), 1<<10, false)
		require.ErrorIs(t, err, lost)
	}
}

func TestPercentEncode(t *testing.T) {
	for in, want := range map[string]string{
		"":            "",
		"plain ~text": "plain ~text",
		"100%":        "100%25",
		"a\r\nb\x00":  "a%0D%0Ab%00",
		"näive":       "n%C3%A4ive",
		"\xff":        "%EF%BF%BD",
		"\x7f":        "%7F",
	} {
		require.Equal(t, want, percentEncode(in), "%q", in)
	}
	const most = maxMessageText
	for in, want := range map[string]string{
		strings.Repeat("a", most):                  strings.Repeat("a", most),
		strings.Repeat("a", most+1):                strings.Repeat("a", most) + "%E2%80%A6",
		strings.Repeat("a", most-1) + "ä":          strings.Repeat("a", most-1) + "%E2%80%A6",
		strings.Repeat("\x80", most+1):             "%EF%BF%BD%E2%80%A6",
		strings.Repeat("a", most-2) + "\U0001F600": strings.Repeat("a", most-2) + "%E2%80%A6",
	} {
		require.Equal(t, want, percentEncode(in), "%d bytes", len(in))
	}
}
