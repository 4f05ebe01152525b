package codec_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// halfMask selects every second field, below every message of md too.
func halfMask(md protoreflect.MessageDescriptor, depth int) (mask string) {
	fds := md.Fields()
	for i := 0; i < fds.Len(); i += 2 {
		if mask != "" {
			mask += ","
		}
		mask += string(fds.Get(i).Name())
		if sub := inside(fds.Get(i)); sub != nil && depth > 0 {
			mask += "(" + halfMask(sub, depth-1) + ")"
		}
	}
	return mask
}

func BenchmarkMask(b *testing.B) {
	for _, s := range samples(b) {
		scratch, buf := &codec.Scratch{}, make([]byte, 0, 1<<20)
		measure(b, s.name+"/body", len(s.text), func() error {
			_, err := s.codec.AppendMask(buf, s.text, nil, scratch)
			return err
		})
		mask := halfMask(s.md, 3)
		k, err := s.codec.ParseMask(mask)
		require.NoError(b, err)
		measure(b, s.name+"/cut", len(s.wire), func() error {
			_, err := k.AppendCut(buf, s.wire, scratch)
			return err
		})
		cut := make([]byte, 0, 1<<20)
		measure(b, s.name+"/cut+json", len(s.wire), func() error {
			if cut, err = k.AppendCut(cut[:0], s.wire, scratch); err != nil {
				return err
			}
			_, err := s.codec.AppendJSON(buf, cut, scratch)
			return err
		})
		measure(b, s.name+"/json", len(s.wire), func() error {
			_, err := s.codec.AppendJSON(buf, s.wire, scratch)
			return err
		})
		measure(b, s.name+"/parse", len(mask), func() error {
			_, err := s.codec.ParseMask(mask)
			return err
		})
	}
}
