package rest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

func TestLocalized(t *testing.T) {
	messages := []plan.Localized{
		{Locale: "not a language", Message: "?"}, {Locale: "en-US", Message: "gone"}, {Locale: "de_CH", Message: "weg"},
		{Locale: "pt-BR", Message: "foi-se"},
	}
	for _, c := range []struct {
		name   string
		accept []string
		want   string // the locale
	}{
		{"none", nil, ""},
		{"empty", []string{""}, ""},
		{"exact", []string{"en-US"}, "en-US"},
		{"another country", []string{"en-GB"}, "en-US"},
		{"written with a dash", []string{"de"}, "de-CH"},
		{"the preferred one", []string{"en;q=0.5, de;q=0.7"}, "de-CH"},
		{"several headers", []string{"ja", "pt"}, "pt-BR"},
		{"none that there is", []string{"ja, ko"}, ""},
		{"refused", []string{"de;q=0"}, ""},
		{"any", []string{"*"}, ""},
		{"malformed", []string{"de;q=x"}, ""},
		{"seventeen", []string{strings.Repeat("ja,", 16) + "de"}, ""},
		{"sixteen", []string{strings.Repeat("ja,", 15) + "de"}, "de-CH"},
		{"too long", []string{"de," + strings.Repeat(" ", 1024)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, localized(messages, c.accept).Locale) })
	}
	require.Empty(t, localized(messages[:1], []string{"de"}), "no locale that is a language")
}

// FuzzLocalized checks that a locale that becomes a header is a language tag,
// whatever upstream and client say.
func FuzzLocalized(f *testing.F) {
	f.Add("de-CH", "de, en;q=0.3")
	f.Add("sr-Latn\r\nx: y", "sr")
	f.Add("x-klingon", "*")
	f.Fuzz(func(t *testing.T, locale, accept string) {
		best := localized([]plan.Localized{{Locale: locale, Message: "m"}}, []string{accept})
		for i := range len(best.Locale) {
			c := best.Locale[i]
			require.True(t, c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z', "%q", best.Locale)
		}
	})
}
