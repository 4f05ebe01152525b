package event_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// TestSyntax asks encoding/json what JSON is.
func TestSyntax(t *testing.T) {
	values := []string{
		``, `{`, `}`, `{}`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":1,"b":2}`, `{,"a":1}`, `{a:1}`, `{1:2}`, `{"a" 1}`, `{"a`, `{"a"`, `{"a":1]`,
		`[`, `]`, `[]`, `[,]`, `[1,]`, `[1 2]`, `[1,2]`, `[1}`, `[[],[]]`, `[1`, ` [ 1 , 2 ] `, "\t\n\r1", "\v1", "1\x00",
		`"`, `""`, `"a`, `"\`, `"\"`, `"\\"`, `"\x"`, `"\u"`, `"\u123"`, `"\u123g"`, `"\u12G4"`, `"\uABCD\uabcd\u0000"`, `"\U1234"`, `"\/\b\f\n\r\t"`, "\"\x1f\"", "\"\x7f\"", `"é"`, `'a'`,
		"\"12345678\x01\"", `"12345678\n12345678"`, `"1234567\u00e9"`, `"123456789`,
		`0`, `-0`, `00`, `01`, `-`, `+1`, `1.`, `.1`, `1.5`, `1e`, `1e5`, `1E+5`, `1e-5`, `1e+`, `-1.25e10`, `1.5.5`, `1a`, `0x1`, `NaN`, `-Infinity`, `1 1`,
		`t`, `true`, `truE`, `trues`, `false`, `fals`, `null`, `nul`, `nulll`, `undefined`,
	}
	for _, value := range values {
		for _, in := range []string{value, `[` + value + `]`, `{"a":` + value + `}`} {
			_, err := event.Append(nil, event.Raw, &event.Request{Body: []byte(in)})
			if in == "" {
				require.NoError(t, err, "no body is no mistake")
				continue
			}
			require.Equal(t, json.Valid([]byte(in)), err == nil, "%q", in)
			var out event.Response
			err = event.Unwrap(event.APIGatewayV2, []byte(in), &out)
			require.Equal(t, json.Valid([]byte(in)), err == nil, "%q", in)
		}
	}
	for depth, ok := range map[int]bool{1000: true, 1001: false} {
		in := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		_, err := event.Append(nil, event.Raw, &event.Request{Body: []byte(in)})
		require.Equal(t, ok, err == nil, "%d", depth)
	}
}
