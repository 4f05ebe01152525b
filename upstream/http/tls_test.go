package http_test

import (
	"bufio"
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
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// authority is a certificate authority with its files in dir.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca")
	return a
}

// issue writes name.pem and name-key.pem for the names; without any it is the authority
// itself.
func (a *authority) issue(t testing.TB, name string, names ...string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			cert.IPAddresses = append(cert.IPAddresses, ip)
		} else {
			cert.DNSNames = append(cert.DNSNames, name)
		}
	}
	parent, signer := a.cert, a.key
	if names == nil {
		cert.IsCA, cert.BasicConstraintsValid, cert.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+"-key.pem", "PRIVATE KEY", private)
	return cert, key
}

func (a *authority) write(t testing.TB, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, name), text, 0o600))
}

// serveTLS is the address of a server that answers with the host and the version it
// was asked for by, or upgrades to what is said to it.
func (a *authority) serveTLS(t testing.TB, certificate string, mutual, http2 bool) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, certificate+".pem"), filepath.Join(a.dir, certificate+"-key.pem"))
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echo(w, r)
			return
		}
		_, _ = io.WriteString(w, r.Host+" "+r.Proto+" "+r.TLS.ServerName)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if mutual {
		server.TLS.ClientCAs = x509.NewCertPool()
		server.TLS.ClientCAs.AddCert(a.cert)
		server.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	ca.issue(t, "server", "legacy.internal", "books.internal")
	ca.issue(t, "gateway", "gateway.internal")
	ca.issue(t, "address", "127.0.0.1")
	plain := ca.serveTLS(t, "server", false, true)
	old := ca.serveTLS(t, "server", false, false)
	mutual := ca.serveTLS(t, "server", true, true)
	address := ca.serveTLS(t, "address", false, true)
	clear := serve(t, func(http.ResponseWriter, *http.Request) {}).Listener.Addr().String()

	trusted := &configpb.ClientTLS{Ca: "ca.pem"}
	for _, test := range []struct {
		name, url, endpoint, version string
		tls                          *configpb.ClientTLS
		want                         string // or "" if there is no connection
	}{
		{"verified", "https://legacy.internal:8443", plain, "", trusted, "legacy.internal:8443 HTTP/2.0 legacy.internal"},
		{"absolute file name", "https://legacy.internal", plain, "", &configpb.ClientTLS{Ca: filepath.Join(ca.dir, "ca.pem")}, "legacy.internal HTTP/2.0 legacy.internal"},
		{"HTTP/1.1 is asked for", "https://legacy.internal", plain, "http1", trusted, "legacy.internal HTTP/1.1 legacy.internal"},
		{"HTTP/2 is asked for", "https://legacy.internal", plain, "http2", trusted, "legacy.internal HTTP/2.0 legacy.internal"},
		{"HTTP/1.1 is all there is", "https://legacy.internal", old, "auto", trusted, "legacy.internal HTTP/1.1 legacy.internal"},
		{"HTTP/2 is asked for where there is none", "https://legacy.internal", old, "http2", trusted, ""},
		{"a name of its own", "https://legacy", plain, "", &configpb.ClientTLS{Ca: "ca.pem", ServerName: "books.internal"}, "legacy HTTP/2.0 books.internal"},
		{"wrong name", "https://elsewhere.internal", plain, "", trusted, ""},
		{"the name is not the endpoint's", "https://legacy.internal", address, "", trusted, ""},
		{"wrong name, asked for", "https://legacy.internal", plain, "", &configpb.ClientTLS{Ca: "ca.pem", ServerName: "elsewhere.internal"}, ""},
		{"an address", "https://" + address, "", "", trusted, address + " HTTP/2.0 "},
		{"an address that is not certified", "https://" + plain, "", "", trusted, ""},
		{"wrong authority", "https://legacy.internal", plain, "", &configpb.ClientTLS{Ca: filepath.Join(other.dir, "ca.pem")}, ""},
		{"the system's authorities", "https://legacy.internal", plain, "", nil, ""},
		{"nothing verified", "https://elsewhere.internal", plain, "", &configpb.ClientTLS{InsecureSkipVerify: true}, "elsewhere.internal HTTP/2.0 elsewhere.internal"},
		{"mutual", "https://legacy.internal", mutual, "", &configpb.ClientTLS{Ca: "ca.pem", Cert: "gateway.pem", Key: "gateway-key.pem"}, "legacy.internal HTTP/2.0 legacy.internal"},
		{"clear text", "https://legacy.internal", clear, "", trusted, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := &configpb.HTTPUpstream{Url: test.url, Tls: test.tls, Version: test.version}
			if test.endpoint != "" {
				cfg.Endpoints = []string{test.endpoint}
			}
			up := newUpstreamIn(t, cfg, ca.dir)
			if test.want != "" {
				require.Equal(t, test.want, send(t, up, request(t, http.MethodGet, "/", nil)).body)
				return
			}
			got := refusal(t, up, request(t, http.MethodPost, "/", nil))
			require.Equal(t, rpc.UpstreamUnreachable, got.Reason, "%v", got)
			require.True(t, got.NotSent, "%v", got)
		})
	}

	t.Run("mutual without a certificate", func(t *testing.T) {
		up := newUpstreamIn(t, &configpb.HTTPUpstream{Url: "https://legacy.internal", Endpoints: []string{mutual}, Tls: trusted}, ca.dir)
		// With TLS 1.3 it shows when the request has been sent.
		got := refusal(t, up, request(t, http.MethodPost, "/", nil))
		require.Equal(t, rpc.UpstreamUnreachable, got.Reason, "%v", got)
	})
}

