package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// origin says what to serve: a configuration file, or targets on the command
// line. `serve` and `routes` share it.
type origin struct {
	file        string
	listen      string
	admin       string
	descriptors string
	authority   string
	tls         bool
	targets     []string
	// transform is for every target.
	transform []*configpb.Transform
}

func (o *origin) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.file, "config", "c", "", "configuration `FILE` (YAML or JSON) instead of targets")
	f.StringVar(&o.descriptors, "descriptors", "", "image or descriptor set `FILE` to use instead of server reflection")
	f.BoolVar(&o.tls, "tls", false, "connect to the targets with TLS, verified by the system's roots")
	f.StringVar(&o.authority, "authority", "", "the `NAME` to send to the targets as :authority (and to verify with --tls)")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml", "json")
	_ = cmd.MarkFlagFilename("descriptors")
}

// plan reads and links the configuration.
func (o *origin) plan(cmd *cobra.Command) (*config.Plan, error) {
	file, err := o.read(cmd)
	if err != nil {
		return nil, err
	}
	return config.Link(file)
}

func (o *origin) read(cmd *cobra.Command) (*config.File, error) {
	if o.file == "" {
		if len(o.targets) == 0 {
			return nil, usageError{errors.New("give at least one TARGET (host:port of a gRPC server), or a configuration with -c FILE")}
		}
		return config.FromMessage("command line", o.message())
	}
	if len(o.targets) > 0 {
		return nil, usageError{fmt.Errorf("-c %s and the target %q exclude each other", o.file, o.targets[0])}
	}
	for _, name := range []string{"listen", "admin", "descriptors", "authority", "tls"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return nil, usageError{fmt.Errorf("--%s and -c exclude each other: say it in %s", name, o.file)}
		}
	}
	return config.Load(o.file, os.LookupEnv)
}

// message is the configuration that the command line describes: one upstream
// and one route per target.
func (o *origin) message() *configpb.Config {
	cfg := &configpb.Config{
		Listeners: []*configpb.Listener{{Name: "default", Address: o.listen}},
		Admin:     &configpb.Admin{Address: o.admin},
	}
	for i, target := range o.targets {
		name := upstreamName(i, target)
		up := &configpb.GRPCUpstream{Target: target, Authority: o.authority}
		if o.tls {
			up.Tls = &configpb.ClientTLS{ServerName: o.authority}
		}
		descriptors := &configpb.Descriptors{Source: &configpb.Descriptors_Reflection{Reflection: &configpb.ReflectionSource{}}}
		if o.descriptors != "" {
			descriptors.Source = &configpb.Descriptors_Image{Image: &configpb.ImageSource{Path: o.descriptors}}
		}
		cfg.Upstreams = append(cfg.Upstreams, &configpb.Upstream{
			Name: name, Kind: &configpb.Upstream_Grpc{Grpc: up}, Descriptors: descriptors,
		})
		cfg.Routes = append(cfg.Routes, &configpb.Route{
			Name: name, Action: &configpb.Route_Transcode{Transcode: &configpb.TranscodeRoute{Upstream: name}},
			Transform: o.transform,
		})
	}
	return cfg
}

// upstreamName is the target itself where that can be a name.
func upstreamName(i int, target string) string {
	if nameable.MatchString(target) {
		return target
	}
	return fmt.Sprintf("target-%d", i+1)
}

// nameable is what the schema allows as the name of an upstream.
var nameable = regexp.MustCompile(`^[0-9A-Za-z._:/@\[\]-]{1,128}$`)

// resolve loads every descriptor once and hands the compiled gateway to use.
func resolve(ctx context.Context, plan *config.Plan, use func(*gateway.Gateway) error) error {
	g, err := builtin.Gateway(plan, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	if err := g.Resolve(ctx); err != nil {
		return err
	}
	return use(g)
}
