package codec_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// TestDepthLimit checks that both ways stop at the limit, whatever nests, and
// that what was accepted as JSON can be printed again. On the wire a map's entry
// is a message of its own, as it is for the referee.
func TestDepthLimit(t *testing.T) {
	u := fixedUniverse(t)
	md := u.message(t, "codec.test.three.All")
	m := u.codec.Message(md.FullName())
	const limit = 20
	for _, test := range []struct {
		name, first, open, end, last string
		perLevel                     int // messages on the wire
	}{
		{"message", "", `{"child":`, `}`, "", 1},
		{"repeated", "", `{"children":[`, `]}`, "", 1},
		{"map", "", `{"messageMap":{"":`, `}}`, "", 2},
		{"oneof", "", `{"message":`, `}`, "", 1},
		{"any", `{"any":`, `{"@type":"/codec.test.three.All","any":`, `}`, "}", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := func(levels int) []byte {
				return []byte(test.first + strings.Repeat(test.open, levels) + "{}" + strings.Repeat(test.end, levels) + test.last)
			}
			accepted := 0
			for levels := 1; levels < 3*limit; levels++ {
				_, err := m.AppendWire(nil, text(levels), &codec.Scratch{MaxDepth: limit}, nil)
				if err != nil {
					requireKind(t, codec.KindDepth, err)
					continue
				}
				require.Equal(t, levels-1, accepted, "%d levels are accepted, fewer are not", levels)
				accepted = levels
			}
			require.LessOrEqual(t, accepted, limit)
			require.GreaterOrEqual(t, accepted, limit/test.perLevel-1)

			for levels := 1; levels < 3*limit; levels++ {
				whole, err := u.parseJSON(md, text(levels), true)
				require.NoError(t, err)
				wire, err := proto.Marshal(whole)
				require.NoError(t, err)
				_, err = m.AppendJSON(nil, wire, &codec.Scratch{MaxDepth: limit})
				if levels*test.perLevel+2 <= limit {
					require.NoError(t, err, "%d levels", levels)
				} else if levels > limit {
					requireKind(t, codec.KindDepth, err)
				}
			}
		})
	}
}

// TestDepthOfValues checks that JSON in JSON cannot nest without end either.
func TestDepthOfValues(t *testing.T) {
	u := fixedUniverse(t)
	m := u.codec.Message("google.protobuf.Value")
	for _, brackets := range []string{"[]", "{}"} {
		open, end := brackets[:1], brackets[1:]
		if open == "{" {
			open = `{"":`
		}
		text := strings.Repeat(open, 100000) + "1" + strings.Repeat(end, 100000)
		_, err := m.AppendWire(nil, []byte(text), new(codec.Scratch), nil)
		requireKind(t, codec.KindDepth, err)
	}
}

// TestDepthOfAnys checks that an Any in an Any counts, although its JSON is
// below "value" and not among the fields of a message.
func TestDepthOfAnys(t *testing.T) {
	m := fixedUniverse(t).codec.Message("google.protobuf.Any")
	text := func(levels int) []byte {
		return []byte(strings.Repeat(`{"@type":"/google.protobuf.Any","value":`, levels) + `{}` + strings.Repeat(`}`, levels))
	}
	for levels, fits := range map[int]bool{19: true, 20: false, 100_000: false} {
		wire, err := m.AppendWire(nil, text(levels), &codec.Scratch{MaxDepth: 20}, nil)
		if !fits {
			requireKind(t, codec.KindDepth, err)
			continue
		}
		require.NoError(t, err, levels)
		_, err = m.AppendJSON(nil, wire, &codec.Scratch{MaxDepth: 20})
		require.NoError(t, err, levels)
	}
}

// TestSizeLimit checks that JSON is refused that is longer than allowed, whatever
// part of it is long, and that the limit itself is allowed.
func TestSizeLimit(t *testing.T) {
	u := fixedUniverse(t)
	md := u.message(t, "codec.test.three.All")
	m := u.codec.Message(md.FullName())
	for _, text := range []string{
		`{"string":"` + strings.Repeat("a", 500) + `"}`,
		`{"bytes":"` + strings.Repeat("AAAA", 100) + `"}`,
		`{"int32s":[` + strings.Repeat("1,", 200) + `1]}`,
		`{"strings":[` + strings.Repeat(`"a",`, 200) + `"a"]}`,
		`{"stringMap":{"` + strings.Repeat("a", 300) + `":""}}`,
		`{"children":[` + strings.Repeat("{},", 200) + `{}]}`,
		`{"list":[` + strings.Repeat("1,", 200) + `1]}`,
	} {
		wire, err := m.AppendWire(nil, []byte(text), new(codec.Scratch), nil)
		require.NoError(t, err)
		out, err := m.AppendJSON([]byte("prefix"), wire, &codec.Scratch{MaxJSON: len(text)})
		require.NoError(t, err)
		require.Equal(t, "prefix"+text, string(out))
		out, err = m.AppendJSON([]byte("prefix"), wire, &codec.Scratch{MaxJSON: len(text) - 1})
		requireKind(t, codec.KindTooLarge, err)
		require.Equal(t, "prefix", string(out))
	}
}
