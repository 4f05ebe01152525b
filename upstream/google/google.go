// Package google is the upstream kind for functions of Google Cloud Functions, of either
// generation, and services of Cloud Run. Requests go there by upstream/http, with an
// identity token, which Google's library for credentials gets and upstream/token keeps.
//
// The package is complete for requests and for events made of them. What the function's
// front door says of a token it does not take (401, 403) is answered as it is: it cannot
// be told from what the function says.
package google

import (
	"fmt"
	"net/http"
	"net/url"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamhttp "github.com/dragoman-gateway/dragoman/upstream/http"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

// Upstream is one function, or service.
type Upstream struct {
	upstream.HTTP
	// tokens is nil if none are sent.
	tokens *token.Cache[string]
	// pool has the connections to who issues tokens.
	pool   *http.Transport
	policy policy
	// event is how requests become events; nil if they do not.
	event *event
}

var _ upstream.HTTP = (*Upstream)(nil)

// New makes the upstream that cfg describes, without a connection. It fails if a file
// with credentials cannot be read, or is not understood.
func New(cfg *configpb.GoogleFunctionUpstream, env upstream.Env) (upstream.Upstream, error) {
	pool := token.NewTransport()
	up, err := newUpstream(cfg, env, pool)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: %w", env.Name, err)
	}
	up.pool = pool
	return up, nil
}

// newUpstream takes what requests for tokens are sent by.
func newUpstream(cfg *configpb.GoogleFunctionUpstream, env upstream.Env, issuers http.RoundTripper) (*Upstream, error) {
	base, err := url.Parse(cfg.GetUrl())
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	u := &Upstream{policy: policyOf(cfg), event: newEvent(cfg.GetCloudEvent())}
	if !cfg.GetCredentials().GetAnonymous() {
		source, err := newSource(cfg, env.Dir, issuers)
		if err != nil {
			return nil, err
		}
		log := env.Log
		if log != nil {
			log = log.With("upstream", env.Name)
			if upstream.ClearText(base) {
				log.Warn("tokens are sent as clear text: give a URL with https", "url", cfg.GetUrl())
			}
		}
		u.tokens = token.New(source, log)
	}
	if u.HTTP, err = upstreamhttp.NewFront(cfg, env); err != nil {
		u.end()
		return nil, err
	}
	return u, nil
}

// Close waits for the requests that were sent, until their answers have been read, and
// then ends the connections.
func (u *Upstream) Close() error {
	err := u.HTTP.Close()
	u.end()
	return err
}

// end ends the fetching of tokens.
func (u *Upstream) end() {
	if u.tokens != nil {
		u.tokens.Close()
	}
	if u.pool != nil {
		u.pool.CloseIdleConnections()
	}
}

// Origin implements [upstream.HTTP].
func (u *Upstream) Origin() upstream.Origin {
	origin := u.HTTP.Origin()
	// An event has a body and is about the request, and has nothing else of it.
	origin.Aware, origin.Whole = u.event != nil, u.event != nil
	return origin
}

// Send implements [upstream.HTTP].
func (u *Upstream) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	out := *r
	out.Header = u.policy.header(r.Header)
	if u.tokens != nil {
		text, err := u.tokens.Get(r.Context())
		if err != nil {
			closeBody(r)
			return nil, token.Failure(r.Context(), err)
		}
		u.policy.authorize(out.Header, text)
	}
	if u.event != nil {
		if failure := u.event.of(&out, u.HTTP.Origin().BasePath); failure != nil {
			closeBody(r)
			return nil, failure
		}
	}
	return u.HTTP.Send(&out, tried)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// The headers that tokens travel in.
const (
	authorization = "Authorization"
	forwardedAuth = "X-Forwarded-Authorization"
	serverlessKey = "X-Serverless-Authorization"
)

// policy is what becomes of the client's Authorization.
type policy uint8

const (
	moves policy = iota
	drops
	keeps
)

func policyOf(cfg *configpb.GoogleFunctionUpstream) policy {
	switch name := cfg.GetAuthorization(); {
	case name == "drop":
		return drops
	case name == "keep", name == "" && cfg.GetCredentials().GetAnonymous():
		// Without a token nothing takes its place.
		return keeps
	default:
		return moves
	}
}

// header is a copy of in as the function is to have it, but for the token.
func (p policy) header(in http.Header) http.Header {
	out := make(http.Header, len(in)+2)
	for name, values := range in {
		// Whom the function believes these say the gateway alone: a client that may send
		// them could be anybody.
		if !upstream.IsHeader(name, forwardedAuth) && !upstream.IsHeader(name, serverlessKey) {
			out[name] = values
		}
	}
	if p == keeps {
		return out
	}
	if values, ok := out[authorization]; ok {
		delete(out, authorization)
		if p == moves {
			out[forwardedAuth] = values
		}
	}
	return out
}

// authorize gives h the token.
func (p policy) authorize(h http.Header, text string) {
	name := authorization
	if p == keeps {
		name = serverlessKey
	}
	h[name] = []string{"Bearer " + text}
}
