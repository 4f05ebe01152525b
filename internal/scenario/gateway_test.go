package scenario

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/server"
)

const defaultConfig = `listeners:
- name: main
  address: 127.0.0.1:0
upstreams:
- name: fixture
  grpc: { target: "${UPSTREAM}" }
  descriptors: %s
routes:
- name: all
  transcode:
    upstream: fixture
%s
`

// running is a gateway that serves, and the folder of its files.
type running struct {
	address   string // of the first listener
	listeners map[string]string
	dir       string
}

// expand puts addresses into a command.
func (r *running) expand(s string) string {
	s = strings.ReplaceAll(s, "${gateway}", r.address)
	for name, address := range r.listeners {
		s = strings.ReplaceAll(s, "${gateway "+name+"}", address)
	}
	return s
}

// configuration is the session's own dragoman.yaml, the archive's or the
// default one.
func configuration(s *Session, files []txtar.File) string {
	for _, f := range files {
		if f.Name == "dragoman.yaml" {
			return string(f.Data)
		}
	}
	descriptors := "{ proto: { roots: [protos] } }"
	if s.Reflects != "" {
		descriptors = "{ reflection: {} }"
	}
	var extra string
	if s.Route != "" {
		for line := range strings.SplitSeq(s.Route, "\n") {
			extra += "    " + strings.TrimSpace(line) + "\n"
		}
	}
	return fmt.Sprintf(defaultConfig, descriptors, extra)
}

// startGateway does what `dragoman serve -c` does. It returns the error of a
// configuration that cannot be served.
func startGateway(t *testing.T, s *Session, files []txtar.File, protos map[string]string, target string) (*running, error) {
	dir := t.TempDir()
	for name, text := range protos {
		write(t, filepath.Join(dir, "protos", name), text)
	}
	for _, f := range files {
		write(t, filepath.Join(dir, f.Name), string(f.Data))
	}
	certificate(t, dir)
	path := filepath.Join(dir, "dragoman.yaml")
	write(t, path, configuration(s, files))

	file, err := config.Load(path, func(name string) (string, bool) { return target, name == "UPSTREAM" })
	if err != nil {
		return nil, err
	}
	plan, err := config.Link(file)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	g, err := gateway.New(plan, gateway.Options{
		Upstreams: builtin.Upstreams(),
		Sources:   builtin.Sources(),
		Protocols: builtin.Protocols(),
		Log:       log,
		Access:    log,
	})
	if err != nil {
		return nil, err
	}
	if err := g.Start(t.Context()); err != nil {
		return nil, fmt.Errorf("%w%w", err, g.Close())
	}
	var listeners []server.Listener
	for _, l := range plan.Listeners {
		cfg := server.Listener{
			Name: l.Name, Address: l.Address, Handler: g.Handler(l.Name),
			Limits: server.Limits{
				HeaderBytes: l.HeaderBytes, HeaderTimeout: l.HeaderTimeout, IdleTimeout: l.IdleTimeout, MaxStreams: l.MaxStreams,
			},
		}
		if l.TLS != nil {
			cfg.TLS, err = server.LoadTLS(filepath.Join(dir, l.TLS.Cert), filepath.Join(dir, l.TLS.Key))
			require.NoError(t, err)
		}
		listeners = append(listeners, cfg)
	}
	srv, err := server.Listen(t.Context(), listeners, log)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(ctx())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, 10*time.Second) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served, "draining")
		require.NoError(t, g.Close())
	})
	r := &running{address: srv.Address(plan.Listeners[0].Name), listeners: make(map[string]string), dir: dir}
	for _, l := range plan.Listeners {
		r.listeners[l.Name] = srv.Address(l.Name)
	}
	return r, nil
}

func write(t *testing.T, path, text string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// certificate writes tls.crt and tls.key for localhost and store.example.com.
func certificate(t *testing.T, dir string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "store.example.com"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"store.example.com", "localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	write(t, filepath.Join(dir, "tls.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
}
