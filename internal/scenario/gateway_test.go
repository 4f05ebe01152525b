package scenario

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

const defaultConfig = `listeners:
- name: main
  address: 127.0.0.1:0
%supstreams:
- name: fixture
  grpc: { target: "${UPSTREAM}" }
  descriptors: %s
%s%s%s%s`

const defaultRoutes = `routes:
- name: all
  transcode:
    upstream: fixture
`

// running is a gateway that serves, and the folder of its files.
type running struct {
	*gatewaytest.Gateway
	dir string
	// access has the lines of the access log, as JSON, if the session looks at them.
	access lines
}

// lines are what a log writes, one at a time.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
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
	routes := s.settings("routes", "")
	if routes == "" {
		routes = defaultRoutes
	}
	if s.Route != "" {
		for line := range strings.SplitSeq(s.Route, "\n") {
			routes += "    " + strings.TrimSpace(line) + "\n"
		}
	}
	return fmt.Sprintf(defaultConfig, s.settings("listener", "  "), descriptors, s.settings("upstream", "  "),
		s.restConfig()+s.functionConfig(), routes+s.settings("route", "  "), s.settings("file", ""))
}

// settings are the further ones of a part, as lines that are so far to the right.
func (s *Session) settings(part, indent string) string {
	var b strings.Builder
	for _, yaml := range s.More[part] {
		for line := range strings.SplitSeq(yaml, "\n") {
			b.WriteString(indent + line + "\n")
		}
	}
	return b.String()
}

// startGateway does what `dragoman serve -c` does. It returns the error of a
// configuration that cannot be served.
func startGateway(t *testing.T, s *Session, files []txtar.File, protos, env map[string]string) (*running, error) {
	dir := t.TempDir()
	for name, text := range protos {
		write(t, filepath.Join(dir, "protos", name), text)
	}
	for _, f := range files {
		write(t, filepath.Join(dir, f.Name), string(f.Data))
	}
	certificate(t, dir)
	var err error
	path := filepath.Join(dir, "dragoman.yaml")
	write(t, path, configuration(s, files))

	maps.Copy(env, startREST(t, s))
	maps.Copy(env, s.Env)
	out := &running{dir: dir}
	if s.Logs {
		// A line is written when its answer has been; nobody may wait for a reader.
		out.access = make(lines, len(s.Exchanges)+64)
		out.Gateway, err = gatewaytest.TryStartLogging(t, path, env, slog.New(slog.NewJSONHandler(out.access, nil)))
	} else {
		out.Gateway, err = gatewaytest.TryStart(t, path, env)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
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
