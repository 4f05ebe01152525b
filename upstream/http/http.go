// Package http is the upstream kind for services that speak HTTP, on the standard
// library's [http.Transport]: it has the connections and both versions of the
// protocol. Which endpoint a request goes to is said by upstream/balance.
//
// The package is complete for requests, streamed bodies, trailers and upgrades. It
// does no retries of its own, and follows no redirects.
package http

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
	"github.com/dragoman-gateway/dragoman/upstream/tlsconfig"
)

// Defaults of the configuration.
const (
	connectTimeout = 3 * time.Second
	idleTimeout    = 50 * time.Second
	headerBytes    = 256 << 10
	maxRequests    = 1024
	maxWaiting     = 1024
	waitTimeout    = time.Second
)

// Upstream is one HTTP service behind its endpoints.
type Upstream struct {
	set    *balance.Set
	origin upstream.Origin
	// host is the Host of requests that have none: that of the URL.
	host string
	// sockets are the hosts in URLs that stand for unix sockets, by the address of
	// the endpoint.
	sockets   map[string]string
	transport *http.Transport
	// upgrades is for requests to change the protocol, which HTTP/2 has none of. It is
	// the same as transport where that has HTTP/1.1 only, and nil where HTTP/1.1 is not
	// to be spoken.
	upgrades *http.Transport
	// http2 says that the last connection spoke HTTP/2.
	http2 atomic.Bool
	// connectionWait bounds how long a request waits for one of a limited number of
	// connections; zero if their number is not limited.
	connectionWait time.Duration
	calls          sync.WaitGroup
}

var _ upstream.HTTP = (*Upstream)(nil)

// New makes the upstream that cfg describes, without dialling or looking up a name. It
// fails if a certificate cannot be read or an address is not understood.
func New(cfg *configpb.HTTPUpstream, env upstream.Env) (upstream.Upstream, error) {
	up, err := newUpstream(cfg, env)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: %w", env.Name, err)
	}
	return up, nil
}

// Front is what the configuration of a kind says of the front door of a platform that
// runs functions.
type Front interface {
	GetUrl() string
	GetTls() *configpb.ClientTLS
	GetLimits() *configpb.UpstreamLimits
	GetConnectTimeout() *durationpb.Duration
}

// NewFront is [New] for kinds whose requests this package sends: platforms find a
// function by the host of its URL, also if that is an address. The error does not name
// the upstream.
func NewFront(cfg Front, env upstream.Env) (upstream.HTTP, error) {
	base, err := url.Parse(cfg.GetUrl())
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	up, err := newUpstream(&configpb.HTTPUpstream{
		Url: cfg.GetUrl(), Host: base.Host, Tls: cfg.GetTls(), Limits: cfg.GetLimits(), ConnectTimeout: cfg.GetConnectTimeout(),
		Forwarded: "x_forwarded",
	}, env)
	if err != nil {
		return nil, err
	}
	return up, nil
}

