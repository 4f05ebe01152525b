package builtin

import (
	"log/slog"
	"path/filepath"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/server"
	"github.com/dragoman-gateway/dragoman/transcoder/validate/cel"
)

// Gateway makes a gateway of the kinds in this package. access is for one line a
// request; nil for no such lines. The error is a [config.Report].
func Gateway(plan *config.Plan, log, access *slog.Logger) (*gateway.Gateway, error) {
	o := options()
	o.Log, o.Access = log, access
	return gateway.New(plan, o)
}

func options() gateway.Options {
	return gateway.Options{
		Upstreams: Upstreams(),
		Sources:   Sources(),
		Filters:   Filters(),
		Protocols: Protocols(),
		CEL:       cel.New,
	}
}

// Check is [gateway.Check] for the kinds in this package.
func Check(plan *config.Plan) ([]gateway.Program, config.Report, error) {
	return gateway.Check(plan, options())
}

// Listeners are the listeners of a plan with g behind them, once g has started.
// The error is a [config.Report] of certificates that cannot be read.
func Listeners(plan *config.Plan, g *gateway.Gateway) ([]server.Listener, error) {
	var listeners []server.Listener
	var report config.Report
	for _, l := range plan.Listeners {
		cfg := server.Listener{
			Name:    l.Name,
			Address: l.Address,
			Handler: g.Handler(l.Name),
			Limits: server.Limits{
				HeaderBytes:   l.HeaderBytes,
				HeaderTimeout: l.HeaderTimeout,
				IdleTimeout:   l.IdleTimeout,
				MaxStreams:    l.MaxStreams,
			},
		}
		if l.TLS != nil {
			tls, err := server.LoadTLS(relative(plan, l.TLS.Cert), relative(plan, l.TLS.Key))
			if err != nil {
				report = append(report, plan.File.Problem(l.Path+".tls", "%v", err))
				continue
			}
			if ca := l.TLS.ClientCA; ca != "" {
				if err := server.VerifyClients(tls, relative(plan, ca), l.TLS.ClientOptional); err != nil {
					report = append(report, plan.File.Problem(l.Path+".tls.client_ca", "%v", err))
					continue
				}
			}
			cfg.TLS = tls
		}
		listeners = append(listeners, cfg)
	}
	return listeners, report.Err()
}

// relative resolves a file name of the configuration against its folder.
func relative(plan *config.Plan, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(plan.File.Dir(), name)
}
