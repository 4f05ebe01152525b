package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

// identity is a certificate that signs itself, as a file and for connections.
func identity(t *testing.T, dir, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".crt"), certPEM, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".key"), keyPEM, 0o600))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	return pair
}

// TestClientCertificates: a program sees the names of a certificate that was
// verified, and nobody else comes in.
func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	identity(t, dir, "gateway.test")
	known, stranger := identity(t, dir, "client.test"), identity(t, dir, "stranger.test")
	file := filepath.Join(dir, "dragoman.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
listeners:
- name: required
  address: 127.0.0.1:0
  tls: {cert: gateway.test.crt, key: gateway.test.key, client_ca: client.test.crt}
  transform: &names [{pre_route: true, request: ".respond = {body: .client.names}"}]
- name: optional
  address: 127.0.0.1:0
  tls: {cert: gateway.test.crt, key: gateway.test.key, client_ca: client.test.crt, client_optional: true}
  transform: *names
`), 0o600))
	g := gatewaytest.Start(t, file, nil)
	roots := x509.NewCertPool()
	pemText, err := os.ReadFile(filepath.Join(dir, "gateway.test.crt"))
	require.NoError(t, err)
	require.True(t, roots.AppendCertsFromPEM(pemText))
	for _, row := range []struct {
		name, listener string
		shows          []tls.Certificate
		want           string // empty if the connection is refused
	}{
		{"known", "required", []tls.Certificate{known}, `["client.test"]`},
		{"none", "required", nil, ""},
		{"stranger", "required", []tls.Certificate{stranger}, ""},
		{"known", "optional", []tls.Certificate{known}, `["client.test"]`},
		{"none", "optional", nil, `[]`},
		{"stranger", "optional", []tls.Certificate{stranger}, ""},
	} {
		t.Run(row.listener+"/"+row.name, func(t *testing.T) {
			config := &tls.Config{RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(row.shows) == 0 {
					return new(tls.Certificate), nil
				}
				return &row.shows[0], nil
			}}
			transport := &http.Transport{TLSClientConfig: config}
			defer transport.CloseIdleConnections()
			resp, err := (&http.Client{Transport: transport}).Get("https://" + g.Listeners[row.listener] + "/")
			if row.want == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.JSONEq(t, row.want, string(body))
		})
	}
}
