package codec

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// tree is nested length-delimited content: either a leaf of size bytes or the
// trees below it.
type tree struct {
	size  int
	below []tree
}

func randomTree(r *rand.Rand, depth int) tree {
	if depth == 0 || r.IntN(4) == 0 {
		return tree{size: []int{0, 1, 60, 127, 128, 1000, 3000, 20000}[r.IntN(8)]}
	}
	var t tree
	for range 1 + r.IntN(3) {
		t.below = append(t.below, randomTree(r, depth-1))
	}
	return t
}

// write appends the tree as the parser does, with lengths patched afterwards.
func (t tree) write(p *parser) {
	m := p.open()
	for range t.size {
		p.out = append(p.out, 'x')
	}
	for _, b := range t.below {
		b.write(p)
	}
	p.close(m)
}

// want is the tree with lengths known before.
func (t tree) want() []byte {
	var content []byte
	for range t.size {
		content = append(content, 'x')
	}
	for _, b := range t.below {
		content = append(content, b.want()...)
	}
	return append(protowire.AppendVarint(nil, uint64(len(content))), content...)
}

func TestLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	late := 0
	for range 300 {
		tr := randomTree(r, 7)
		p := &parser{out: []byte("before"), moveLimit: moveLimit}
		tr.write(p)
		late += len(p.late)
		p.settle()
		require.Equal(t, "before"+string(tr.want()), string(p.out))
		require.Zero(t, p.pending)
	}
	require.NotZero(t, late, "no length was ever long enough to be noted")

	p := &parser{moveLimit: moveLimit}
	before := p.moveAll()
	tree{size: 1 << 16}.write(p)
	require.Empty(t, p.late)
	require.Equal(t, moveLimit, before)
}

func TestKeySet(t *testing.T) {
	var k keySet
	k.reset()
	r := rand.New(rand.NewPCG(4, 4))
	for _, size := range []int{0, 1, fewKeys, fewKeys + 1, 1000} {
		var out []byte
		scope := k.enter()
		met := map[string]bool{}
		for range size {
			key := []byte("some prefix that all keys share")[:r.IntN(31)]
			key = protowire.AppendVarint(key, r.Uint64N(50))
			start := len(out)
			out = append(out, key...)
			require.Equal(t, !met[string(key)], k.add(scope, out, start), "%q", key)
			met[string(key)] = true
			// A map inside comes and goes without a trace.
			inner := k.enter()
			for i := range 20 {
				out = append(out, byte(i))
				require.True(t, k.add(inner, out, len(out)-1))
			}
			k.leave(inner)
		}
		k.leave(scope)
		require.Empty(t, k.refs)
		require.Empty(t, k.slots)
	}
}
