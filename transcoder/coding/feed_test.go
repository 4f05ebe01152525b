package coding_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
)

// Whatever was flushed is there when its bytes have been given, however they were
// cut.
func TestFeeder(t *testing.T) {
	for _, name := range []string{"gzip", "zstd"} {
		for _, size := range []int{1, 7, 1 << 20} {
			var coded bytes.Buffer
			e := coding.NewEncoder(&coded, name)
			f := coding.NewFeeder(name, 1<<20)
			var got []byte
			give := func(end bool) {
				for end || coded.Len() > 0 {
					piece := coded.Next(size)
					last := end && coded.Len() == 0
					fault, err := f.Feed(piece, last, func(p []byte) error { got = append(got, p...); return nil })
					require.Nil(t, fault)
					require.NoError(t, err)
					if last {
						return
					}
				}
			}
			large := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
			for _, message := range [][]byte{[]byte("first"), []byte("second"), large} {
				got = got[:0]
				_, err := e.Write(message)
				require.NoError(t, err)
				require.NoError(t, e.Flush())
				give(false)
				require.Equal(t, string(message), string(got), name)
			}
			got = got[:0]
			require.NoError(t, e.Close())
			e.Release()
			give(true)
			require.Empty(t, got)
			f.Release()
		}
	}
}

func TestFeederFaults(t *testing.T) {
	none := func([]byte) error { return nil }
	for _, name := range []string{"gzip", "zstd"} {
		coded := coding.Append(nil, []byte("some text that is long enough"), name)
		for body, want := range map[string]rpc.Reason{
			"": "", string(coded): "", string(coded[:len(coded)-1]): rpc.InvalidBody, "not that coding at all": rpc.InvalidBody,
		} {
			f := coding.NewFeeder(name, 1<<20)
			fault, err := f.Feed([]byte(body), true, none)
			require.NoError(t, err)
			if want == "" {
				require.Nil(t, fault, "%s %q", name, body)
			} else {
				require.Equal(t, want, fault.Reason, "%s %q", name, body)
			}
			f.Release()
		}
		f := coding.NewFeeder(name, 1<<20)
		stop := errors.New("stop")
		_, err := f.Feed(coded, true, func([]byte) error { return stop })
		require.ErrorIs(t, err, stop)
		f.Release()
	}
}

// One that is let go of in the middle leaves nothing behind.
func TestFeederReleased(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 100 {
		f := coding.NewFeeder("gzip", 1<<20)
		_, _ = f.Feed(coding.Append(nil, []byte("text"), "gzip")[:12], false, func([]byte) error { return nil })
		f.Release()
		coding.NewFeeder("zstd", 1).Release()
	}
	require.Less(t, runtime.NumGoroutine(), before+10)
}

func FuzzFeeder(f *testing.F) {
	f.Add(coding.Append(nil, []byte("text"), "gzip"), uint8(3))
	f.Add(coding.Append(nil, []byte("text"), "zstd"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		for _, name := range []string{"gzip", "zstd"} {
			const limit = 1 << 16
			in := coding.NewInflater(bytes.NewReader(data), name, limit, 1<<62)
			want, end := io.ReadAll(io.LimitReader(in, limit))
			wantFault := in.Fault(nil, end)
			in.Release()
			var got []byte
			feeder := coding.NewFeeder(name, limit)
			enough := errors.New("enough")
			var fault *rpc.Error
			var err error
			for rest := data; fault == nil && err == nil; {
				n := min(len(rest), int(step)+1)
				fault, err = feeder.Feed(rest[:n], n == len(rest), func(p []byte) error {
					if got = append(got, p...); len(got) >= limit {
						return enough
					}
					return nil
				})
				if rest = rest[n:]; len(rest) == 0 {
					break
				}
			}
			feeder.Release()
			if len(want) == limit || err != nil {
				continue
			}
			require.Equal(t, string(want), string(got))
			require.Equal(t, wantFault == nil, fault == nil)
		}
	})
}
