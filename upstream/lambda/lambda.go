// Package lambda is the upstream kind for functions of AWS Lambda, on AWS's SDK: it has
// the signatures, the credentials and both of the Invoke APIs. What functions are called
// with and answer with is said by upstream/lambda/event.
//
// A request is one call: the retries of the SDK are off, those of routes know more. The
// package is complete, but for the logs of functions, which stay at AWS.
package lambda

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// Defaults of the configuration.
const (
	connectTimeout = 3 * time.Second
	idleTimeout    = 50 * time.Second
	responseBytes  = 6<<20 + 100 // as much as the service passes on
	maxRequests    = 1024
	maxWaiting     = 1024
	waitTimeout    = time.Second
)

// Upstream is a function as the configuration of the upstream says that it is called,
// and what it shares with the functions that routes name.
type Upstream struct {
	function
	name   string
	log    *slog.Logger
	client *lambda.Client
	region string
	// pool has the connections to the service.
	pool *http.Client
	// keys are the credentials of client, the last, and those that they are got with.
	keys []cache

	limits        *configpb.UpstreamLimits
	places        places
	responseBytes int
	exposeErrors  bool
	calls         sync.WaitGroup
}

var (
	_ upstream.HTTP    = (*Upstream)(nil)
	_ upstream.Tunable = (*Upstream)(nil)
)

// function is one way to call one function.
type function struct {
	call
	up *Upstream
	// places are those of the function, however it is called.
	places *balance.Set
}

var _ upstream.HTTP = (*function)(nil)

// New makes the upstream that cfg describes, without a connection. It fails if a file
// with credentials cannot be read, or if nothing says in which region the function is.
func New(cfg *configpb.AWSLambdaUpstream, env upstream.Env) (upstream.Upstream, error) {
	up, err := newUpstream(cfg, env)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: %w", env.Name, err)
	}
	return up, nil
}

func newUpstream(cfg *configpb.AWSLambdaUpstream, env upstream.Env) (*Upstream, error) {
	u := &Upstream{
		name: env.Name, log: env.Log, limits: cfg.GetLimits(),
		responseBytes: responseBytes, exposeErrors: cfg.GetExposeErrors(),
	}
	if u.log == nil {
		u.log = slog.New(slog.DiscardHandler)
	}
	u.log = u.log.With("upstream", env.Name)
	if cfg.ResponseBytes != nil {
		u.responseBytes = int(cfg.GetResponseBytes())
	}
	base, region, err := baseCall(cfg)
	if err != nil {
		return nil, err
	}
	config, err := u.load(cfg, region, env.Dir)
	if err != nil {
		return nil, err
	}
	u.region = config.Region
	u.client = lambda.NewFromConfig(config, func(o *lambda.Options) {
		o.HTTPClient = (*watched)(u.pool)
		o.Retryer = aws.NopRetryer{}
		if endpoint := cfg.GetEndpoint(); endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
	})
	if u.function, err = u.called(base); err != nil {
		_ = u.Close()
		return nil, err
	}
	return u, nil
}

// called is u, called as c says.
func (u *Upstream) called(c call) (function, error) {
	places, err := u.places.of(u, c.function)
	return function{call: c, up: u, places: places}, err
}

// With implements [upstream.Tunable]. The options are a [configpb.LambdaCall].
func (u *Upstream) With(options proto.Message) (upstream.HTTP, error) {
	o, ok := options.(*configpb.LambdaCall)
	if !ok {
		return nil, fmt.Errorf("a function of AWS Lambda is called as %T says, and not as %T", o, options)
	}
	c, err := u.call.with(o)
	if err != nil {
		return nil, err
	}
	f, err := u.called(c)
	return &f, err
}

// Close waits for the calls, until their answers have been read, and then ends the
// connections.
func (u *Upstream) Close() error {
	u.calls.Wait()
	for _, k := range u.keys {
		k.Close()
	}
	u.places.close()
	u.pool.CloseIdleConnections()
	return nil
}

// Close implements [upstream.Upstream]: it is the upstream that has something to end.
func (f *function) Close() error { return nil }

// Origin implements [upstream.HTTP].
func (f *function) Origin() upstream.Origin {
	return upstream.Origin{
		Scheme: "https", Forwarded: upstream.XForwarded, Aware: true,
		Whole: f.format == event.Raw, Silent: f.invocation == async || f.invocation == dryRun,
	}
}

func duration(d *durationpb.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.AsDuration()
}
