package retry

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzRetryAfter: whatever a service sends, the wait is neither negative nor more
// than what may be asked for and is told from it.
func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{
		"", "0", "1", "60", "61", "-1", "+1", "1.5", "0x10", "99999999999999999999999999", " 5",
		"Mon, 23 Nov 2026 12:00:00 GMT", "Monday, 23-Nov-26 12:00:00 GMT", "Mon Nov 23 12:00:00 2026",
		"Fri, 31 Dec 9999 23:59:59 GMT", "soon", "\x00",
	} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		got := retryAfter(http.Header{"Retry-After": {text}}, now)
		require.GreaterOrEqual(t, got, time.Duration(0))
		if text != "" && digits(text) && got == 0 {
			require.Empty(t, trimZeros(text))
		}
	})
}

func trimZeros(text string) string {
	for len(text) > 0 && text[0] == '0' {
		text = text[1:]
	}
	return text
}
