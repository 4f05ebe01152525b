// Package tlsconfig reads how connections to an upstream are secured, for all kinds
// that make some.
package tlsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// Client is the client's side of cfg. The upstream's certificate is verified unless
// cfg says otherwise, against cfg's CA or the system's. Relative file names are
// relative to dir. ServerName is empty if cfg has none, and the caller's to set.
func Client(cfg *configpb.ClientTLS, dir string) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         cfg.GetServerName(),
		InsecureSkipVerify: cfg.GetInsecureSkipVerify(), //nolint:gosec // G402: the operator asked for it
	}
	if cfg.GetCa() != "" {
		pem, err := os.ReadFile(resolve(dir, cfg.GetCa()))
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %q holds no certificate in PEM form", cfg.GetCa())
		}
	}
	if cfg.GetCert() != "" || cfg.GetKey() != "" {
		pair, err := tls.LoadX509KeyPair(resolve(dir, cfg.GetCert()), resolve(dir, cfg.GetKey()))
		if err != nil {
			return nil, fmt.Errorf("tls.cert and tls.key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func resolve(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
