package jq_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// TestPatternsKept: patterns that come with requests do not pile up.
func TestPatternsKept(t *testing.T) {
	p, err := jq.Compile(".re as $re | .text | test($re)", jq.Config{Name: "test", Limits: jq.Limits{}})
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 60 {
		_, err := p.Run(t.Context(), map[string]any{"text": "", "re": fmt.Sprint(i) + strings.Repeat(`\pL`, 80)})
		require.NoError(t, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(20<<20))
	runtime.KeepAlive(p)
}
