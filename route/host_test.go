package route_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// TestFitsHost compares FitsHost with what a table of one entry finds.
func TestFitsHost(t *testing.T) {
	template, err := httprule.Parse("/a")
	require.NoError(t, err)
	for _, pattern := range []string{"", "a.test", "A.test.", "*.a.test", "[::1]", "127.0.0.1"} {
		var patterns []string
		if pattern != "" {
			patterns = []string{pattern}
		}
		table, err := route.Compile([]*route.Entry{{Hosts: patterns, Method: "GET", Template: template}})
		require.NoError(t, err, pattern)
		for _, host := range []string{
			"", "a.test", "A.TEST", "a.test:80", "a.test.", "a.test.:80", "b.a.test", "B.A.test:80", "c.b.a.test", "ba.test", ".a.test",
			"test", "[::1]", "[::1]:80", "::1", "127.0.0.1", "127.0.0.1:80", "[", ":80",
		} {
			found := table.Match(&route.Request{Host: host, Method: "GET", Path: "/a"}, &route.Exchange{}) == route.Found
			require.Equal(t, found, route.FitsHost(patterns, host), "pattern %q, host %q", pattern, host)
		}
	}
}
