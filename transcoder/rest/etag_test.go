package rest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/entity"
)

func TestQuoteTag(t *testing.T) {
	for in, want := range map[string]string{
		"":           "",
		"v1":         `"v1"`,
		`"v1"`:       `"v1"`,
		`W/"v1"`:     `W/"v1"`,
		`""`:         `""`,
		"W/v1":       `"W/v1"`,
		`"`:          "",
		`W/"`:        "",
		`a"b`:        "",
		`"a"b"`:      "",
		"two words":  "",
		"line\r\nx:": "",
		"é":          "",
		"\x7f":       "",
	} {
		require.Equal(t, want, quoteTag(in), "%q", in)
	}
}

// FuzzNoneMatch checks that a tag is found in any list that it was put into, and
// that what is no tag is no header.
func FuzzNoneMatch(f *testing.F) {
	f.Add(`"a", W/"b"`, "c")
	f.Add("*", `W/"c"`)
	f.Add(`"`, "c\r\n")
	f.Fuzz(func(t *testing.T, list, text string) {
		tag := quoteTag(text)
		if tag == "" {
			return
		}
		require.NotContains(t, tag, "\n")
		require.True(t, entity.NoneMatch([]string{list, tag}, tag))
		require.True(t, entity.NoneMatch([]string{`"` + strings.ReplaceAll(list, `"`, "") + `", ` + tag}, tag))
	})
}
