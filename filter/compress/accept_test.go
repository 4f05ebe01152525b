package compress

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAccept reads headers of any bytes: nothing is chosen that the client does
// not name.
func FuzzAccept(f *testing.F) {
	for _, seed := range []string{"gzip, deflate, br, zstd", "gzip;q=0.5,*;q=0", "identity;q=1.000 , x-gzip ; q=0.001", ";q=", "gzip;q=0.", "*"} {
		f.Add(seed, "zstd")
	}
	filter := &compression{codings: []*coding{zstdCoding, gzipCoding}}
	f.Fuzz(func(t *testing.T, a, b string) {
		c, forced := filter.choose([]string{a, b})
		all := strings.ToLower(a + "," + b)
		if c != nil {
			require.True(t, strings.Contains(all, c.name) || strings.Contains(all, "*"))
		}
		if forced {
			require.True(t, strings.Contains(all, "identity") || strings.Contains(all, "*"))
		}
		for _, name := range []string{"gzip", "*", "identity"} {
			q, listed := quality([]string{a, b}, name, name)
			require.True(t, q >= 0 && q <= 1000)
			require.True(t, listed || q == 0)
		}
	})
}
