package jq_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

func TestWarnings(t *testing.T) {
	literal := func(line, column int) []jq.Warning {
		return []jq.Warning{{Line: line, Column: column, Message: "headers: {…} drops all other headers", Advice: "write headers: (.headers + {…})"}}
	}
	for _, row := range []struct {
		src  string
		want []jq.Warning
	}{
		{src: `{headers: {a: "b"}}`, want: literal(1, 2)},
		{src: ". +\n  {body, headers: {a: .body.x}}", want: literal(2, 10)},
		{src: `if .path == "/" then {"headers": ({a: "b"})} else . end`, want: literal(0, 0)},
		{src: `{headers: {a: $request.headers.a}} | .status = 200`, want: literal(1, 2)},
		{src: `.headers = {a: "b"}`, want: []jq.Warning{{Message: ".headers = {…} drops all other headers", Advice: "write .headers += {…}"}}},
		{src: `{query: {a: "b"}}`, want: []jq.Warning{{Line: 1, Column: 2, Message: "query: {…} drops all other query parameters", Advice: "write query: (.query + {…})"}}},
		{src: `{headers: (.headers + {a: "b"})}`},
		{src: `{headers: {a: .headers.a}}`},
		{src: `{headers: {}}`},
		{src: `. * {headers: {a: "b"}}`},
		{src: `.headers += {a: "b"}`},
		{src: `{respond: {headers: {a: "b"}}}`},
		{src: `.body = {headers: {a: "b"}}`},
		{src: `.`},
	} {
		t.Run(row.src, func(t *testing.T) {
			p, err := jq.Compile(row.src, jq.Config{Name: "test", Variables: []string{"request"}})
			require.NoError(t, err)
			require.Equal(t, row.want, p.Warnings())
		})
	}
}