// echo upgrades to a protocol that says everything back, in capitals first.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\nhello ")
	_, _ = io.Copy(conn, rw)
}

func upgradeRequest(t testing.TB, protocol string) *http.Request {
	r := request(t, http.MethodGet, "/", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", protocol)
	return r
}

func TestUpgrades(t *testing.T) {
	ca := newAuthority(t)
	ca.issue(t, "server", "legacy.internal")
	secured := ca.serveTLS(t, "server", false, true)
	plain := serve(t, echo).Listener.Addr().String()
	for name, cfg := range map[string]*configpb.HTTPUpstream{
		"clear text": {Url: "http://legacy.internal", Endpoints: []string{plain}},
		"HTTP/1.1":   {Url: "https://legacy.internal", Endpoints: []string{secured}, Version: "http1", Tls: &configpb.ClientTLS{Ca: "ca.pem"}},
		// The connections for other requests speak HTTP/2.
		"auto": {Url: "https://legacy.internal", Endpoints: []string{secured}, Tls: &configpb.ClientTLS{Ca: "ca.pem"}},
	} {
		for _, protocol := range []string{"websocket", "tcp"} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				up := newUpstreamIn(t, cfg, ca.dir)
				resp, err := up.Send(upgradeRequest(t, protocol), nil)
				require.NoError(t, err)
				require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
				require.Equal(t, protocol, resp.Header.Get("Upgrade"))
				conn := resp.Body.(io.ReadWriteCloser)
				in := bufio.NewReader(conn)
				for _, text := range []string{"one\n", "two\n"} {
					_, err = io.WriteString(conn, text)
					require.NoError(t, err)
				}
				line, err := in.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, "hello one\n", line)
				// Half of it ends.
				require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
				rest, err := io.ReadAll(in)
				require.NoError(t, err)
				require.Equal(t, "two\n", string(rest))
				require.NoError(t, conn.Close())
			})
		}
	}

	t.Run("HTTP/2 has none", func(t *testing.T) {
		up := newUpstreamIn(t, &configpb.HTTPUpstream{Url: "https://legacy.internal", Endpoints: []string{secured}, Version: "http2",
			Tls: &configpb.ClientTLS{Ca: "ca.pem"}}, ca.dir)
		got := refusal(t, up, upgradeRequest(t, "websocket"))
		require.Equal(t, rpc.UpstreamProtocol, got.Reason)
		require.True(t, got.NotSent)
	})

	t.Run("a place is held until the end", func(t *testing.T) {
		up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + plain, Limits: onePlace()})
		resp, err := up.Send(upgradeRequest(t, "tcp"), nil)
		require.NoError(t, err)
		full(t, up)
		require.NoError(t, resp.Body.Close())
		_ = resp.Body.Close()
		resp, err = up.Send(upgradeRequest(t, "tcp"), nil)
		require.NoError(t, err)
		full(t, up)
		require.NoError(t, resp.Body.Close())
	})

	t.Run("refused", func(t *testing.T) {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		up := newUpstream(t, &configpb.HTTPUpstream{Url: server.URL})
		require.Equal(t, http.StatusForbidden, send(t, up, upgradeRequest(t, "websocket")).StatusCode)
	})
}

// full says that there is no place for one more request.
func full(t testing.TB, up upstream.HTTP) {
	t.Helper()
	got := refusal(t, up, request(t, http.MethodGet, "/", nil))
	require.Equal(t, rpc.UpstreamOverloaded, got.Reason)
	require.True(t, got.NotSent)
	require.Positive(t, got.RetryAfter)
}
