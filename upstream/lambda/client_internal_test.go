package lambda

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// TestTransport: what cannot be seen from outside on one machine, where no proxy is used.
func TestTransport(t *testing.T) {
	transport := forCredentials(new(configpb.AWSLambdaUpstream)).GetTransport()
	require.Nil(t, transport.Proxy)
	require.False(t, transport.Protocols.HTTP2())
	require.Equal(t, connectTimeout, transport.TLSHandshakeTimeout)
	require.Equal(t, answerTimeout, transport.ResponseHeaderTimeout)
	calls := forCalls(forCredentials(new(configpb.AWSLambdaUpstream)), nil).Transport.(*http.Transport)
	require.Nil(t, calls.Proxy)
	require.False(t, calls.Protocols.HTTP2())
	require.True(t, calls.DisableCompression, "bytes are counted as they come")
}
