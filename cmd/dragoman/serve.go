package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/server"
)

const (
	defaultListen = ":8080"
	defaultAdmin  = "127.0.0.1:9901"
	defaultGrace  = 30 * time.Second
	adminListener = "admin"
)

// serving are the options of a process that serves.
type serving struct {
	logFormat string
	grace     time.Duration
	accessLog bool
}

func (o *serving) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.logFormat, "log-format", "auto", "`FORMAT` of the log: text, json, or auto (text on a terminal)")
	f.BoolVar(&o.accessLog, "access-log", true, "write one line for every request")
	f.DurationVar(&o.grace, "grace", defaultGrace, "how long running requests may go on after SIGTERM")
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"auto", "text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

func newServe(s streams) *cobra.Command {
	var from origin
	var opts serving
	cmd := &cobra.Command{
		Use:   "serve [flags] TARGET... | serve [flags] -c FILE",
		Short: "Serve gRPC services as HTTP/JSON and gRPC",
		Long: `Serve stands in front of the gRPC servers named by TARGET (host:port, or any
gRPC target such as dns:///name:port or unix:path), or of what a configuration
file describes. Descriptors come by server reflection unless --descriptors or
the file says otherwise. Every google.api.http rule becomes a route, every
method also answers POST /package.Service/Method with JSON, and native gRPC
passes through on the same port.

A target that is down does not stop the start: /readyz on the admin address
says 503 and why, and the gateway becomes ready by itself.`,
		Example: `  dragoman serve localhost:50051
  dragoman serve --listen :9000 books:50051 authors:50051
  dragoman serve --tls api.example.com:443
  dragoman serve --descriptors image.binpb localhost:50051
  dragoman serve -c dragoman.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			from.targets = args
			log, err := newLog(s.err, opts.logFormat)
			if err != nil {
				return err
			}
			plan, err := from.plan(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), plan, opts, log, nil)
		},
	}
	from.flags(cmd)
	opts.flags(cmd)
	cmd.Flags().StringVar(&from.listen, "listen", defaultListen, "`ADDRESS` to serve on")
	cmd.Flags().StringVar(&from.admin, "admin", defaultAdmin, "`ADDRESS` of /healthz and /readyz")
	return cmd
}

// serve runs until ctx is done and everything has drained. started, if not nil,
// is called once, when every address is open and the first snapshot is out.
func serve(ctx context.Context, plan *config.Plan, opts serving, log *slog.Logger, started func(*server.Server, *gateway.Gateway)) error {
	var access *slog.Logger
	if opts.accessLog {
		access = log
	}
	g, err := builtin.Gateway(plan, log, access)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	if err := g.Start(ctx); err != nil {
		return err
	}
	for _, w := range g.Warnings() {
		log.Warn("the configuration has what is likely to be a mistake", "warning", w.String())
	}
	listeners, err := builtin.Listeners(plan, g)
	if err != nil {
		return err
	}
	listeners = append(listeners, server.Listener{
		Name:    adminListener,
		Address: plan.AdminAddress,
		Handler: admin.Handler(func() admin.Readiness { return readiness(g) }, func() []admin.Counter { return counters(g) }),
	})
	srv, err := server.Listen(ctx, listeners, log)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: stop what listens there, or choose another address (--listen, --admin, or in the configuration)", err)
	}
	if err != nil {
		return err
	}
	for _, l := range listeners {
		log.Info("listening", "listener", l.Name, "address", srv.Address(l.Name), "tls", l.TLS != nil)
	}
	if started != nil {
		started(srv, g)
	}
	context.AfterFunc(ctx, func() {
		log.Info("draining", "grace", opts.grace)
		g.Drain()
	})
	return srv.Serve(ctx, opts.grace)
}

// counters are those of /metrics.
func counters(g *gateway.Gateway) []admin.Counter {
	limits := admin.Counter{Name: "dragoman_program_over_limit_total", Help: "Runs of jq programs that were ended by a limit."}
	for _, p := range g.Programs() {
		for _, met := range []struct {
			limit string
			count uint64
		}{{"memory", p.Stats.OverMemory}, {"time", p.Stats.OverTime}} {
			limits.Samples = append(limits.Samples, admin.Sample{
				Labels: []admin.Label{{Name: "program", Value: p.Name}, {Name: "limit", Value: met.limit}}, Value: met.count,
			})
		}
	}
	return []admin.Counter{limits}
}

func readiness(g *gateway.Gateway) admin.Readiness {
	waiting := g.Waiting()
	state := admin.Readiness{Ready: len(waiting) == 0}
	for _, w := range waiting {
		state.Waiting = append(state.Waiting, admin.Waiting{Upstream: w.Upstream, Reason: w.Reason})
	}
	return state
}
