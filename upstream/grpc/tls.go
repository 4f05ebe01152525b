package grpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// transportCredentials reads what cfg names. Relative file names are relative to
// dir.
func transportCredentials(cfg *configpb.GRPCUpstream, dir string) (credentials.TransportCredentials, error) {
	if cfg.GetTls() == nil {
		return insecure.NewCredentials(), nil
	}
	config, err := tlsConfig(cfg.GetTls(), dir)
	if err != nil {
		return nil, err
	}
	creds := credentials.NewTLS(config)
	if config.ServerName != "" {
		return namedCredentials{creds, config.ServerName}, nil
	}
	return creds, nil
}

// tlsConfig is the client's side of cfg. The upstream's certificate is verified
// unless cfg says otherwise, against cfg's CA or the system's. Relative file
// names are relative to dir.
func tlsConfig(cfg *configpb.ClientTLS, dir string) (*tls.Config, error) {
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

// namedCredentials verifies the upstream's certificate against name, whatever
// :authority the calls have. grpc-go by itself makes one of both.
type namedCredentials struct {
	credentials.TransportCredentials
	name string
}

func (c namedCredentials) ClientHandshake(ctx context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.TransportCredentials.ClientHandshake(ctx, c.name, conn)
}

func (c namedCredentials) Info() credentials.ProtocolInfo {
	info := c.TransportCredentials.Info()
	info.ServerName = "" //nolint:staticcheck // SA1019: grpc-go would take it for the authority
	return info
}

func (c namedCredentials) Clone() credentials.TransportCredentials {
	return namedCredentials{c.TransportCredentials.Clone(), c.name}
}
