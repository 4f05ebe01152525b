package transform_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transform"
)

// certificate makes one that signs itself.
func certificate(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "common"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestClient(t *testing.T) {
	c, err := transform.New(specs(t, []spec{{request: `.respond = {body: {client, scheme}}`}}), options())
	require.NoError(t, err)
	ask := func(t *testing.T, verify bool, cert *tls.Certificate) string {
		h := c.Wrap(entry(t), handler(echo))
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.Serve(w, r, &route.Exchange{Entry: entry(t), Path: "/v1/a"})
		}))
		s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		if verify {
			pool := x509.NewCertPool()
			pool.AddCert(cert.Leaf)
			s.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
		}
		s.StartTLS()
		defer s.Close()
		if cert != nil {
			s.Client().Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{*cert}
		}
		resp, err := s.Client().Get(s.URL + "/v1/a")
		require.NoError(t, err)
		defer resp.Body.Close()
		var got struct {
			Client struct {
				Address string
				Names   json.RawMessage
			}
			Scheme string
		}
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
		require.Equal(t, "127.0.0.1", got.Client.Address)
		require.Equal(t, "https", got.Scheme)
		return string(got.Client.Names)
	}
	all := certificate(t, func(c *x509.Certificate) {
		c.DNSNames, c.EmailAddresses = []string{"a.example.com", "b.example.com"}, []string{"a@example.com"}
		c.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.com", Path: "/a"}}
	})
	require.Equal(t, `["a.example.com","b.example.com","spiffe://example.com/a","a@example.com"]`, ask(t, true, &all))
	require.Equal(t, `[]`, ask(t, false, &all), "anybody can say so")
	require.Equal(t, `[]`, ask(t, false, nil))
	plain := certificate(t, func(*x509.Certificate) {})
	require.Equal(t, `["common"]`, ask(t, true, &plain))
}
