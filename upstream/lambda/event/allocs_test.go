//go:build !race

package event_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// TestAllocs holds what an event costs beside its bytes: two lists, and the text of
// Content-Length. The race detector has it allocate more.
func TestAllocs(t *testing.T) {
	in := usual()
	for _, format := range wrapped {
		dst, err := event.Append(nil, format, in)
		require.NoError(t, err)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { dst, _ = event.Append(dst[:0], format, in) }), 3.0, format.String())
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = event.Append(nil, format, in) }), 4.0, format.String())
	}
	raw := &event.Request{Body: []byte(`{"a":1}`)}
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = event.Append(nil, event.Raw, raw) }))
}
