// Package tlsconfig reads how connections to an upstream are secured, for all kinds
// that make some.
package tlsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream/file"
)

// maxPEM is how many bytes a file with certificate authorities may have: the bundles of
// systems have a quarter of that.
const maxPEM = 1 << 20

// Client is the client's side of cfg. The upstream's certificate is verified unless
// cfg says otherwise, against cfg's CA or the system's. Relative file names are
// relative to dir. ServerName is empty if cfg has none, and the caller's to set.
func Client(cfg *configpb.ClientTLS, dir string) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         cfg.GetServerName(),
		InsecureSkipVerify: cfg.GetInsecureSkipVerify(), // the operator asked for it
	}
	if cfg.GetCa() != "" {
		pem, err := file.Read(dir, cfg.GetCa(), maxPEM)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %q holds no certificate in PEM form", cfg.GetCa())
		}
	}
	if cfg.GetCert() != "" || cfg.GetKey() != "" {
		pair, err := tls.LoadX509KeyPair(file.Path(dir, cfg.GetCert()), file.Path(dir, cfg.GetKey()))
		if err != nil {
			return nil, fmt.Errorf("tls.cert and tls.key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
