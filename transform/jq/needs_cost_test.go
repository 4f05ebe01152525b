package jq_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// Programs that are beyond the analysis need everything, and soon.
func TestNeedsOfHardPrograms(t *testing.T) {
	doubling := "def f0: .body; "
	for i := range 40 {
		doubling += fmt.Sprintf("def f%d: f%d, f%d; ", i+1, i, i)
	}
	for _, row := range []struct{ name, src string }{
		{"calls that double", doubling + "f40"},
		{"objects that double", strings.Repeat("{a: ., b: .} | ", 60) + "tojson"},
		{"arrays that double", strings.Repeat("[., [.]] | ", 60) + "tojson"},
		{"updates that double", strings.Repeat("(.body.a, .body.b) |= ({a: ., b: .}) | ", 40) + "tojson"},
		{"loops in loops", strings.Repeat("reduce .body[] as $x (.; ", 30) + "{a: ., b: $x}" + strings.Repeat(")", 30)},
		{"handlers in handlers", strings.Repeat("try (", 30) + ".body.a.b.c" + strings.Repeat(") catch ({a: ., b: .} | .a.b)", 30)},
		{"recursion", "def f: {a: f, b: f}; f"},
	} {
		t.Run(row.name, func(t *testing.T) {
			start := time.Now()
			p, err := jq.Compile(row.src, jq.Config{Name: "test", Limits: jq.DefaultLimits})
			require.NoError(t, err)
			require.Less(t, time.Since(start), 5*time.Second)
			require.True(t, p.Needs().Input.At("body").All, p.Needs())
		})
	}
}
