package upstream_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream"
)

func TestClearText(t *testing.T) {
	for text, want := range map[string]bool{
		"http://orders.example.com": true, "http://10.0.0.7:7071": true, "http://localhost.example.com": true, "http://[2001:db8::1]": true,
		"https://orders.example.com": false, "http://localhost:7071": false, "http://127.0.0.1:7071": false, "http://127.9.9.9": false, "http://[::1]:80": false,
	} {
		u, err := url.Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, upstream.ClearText(u), text)
	}
}
