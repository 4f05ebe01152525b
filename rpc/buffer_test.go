package rpc_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestBufferSizes: however large the buffers are that went back, a message gets one
// of about its size.
func TestBufferSizes(t *testing.T) {
	sizes := []int{0, 1, 1 << 10, 2 << 10, 5 << 10, 16 << 10, 33 << 10, 100 << 10, 255 << 10, 256 << 10, 257 << 10, 4 << 20}
	for range 3 {
		var all []*rpc.Buffer
		for _, n := range sizes {
			b := rpc.NewBufferFor(n)
			require.Empty(t, b.B)
			require.LessOrEqual(t, cap(b.B), max(2*n, 4<<10), n)
			// It becomes what it is for, or more.
			b.B = append(b.B, make([]byte, n)...)
			all = append(all, b)
		}
		for _, b := range all {
			b.Release()
		}
		require.LessOrEqual(t, cap(rpc.NewBuffer().B), 4<<10)
	}
}
