package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/reflect/source"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/upstream"
)

const (
	// loadTimeout bounds one attempt to load the descriptors of one upstream.
	loadTimeout = 10 * time.Second
	// startTimeout bounds the first attempt of a source that needs the network:
	// an upstream that is silent must not keep the others from being served.
	startTimeout = 2 * time.Second
	// Between attempts the gateway waits from firstRetry, doubling to lastRetry,
	// each with up to a fifth of jitter.
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// upstreamState is one upstream with what is known of its schema. Only the
// goroutine that compiles snapshots touches it.
type upstreamState struct {
	cfg      *config.Upstream
	upstream upstream.Upstream
	// rpc and http are upstream for calls and for requests, nil if it takes none.
	rpc  rpc.Upstream
	http upstream.HTTP
	// tuned is http as the routes see it that say how it is called.
	tuned map[*config.Route]upstream.HTTP
	// maxMessageBytes is what upstream is bounded by; routes may be by less.
	maxMessageBytes int
	source          source.Source
	// dialled are upstreams that the source asked for.
	dialled []upstream.Upstream
	schema  *schema.Schema
	codec   *codec.Codec
	// rules, cel and printing belong to schema; printing has the codecs of other
	// forms of JSON that were asked for.
	rules    map[checkedInput]compiledRules
	cel      CEL
	printing map[codec.Print]*codec.Codec
	// err is why schema is nil.
	err error
}

// leastMessageBytes is what every upstream may send, so that small limits of its
// routes do not stand in the way of reflection.
const leastMessageBytes = 4 << 20

func (g *Gateway) newUpstream(cfg *config.Upstream) (*upstreamState, config.Report) {
	maxBytes := max(g.plan.MaxMessageBytes(cfg), leastMessageBytes)
	env := upstream.Env{Name: cfg.Name, MaxMessageBytes: maxBytes, Dir: g.plan.File.Dir(), Log: g.log}
	up, err := g.options.Upstreams.New(cfg.Kind, env)
	if err != nil {
		return nil, config.Report{g.plan.File.Problem(cfg.KindPath, "%v", err)}
	}
	state := &upstreamState{cfg: cfg, upstream: up, maxMessageBytes: maxBytes}
	state.rpc, _ = up.(rpc.Upstream)
	state.http, _ = up.(upstream.HTTP)
	if cfg.Source == nil {
		return state, nil
	}
	state.source, err = g.options.Sources.New(cfg.Source, source.Env{
		Name: cfg.Name, Upstream: state.rpc, Log: g.log, Dir: g.plan.File.Dir(),
		Dial: func(cfg proto.Message) (rpc.Upstream, error) {
			further, err := g.options.Upstreams.New(cfg, env)
			if err != nil {
				return nil, err
			}
			state.dialled = append(state.dialled, further)
			calls, ok := further.(rpc.Upstream)
			if !ok {
				return nil, errors.New("it takes no calls")
			}
			return calls, nil
		},
	})
	if err != nil {
		return state, config.Report{g.plan.File.Problem(cfg.SourcePath, "%v", err)}
	}
	return state, nil
}

func (up *upstreamState) problem(file *config.File, err error) config.Problem {
	return file.Problem(up.cfg.SourcePath, "upstream %q: %v", up.cfg.Name, err)
}

// load asks the sources of ups, all at once. Its error is a report of what only
// the user can mend; an unavailable source leaves its reason in err.
// A source that needs the network gets at most the time network.
func (g *Gateway) load(ctx context.Context, ups []*upstreamState, network time.Duration) error {
	var loading sync.WaitGroup
	for _, up := range ups {
		if up.source == nil {
			continue
		}
		loading.Go(func() {
			timeout := network
			if up.source.Offline() {
				timeout = loadTimeout
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			up.load(ctx)
		})
	}
	loading.Wait()
	var report config.Report
	for _, up := range ups {
		if up.err != nil && !errors.Is(up.err, source.ErrUnavailable) {
			report = append(report, up.problem(g.plan.File, up.err))
		}
	}
	return report.Err()
}

// missing are the upstreams whose descriptors are not loaded.
func (g *Gateway) missing() []*upstreamState {
	var missing []*upstreamState
	for _, up := range g.upstreams {
		if up.source != nil && up.schema == nil {
			missing = append(missing, up)
		}
	}
	return missing
}

func (up *upstreamState) load(ctx context.Context) {
	s, err := up.source.Load(ctx)
	if err != nil {
		up.err = err
		return
	}
	c, err := codec.New(s)
	if err != nil {
		up.err = err
		return
	}
	up.schema, up.codec, up.err = s, c, nil
	up.rules, up.cel, up.printing = nil, nil, nil
}

// print gives the tables of the schema for a form of JSON, each made once.
func (up *upstreamState) print(p codec.Print) (*codec.Codec, error) {
	if p == (codec.Print{}) {
		return up.codec, nil
	}
	if c := up.printing[p]; c != nil {
		return c, nil
	}
	c, err := codec.NewPrinting(up.schema, p)
	if err != nil {
		return nil, err
	}
	if up.printing == nil {
		up.printing = make(map[codec.Print]*codec.Codec)
	}
	up.printing[p] = c
	return c, nil
}

// retry loads what is missing until nothing is, or ctx is done.
func (g *Gateway) retry(ctx context.Context) {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		missing := g.missing()
		for _, up := range missing {
			g.log.Warn("descriptors not loaded yet", "upstream", up.cfg.Name, "error", up.err)
		}
		if len(missing) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait + rand.N(wait/5)):
		}
		if err := g.load(ctx, missing, loadTimeout); err != nil && ctx.Err() == nil {
			g.log.Error("descriptors cannot be used", "error", err)
		}
		g.publish(missing)
	}
}

// publish compiles a snapshot with the schemas that have arrived. One that does
// not compile never replaces the current one: the upstreams with which it does not
// count as missing, and keep the others from nothing.
func (g *Gateway) publish(loaded []*upstreamState) {
	snap, err := g.compile()
	if err != nil {
		arrived := make([]upstreamState, len(loaded))
		for i, up := range loaded {
			arrived[i] = *up
			up.schema, up.codec = nil, nil
			if up.err == nil {
				up.err = err
			}
		}
		for i, up := range loaded {
			if arrived[i].schema == nil {
				continue
			}
			*up = arrived[i]
			if _, err := g.compile(); err != nil {
				g.log.Error("descriptors cannot be used", "upstream", up.cfg.Name, "error", err)
				up.schema, up.codec, up.err = nil, nil, err
			}
		}
		if snap, err = g.compile(); err != nil {
			return
		}
	}
	g.snapshot.Store(snap)
	for _, up := range loaded {
		if up.schema != nil {
			g.log.Info("descriptors loaded", "upstream", up.cfg.Name, "services", len(up.schema.Services()))
		}
	}
}

// loadServices reads every service config once.
func (g *Gateway) loadServices() config.Report {
	g.services = make(map[string]*config.Service)
	var report config.Report
	for _, rt := range g.plan.Routes {
		if rt.Transcode == nil {
			continue
		}
		for _, cfg := range rt.Transcode.ServiceConfigs {
			if _, ok := g.services[cfg.File]; ok {
				continue
			}
			name := cfg.File
			if !filepath.IsAbs(name) {
				name = filepath.Join(g.plan.File.Dir(), name)
			}
			service, err := config.LoadService(name)
			g.services[cfg.File] = service
			var wrong config.Report
			if errors.As(err, &wrong) {
				report = append(report, wrong...)
			} else if err != nil {
				report = append(report, g.plan.File.Problem(cfg.Path, "%v", err))
			}
		}
	}
	return report
}