func newUpstream(cfg *configpb.HTTPUpstream, env upstream.Env) (*Upstream, error) {
	base, err := url.Parse(cfg.GetUrl())
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	secured := base.Scheme == "https"
	var secure *tls.Config
	if secured {
		secure, err = tlsconfig.Client(cfg.GetTls(), env.Dir)
		if err != nil {
			return nil, err
		}
		// Never the address of the endpoint: that is whatever the name resolves to.
		secure.ServerName = cmp.Or(secure.ServerName, base.Hostname())
		secure.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	targets := cfg.GetEndpoints()
	if len(targets) == 0 {
		targets = []string{net.JoinHostPort(base.Hostname(), cmp.Or(base.Port(), defaultPort(base.Scheme)))}
	}
	up := &Upstream{origin: originOf(cfg, base), host: hostOf(base), sockets: make(map[string]string)}
	up.set, err = balance.New(endpoints(cfg, targets, env))
	if err != nil {
		return nil, err
	}
	d := newDialer(cfg, secure, &up.http2)
	for i, target := range targets {
		if path, ok := strings.CutPrefix(target, "unix:"); ok {
			host := fmt.Sprintf("socket-%d", i)
			up.sockets[target] = host
			d.sockets[net.JoinHostPort(host, defaultPort(base.Scheme))] = path
		}
	}
	var protocols http.Protocols
	switch version := cfg.GetVersion(); {
	case version == "http2":
		protocols.SetHTTP2(secured)
		protocols.SetUnencryptedHTTP2(!secured)
	case version == "http1" || !secured:
		protocols.SetHTTP1(true)
	default:
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
	}
	up.http2.Store(!protocols.HTTP1())
	up.transport = newTransport(cfg, d, protocols)
	switch {
	case protocols.HTTP1() && protocols.HTTP2():
		var only http.Protocols
		only.SetHTTP1(true)
		up.upgrades = newTransport(cfg, d, only)
	case protocols.HTTP1():
		up.upgrades = up.transport
	}
	if limits := cfg.GetLimits(); limits.GetConnections() > 0 && protocols.HTTP1() {
		up.connectionWait = duration(limits.GetWaitTimeout(), waitTimeout) + d.timeout
	}
	return up, nil
}

// Close waits for the requests that were sent, until their answers have been read, and
// then ends the connections.
func (u *Upstream) Close() error {
	u.calls.Wait()
	u.transport.CloseIdleConnections()
	if u.upgrades != nil {
		u.upgrades.CloseIdleConnections()
	}
	u.set.Close()
	return nil
}

// Origin implements [upstream.HTTP].
func (u *Upstream) Origin() upstream.Origin { return u.origin }

func originOf(cfg *configpb.HTTPUpstream, base *url.URL) upstream.Origin {
	origin := upstream.Origin{
		Scheme:    base.Scheme,
		Host:      cfg.GetHost(),
		BasePath:  strings.TrimRight(base.EscapedPath(), "/"),
		Forwarded: forwarded(cfg.GetForwarded()),
	}
	if origin.Host == "" && !cfg.GetKeepHost() {
		// Of a mere address the service knows nothing.
		if _, err := netip.ParseAddr(base.Hostname()); err != nil {
			origin.Host = hostOf(base)
		}
	}
	return origin
}

// hostOf is the host of base, with its port unless it is that of the scheme.
func hostOf(base *url.URL) string {
	if base.Port() == defaultPort(base.Scheme) {
		return strings.TrimSuffix(base.Host, ":"+base.Port())
	}
	return base.Host
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

func forwarded(name string) upstream.Forwarded {
	switch name {
	case "none":
		return upstream.None
	case "forwarded":
		return upstream.StandardForwarded
	case "both":
		return upstream.XForwarded | upstream.StandardForwarded
	default:
		return upstream.XForwarded
	}
}

// endpoints is what cfg says of the endpoints.
func endpoints(cfg *configpb.HTTPUpstream, targets []string, env upstream.Env) balance.Config {
	limits, ejection := cfg.GetLimits(), cfg.GetEjection()
	config := balance.Config{
		Name:         env.Name,
		Targets:      targets,
		LeastRequest: cfg.GetBalance() == "least_request",
		Ejection: balance.Ejection{
			BaseTime: duration(ejection.GetTime(), 0),
			MaxTime:  duration(ejection.GetMaxTime(), 0),
		},
		Requests:    maxRequests,
		Waiting:     maxWaiting,
		WaitTimeout: duration(limits.GetWaitTimeout(), waitTimeout),
		Refresh:     duration(cfg.GetDns().GetRefresh(), 0),
		Log:         env.Log,
	}
	if ejection != nil && ejection.Failures != nil {
		// There zero is the default.
		config.Ejection.Failures = cmp.Or(int(ejection.GetFailures()), -1)
	}
	if ejection != nil && ejection.MaxPercent != nil {
		// And here, but one of several may always be ejected.
		config.Ejection.MaxPercent = max(1, int(ejection.GetMaxPercent()))
	}
	if limits != nil && limits.Requests != nil {
		config.Requests = int(limits.GetRequests())
	}
	if limits != nil && limits.Waiting != nil {
		config.Waiting = int(limits.GetWaiting())
	}
	if server := cfg.GetDns().GetServer(); server != "" {
		config.Resolver = &net.Resolver{
			PreferGo: true,
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				conn, err := d.DialContext(ctx, network, server)
				if err == nil {
					// The resolver waits for the answer of a dead server even if
					// nobody waits for it any more.
					context.AfterFunc(ctx, func() { _ = conn.Close() })
				}
				return conn, err
			},
		}
	}
	return config
}
