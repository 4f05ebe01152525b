package scenario

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is wanted of a whole event must not pass for less.
func TestLike(t *testing.T) {
	const got = `{"a": {"b": [1, "two", null]}, "time": 7}`
	for want, diff := range map[string]string{
		`{"a": {"b": [1, "two", null]}, "time": 7}`:            "",
		`{"a": {"b": [1, "~w", null]}, "time": "~"}`:           "",
		`{"a": "~", "time": "~"}`:                              "",
		`{"a": {"b": [1, "two", null]}}`:                       "$.time is not wanted",
		`{"a": {"b": [1, "two", null]}, "time": 7, "c": null}`: "$.c is missing",
		`{"a": {"b": [1, "two"]}, "time": 7}`:                  "$.a.b: want an array of 2",
		`{"a": {"b": [1, "~x", null]}, "time": 7}`:             "$.a.b[1]: want ~x, got two",
		`{"a": {"b": [1, "two", null]}, "time": "~7"}`:         "$.time: want ~7, got 7",
		`{"a": {"b": [1, "two", {}]}, "time": 7}`:              "$.a.b[2]: want an object",
		`[]`: "$: want an array of 0",
	} {
		got := matchBody(&Body{Kind: "like", Text: want}, []byte(got))
		if diff == "" {
			require.Empty(t, got, want)
		} else {
			require.Contains(t, got, diff, want)
		}
	}
}
