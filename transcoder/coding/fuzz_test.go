package coding_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/coding"
)

// FuzzInflate reads bodies of any bytes: what is taken is what the libraries
// inflate when they have all of it at once, and never more than the limit.
func FuzzInflate(f *testing.F) {
	var zipped bytes.Buffer
	gz := gzip.NewWriter(&zipped)
	gz.Name = "name"
	_, err := gz.Write([]byte("{}"))
	require.NoError(f, err)
	require.NoError(f, gz.Close())
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(f, err)
	f.Add(false, zipped.Bytes())
	f.Add(false, append(zipped.Bytes(), zipped.Bytes()[:14]...))
	f.Add(true, encoder.EncodeAll([]byte("{}"), nil))
	f.Add(true, []byte("\x28\xb5\x2f\xfd\x00\x68\x01\x00\x00"))
	f.Add(true, []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc"))
	const limit = 16 << 10
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8<<20))
	require.NoError(f, err)
	f.Cleanup(decoder.Close)
	f.Fuzz(func(t *testing.T, zstandard bool, body []byte) {
		name, want := "gzip", []byte(nil)
		var err error
		if zstandard {
			name = "zstd"
			want, err = decoder.DecodeAll(body, nil)
		} else if r, bad := gzip.NewReader(bytes.NewReader(body)); bad != nil {
			err = bad
		} else {
			want, err = io.ReadAll(io.LimitReader(r, 2*limit))
		}
		r := &http.Request{Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1}
		inflated, travelled, got := coding.Read(nil, r, name, limit)
		require.LessOrEqual(t, len(inflated), limit+1)
		require.LessOrEqual(t, travelled, int64(len(body)))
		at, err2 := coding.Inflate([]byte("x"), body, name, limit)
		require.Equal(t, got == nil, err2 == nil, "%v, at once: %v", got, err2)
		if got == nil {
			require.Equal(t, "x"+string(inflated), string(at))
		}
		if got != nil {
			require.NotEmpty(t, got.Message)
			return
		}
		require.EqualValues(t, len(body), travelled, "all of it was read")
		if len(body) > 0 {
			require.NoError(t, err)
			require.Equal(t, len(want), len(inflated))
			require.True(t, bytes.Equal(want, inflated))
		}
	})
}
