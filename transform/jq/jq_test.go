package jq_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

func TestRun(t *testing.T) {
	for _, row := range []struct {
		name, src string
		in        any
		want      any
		wantErr   string
	}{
		{name: "value", src: ".a", in: map[string]any{"a": "b"}, want: "b"},
		{name: "variable", src: "$request.a", want: "asked"},
		{name: "parameter", src: "$limit + 1", want: 8},
		{name: "nothing", src: "empty", wantErr: "test: yields no value"},
		{name: "two values", src: "1, 2", wantErr: "test: yields more than one value"},
		{name: "error", src: `error("no")`, wantErr: "test: error: no"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, err := jq.Compile(row.src, jq.Config{
				Name: "test", Variables: []string{"request"}, Params: map[string]any{"limit": 7}, Limits: jq.DefaultLimits,
			})
			require.NoError(t, err)
			got, err := p.Run(t.Context(), row.in, map[string]any{"a": "asked"})
			if row.wantErr != "" {
				require.EqualError(t, err, row.wantErr)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, got)
		})
	}
}

func TestPaths(t *testing.T) {
	leaf := jq.Paths{All: true}
	paths := jq.Paths{
		Keys:     map[string]jq.Paths{"a": {Keys: map[string]jq.Paths{"b": leaf}}},
		Elements: &jq.Paths{Keys: map[string]jq.Paths{"c": leaf}},
	}
	require.Equal(t, jq.Paths{Keys: map[string]jq.Paths{"b": leaf, "c": leaf}}, paths.At("a"))
	require.Equal(t, jq.Paths{Keys: map[string]jq.Paths{"c": leaf}}, paths.At("x"))
	require.True(t, leaf.At("x").All)
	require.False(t, jq.Paths{}.At("x").Any())
	require.True(t, paths.Any())
}
