package admin_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/admin"
)

func TestMetrics(t *testing.T) {
	counters := []admin.Counter{
		{Name: "a_total", Help: "What \"a\" is\\.", Samples: []admin.Sample{
			{Value: 1},
			{Labels: []admin.Label{{Name: "x", Value: "a\"b\\c\nd"}, {Name: "y", Value: ""}}, Value: 1 << 63},
		}},
		{Name: "b_total", Help: "None."},
	}
	srv := httptest.NewServer(admin.Handler(func() admin.Readiness { return admin.Readiness{} }, func() []admin.Counter { return counters }))
	defer srv.Close()
	resp, err := http.Get(srv.URL + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", resp.Header.Get("Content-Type"))
	require.Equal(t, `# HELP a_total What "a" is\\.
# TYPE a_total counter
a_total 1
a_total{x="a\"b\\c\nd",y=""} 9223372036854775808
# HELP b_total None.
# TYPE b_total counter
`, string(body))
}
