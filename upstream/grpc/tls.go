package grpc

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream/tlsconfig"
)

// transportCredentials reads what cfg names. Relative file names are relative to
// dir.
func transportCredentials(cfg *configpb.GRPCUpstream, dir string) (credentials.TransportCredentials, error) {
	if cfg.GetTls() == nil {
		return insecure.NewCredentials(), nil
	}
	config, err := tlsconfig.Client(cfg.GetTls(), dir)
	if err != nil {
		return nil, err
	}
	creds := credentials.NewTLS(config)
	if config.ServerName != "" {
		return namedCredentials{creds, config.ServerName}, nil
	}
	return creds, nil
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
