// Package lambda is the upstream kind for functions of AWS Lambda, on AWS's SDK: it has
// the signatures, the credentials and both of the Invoke APIs. What functions are called
// with and answer with is said by upstream/lambda/event.
//
// A request is one call: the retries of the SDK are off, those of routes know more. The
// package is complete, but for the logs of functions, which stay at AWS.
package lambda

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// Defaults of the configuration.
const (
	connectTimeout = 3 * time.Second
	idleTimeout    = 50 * time.Second
	responseBytes  = 6 << 20
	maxRequests    = 1024
	maxWaiting     = 1024
	waitTimeout    = time.Second
)

// Upstream is one function, or several of one account that routes name.
type Upstream struct {
	name   string
	log    *slog.Logger
	client *lambda.Client
	region string
	// pool has the connections to the service.
	pool *http.Client
	// keys are the credentials of client, and those that they are got with.
	keys []*cache
	// end ends what is renewed in the background.
	end context.CancelFunc

	// base is the call of routes that say nothing of it.
	base          call
	routes        routes
	limits        *configpb.UpstreamLimits
	places        places
	responseBytes int
	exposeErrors  bool
	calls         sync.WaitGroup
}

var _ upstream.HTTP = (*Upstream)(nil)

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
	ctx, end := context.WithCancel(context.Background())
	config, err := u.load(ctx, cfg, region, env.Dir)
	if err != nil {
		end()
		return nil, err
	}
	u.base, u.region, u.end = base, config.Region, end
	u.client = lambda.NewFromConfig(config, func(o *lambda.Options) {
		o.HTTPClient = (*watched)(u.pool)
		o.Retryer = aws.NopRetryer{}
		if endpoint := cfg.GetEndpoint(); endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
	})
	return u, nil
}

// Close waits for the calls, until their answers have been read, and then ends the
// connections.
func (u *Upstream) Close() error {
	u.calls.Wait()
	u.end()
	for _, k := range u.keys {
		k.wait()
	}
	u.places.close()
	u.pool.CloseIdleConnections()
	return nil
}

// Origin implements [upstream.HTTP].
func (u *Upstream) Origin() upstream.Origin {
	return upstream.Origin{Scheme: "https", Forwarded: upstream.XForwarded, Aware: true, Whole: u.base.format == event.Raw}
}

func duration(d *durationpb.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.AsDuration()
}
