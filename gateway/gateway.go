// Package gateway turns a configuration and the schemas of its upstreams into
// an immutable snapshot, publishes it with one atomic store, and serves every
// request from the snapshot that it found.
//
// The passes are those of the architecture page: upstreams are made without
// dialling, descriptors are loaded from their sources under a deadline, and the
// snapshot is compiled. An upstream whose descriptors cannot be loaded yet does
// not stop the others: the gateway keeps trying, and publishes a new snapshot
// when they have arrived. The package knows contracts (protocols, upstreams,
// descriptor sources), never a kind.
//
// Replacing the configuration of a running gateway is not part of it yet.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/filter"
	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/reflect/source"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// Options are what a gateway is built of.
type Options struct {
	// Upstreams and Sources are the kinds that a configuration may name.
	Upstreams *upstream.Kinds
	Sources   *source.Kinds
	// Filters are the kinds that stand around the handlers of routes.
	Filters *filter.Kinds
	// Protocols are the inbound protocols. The last one answers errors for
	// requests whose content type none of them speaks.
	Protocols []transcoder.Protocol
	// CEL is called once for each upstream with validation, and makes what
	// compiles the rules in CEL of its messages. Without it they are refused.
	CEL func() CEL
	// Log is for events, Access for one line a request; nil for no such lines.
	Log, Access *slog.Logger
}

// Gateway serves one configuration. Its methods are safe for any goroutine,
// except that Start and Close are called once each, in this order.
type Gateway struct {
	options  Options
	log      *slog.Logger
	access   *slog.Logger
	snapshot atomic.Pointer[Snapshot]

	plan      *config.Plan
	upstreams []*upstreamState
	// services are the service configs that routes name, by those names.
	services map[string]*config.Service
	programs *programs
	// draining ends with Drain.
	draining context.Context
	drain    context.CancelFunc
	// stop ends what runs in the background: sources are retried, upstreams checked.
	stop       context.CancelFunc
	background sync.WaitGroup
}

// New makes a gateway for a linked configuration: service configs are read,
// upstreams and sources are made, and nothing is dialled or loaded. The error is a
// [config.Report].
func New(plan *config.Plan, options Options) (*Gateway, error) {
	g := programmed(plan, options)
	report := append(g.loadServices(), g.programs.report...)
	for _, cfg := range plan.Upstreams {
		state, problems := g.newUpstream(cfg)
		report = append(report, problems...)
		if state != nil {
			g.upstreams = append(g.upstreams, state)
		}
	}
	report = append(report, g.checkAbilities()...)
	report = append(report, g.bind()...)
	if len(report) > 0 {
		_ = g.closeUpstreams()
		return nil, report.Err()
	}
	return g, nil
}

// programmed is a gateway with the programs of its plan, and without upstreams.
func programmed(plan *config.Plan, options Options) *Gateway {
	g := &Gateway{options: options, log: options.Log, access: options.Access, plan: plan}
	g.draining, g.drain = context.WithCancel(context.Background())
	if g.options.Filters == nil {
		g.options.Filters = new(filter.Kinds)
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.programs = loadPrograms(plan)
	return g
}

// Start loads the descriptors and publishes the first snapshot. Sources that
// are unavailable are tried again in the background until Close; every other
// problem is in the error, a [config.Report], and nothing is published. Then upstreams
// that can tell are asked, in the background too, whether calls would be let through:
// if not, the log says so.
func (g *Gateway) Start(ctx context.Context) error {
	if err := g.load(ctx, g.upstreams, startTimeout); err != nil {
		return err
	}
	snap, err := g.compile()
	if err != nil {
		return err
	}
	g.snapshot.Store(snap)
	ctx, g.stop = context.WithCancel(context.WithoutCancel(ctx))
	g.background.Go(func() { g.retry(ctx) })
	g.background.Go(func() { g.check(ctx) })
	return nil
}

// Resolve loads and compiles everything once, without serving: an unavailable
// source is a problem like any other. The error is a [config.Report].
func (g *Gateway) Resolve(ctx context.Context) error {
	if err := g.load(ctx, g.upstreams, loadTimeout); err != nil {
		return err
	}
	var report config.Report
	for _, up := range g.missing() {
		report = append(report, up.problem(g.plan.File, up.err))
	}
	if err := report.Err(); err != nil {
		return err
	}
	snap, err := g.compile()
	if err == nil {
		g.snapshot.Store(snap)
	}
	return err
}

// Handler serves the named listener. It must not be called before Start.
func (g *Gateway) Handler(listener string) http.Handler {
	for i, l := range g.plan.Listeners {
		if l.Name == listener {
			return &handler{gateway: g, listener: i, trusted: forwarded.Of(l.TrustedProxies)}
		}
	}
	return http.NotFoundHandler()
}

// Waiting lists the upstreams whose descriptors are missing. The gateway is
// ready when it is empty.
func (g *Gateway) Waiting() []Waiting {
	if snap := g.snapshot.Load(); snap != nil {
		return snap.waiting
	}
	return nil
}

// Entries lists what a listener serves, in a stable order.
func (g *Gateway) Entries(listener string) []*route.Entry {
	snap := g.snapshot.Load()
	for i, l := range g.plan.Listeners {
		if l.Name == listener && snap != nil {
			return snap.tables[i].Entries()
		}
	}
	return nil
}

// Programs are the jq programs of the configuration.
func (g *Gateway) Programs() []Program { return g.programs.described() }

// Warnings are what is likely to be a mistake: in programs, and, once the descriptors
// are loaded, in what they read.
func (g *Gateway) Warnings() config.Report {
	warnings := g.programs.warnings
	if snap := g.snapshot.Load(); snap != nil {
		warnings = slices.Concat(warnings, snap.warnings)
	}
	return warnings
}

// Close stops loading descriptors and checking upstreams, and closes these. Requests must have
// ended.
func (g *Gateway) Close() error {
	g.drain()
	if g.stop != nil {
		g.stop()
		g.background.Wait()
	}
	return g.closeUpstreams()
}

func (g *Gateway) closeUpstreams() error {
	var errs []error
	for _, up := range g.upstreams {
		errs = append(errs, up.upstream.Close())
		for _, dialled := range up.dialled {
			errs = append(errs, dialled.Close())
		}
	}
	return errors.Join(errs...)
}
