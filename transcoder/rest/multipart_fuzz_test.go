package rest

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// FuzzMultipart checks that no form makes the reader panic, that its limits hold,
// and that a form which arrives byte by byte has the same parts as one that is
// there, though the memory of that one is used for the parts.
func FuzzMultipart(f *testing.F) {
	for _, body := range []string{
		"", "--x--", "--x\r\n", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n",
		"pre\r\n--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\nContent-Type: a/b\r\n\r\n\r\n--x\r\nContent-Disposition: form-data; name=c\r\n\r\n--x\r\n--x--post",
		"--x\nContent-Disposition: form-data; name=a\n\nb\n--x  \nContent-Disposition: form-data; name=a\n\nb\n--x--",
		"--x\r\nContent-Disposition: form-data; name*=UTF-8''%41\r\nX:" + strings.Repeat(" y", maxPartHead/2) + "\r\n\r\n--x--",
		"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n" + strings.Repeat("\r\n--", 3000) + "\r\n--x--",
	} {
		f.Add(body, "x")
		f.Add(strings.ReplaceAll(body, "x", "a b"), "a b")
	}
	s := transcoder.DefaultSettings()
	s.MaxQueryParameters = 3
	l := &rule{settings: &s}
	f.Fuzz(func(t *testing.T, body, boundary string) {
		if !isBoundary(boundary) {
			t.Skip()
		}
		k := &work{body: []byte(body)}
		refused := l.readParts(k, boundary)
		require.LessOrEqual(t, len(k.parts), s.MaxQueryParameters)
		if refused != nil {
			require.Equal(t, rpc.InvalidBody, refused.Reason, "%v", refused)
		}
		var form formReader
		form.begin(iotest.OneByteReader(strings.NewReader(body)), boundary, s.MaxQueryParameters, nil)
		for i := 0; ; i++ {
			part, content, err := form.next()
			if err != nil && form.gate.over {
				return // read ahead or not, a little more or less is too much
			}
			if content == nil {
				require.Equal(t, refused == nil, err == nil, "%v, %v", refused, err)
				require.Len(t, k.parts, i)
				return
			}
			data, err := io.ReadAll(content)
			if err != nil {
				require.NotNil(t, refused)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				return
			}
			if i == len(k.parts) {
				require.NotNil(t, refused)
				return // refused for its head, which has another size there
			}
			part.Data = k.parts[i].Data
			require.Equal(t, part, k.parts[i])
			require.True(t, bytes.Equal(data, part.Data), "%q, %q", data, part.Data)
		}
	})
}
