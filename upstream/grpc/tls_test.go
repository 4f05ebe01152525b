package grpc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamgrpc "github.com/dragoman-gateway/dragoman/upstream/grpc"
)

// authority is a certificate authority with its files in dir.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", nil)
	return a
}

// issue writes name.pem and name-key.pem for the DNS names; without any it is the
// authority itself.
func (a *authority) issue(t *testing.T, name string, names []string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     names,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
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

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, name), text, 0o600))
}

// serveTLS answers every call with the :authority it saw, in trailers only.
func serveTLS(t *testing.T, config *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(stream.Context())
		return status.Error(codes.AlreadyExists, md.Get(":authority")[0])
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return l.Addr().String()
}

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	ca.issue(t, "server", []string{"library.internal", "books.internal"})
	ca.issue(t, "gateway", []string{"gateway.internal"})
	pair, err := tls.LoadX509KeyPair(filepath.Join(ca.dir, "server.pem"), filepath.Join(ca.dir, "server-key.pem"))
	require.NoError(t, err)
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	plain := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{pair}})
	mutual := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert})

	for _, test := range []struct {
		name, target, authority string
		tls                     *configpb.ClientTLS
		want                    string // the authority, or "" if there is no connection
	}{
		{"verified", plain, "", &configpb.ClientTLS{Ca: "ca.pem", ServerName: "library.internal"}, plain},
		{"absolute file name", plain, "", &configpb.ClientTLS{Ca: filepath.Join(ca.dir, "ca.pem"), ServerName: "library.internal"}, plain},
		{"name from the authority", plain, "books.internal", &configpb.ClientTLS{Ca: "ca.pem"}, "books.internal"},
		{"name and authority differ", plain, "shelf", &configpb.ClientTLS{Ca: "ca.pem", ServerName: "library.internal"}, "shelf"},
		{"wrong name", plain, "", &configpb.ClientTLS{Ca: "ca.pem", ServerName: "evil.internal"}, ""},
		{"unknown authority", plain, "", &configpb.ClientTLS{Ca: filepath.Join(other.dir, "ca.pem"), ServerName: "library.internal"}, ""},
		{"verified by default", plain, "", &configpb.ClientTLS{ServerName: "library.internal"}, ""},
		{"not verified", plain, "", &configpb.ClientTLS{InsecureSkipVerify: true}, plain},
		{"no tls", plain, "", nil, ""},
		{"mutual", mutual, "", &configpb.ClientTLS{Ca: "ca.pem", ServerName: "library.internal", Cert: "gateway.pem", Key: "gateway-key.pem"}, mutual},
		{"mutual without a certificate", mutual, "", &configpb.ClientTLS{Ca: "ca.pem", ServerName: "library.internal"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			up, err := upstreamgrpc.New(&configpb.GRPCUpstream{Target: test.target, Authority: test.authority, Tls: test.tls},
				upstream.Env{Name: "echo", MaxMessageBytes: maxMessage, Dir: ca.dir})
			require.NoError(t, err)
			defer func() { require.NoError(t, up.Close()) }()
			st := call(t, up.(rpc.Upstream), rpc.Call{Method: unary}, "").status
			if test.want == "" {
				require.Equal(t, rpc.UpstreamUnreachable, st.Reason, "%+v", st)
				return
			}
			require.Equal(t, codes.AlreadyExists, st.Code, "%+v", st)
			require.Equal(t, test.want, st.Message)
		})
	}
}

// TestNewErrors: what is wrong with files is said when the upstream is made.
func TestNewErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty.pem"), nil, 0o600))
	for _, test := range []struct {
		name string
		cfg  *configpb.GRPCUpstream
		want string
	}{
		{"no such ca", &configpb.GRPCUpstream{Target: "a:1", Tls: &configpb.ClientTLS{Ca: "none.pem"}}, `upstream "echo": tls.ca: open ` + filepath.Join(dir, "none.pem")},
		{"empty ca", &configpb.GRPCUpstream{Target: "a:1", Tls: &configpb.ClientTLS{Ca: "empty.pem"}}, `upstream "echo": tls.ca: "empty.pem" holds no certificate in PEM form`},
		{"empty pair", &configpb.GRPCUpstream{Target: "a:1", Tls: &configpb.ClientTLS{Cert: "empty.pem", Key: "empty.pem"}}, `upstream "echo": tls.cert and tls.key: `},
		{"bad target", &configpb.GRPCUpstream{Target: "%zz"}, `upstream "echo": target "%zz": `},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := upstreamgrpc.New(test.cfg, upstream.Env{Name: "echo", Dir: dir})
			require.ErrorContains(t, err, test.want)
		})
	}
}
