// Package azure is the upstream kind for apps of Azure Functions. Requests go there by
// upstream/http, with a key, or with a token of Microsoft Entra ID, which Azure's library
// gets and upstream/token keeps.
//
// The package is complete for functions that HTTP triggers. What the app says of a key or
// a token that it does not take (401, 403) is answered as it is.
package azure

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamhttp "github.com/dragoman-gateway/dragoman/upstream/http"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

// Upstream is one app, or one function of it.
type Upstream struct {
	upstream.HTTP
	// prefix is what the paths of all functions begin with, base with the one that is
	// called: neither ends with a slash.
	prefix, base string
	keys         keys
	// tokens is nil if none are sent.
	tokens *token.Cache[string]
	// pool has the connections to who issues tokens.
	pool *http.Transport
}

var _ upstream.HTTP = (*Upstream)(nil)

// New makes the upstream that cfg describes, without a connection. It fails if a file
// with a secret cannot be read.
func New(cfg *configpb.AzureFunctionUpstream, env upstream.Env) (upstream.Upstream, error) {
	pool := token.NewTransport()
	up, err := newUpstream(cfg, env, pool)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: %w", env.Name, err)
	}
	return up, nil
}

// newUpstream takes what requests for tokens are sent by.
func newUpstream(cfg *configpb.AzureFunctionUpstream, env upstream.Env, pool *http.Transport) (*Upstream, error) {
	base, err := url.Parse(cfg.GetUrl())
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	u := &Upstream{pool: pool, prefix: "/api"}
	if prefix := cfg.GetRoutePrefix(); prefix != "" {
		u.prefix = join(prefix)
	}
	u.base = join(u.prefix, cfg.GetFunction())
	if u.keys, err = keysOf(cfg, env.Dir); err != nil {
		return nil, err
	}
	if env.Log != nil && upstream.ClearText(base) && (!u.keys.anonymous || cfg.GetEntra() != nil) {
		env.Log.Warn("keys and tokens are sent as clear text: give a URL with https", "upstream", env.Name, "url", cfg.GetUrl())
	}
	if cfg.GetEntra() != nil {
		source, err := newSource(cfg.GetEntra(), env.Dir, pool)
		if err != nil {
			return nil, err
		}
		log := env.Log
		if log != nil {
			log = log.With("upstream", env.Name)
		}
		u.tokens = token.New(source, log)
	}
	if u.HTTP, err = upstreamhttp.NewFront(cfg, env); err != nil {
		u.end()
		return nil, err
	}
	return u, nil
}

// join is a path of parts, each with a slash in front and none at the end.
func join(parts ...string) string {
	var out strings.Builder
	for _, part := range parts {
		for segment := range strings.SplitSeq(part, "/") {
			if segment != "" {
				out.WriteByte('/')
				out.WriteString(segment)
			}
		}
	}
	return out.String()
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
	u.pool.CloseIdleConnections()
}

// Origin implements [upstream.HTTP].
func (u *Upstream) Origin() upstream.Origin {
	origin := u.HTTP.Origin()
	origin.BasePath = u.base
	return origin
}

// Send implements [upstream.HTTP].
func (u *Upstream) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	out := *r
	target := *r.URL
	out.URL = &target
	out.Header = make(http.Header, len(r.Header)+2)
	for name, values := range r.Header {
		if !u.isOurs(name) {
			out.Header[name] = values
		}
	}
	if path := rawPath(&target); u.base != "" && path == u.base+"/" {
		// Nothing follows the function.
		target.Path, target.RawPath = u.base, u.base
	}
	u.keys.set(&out, strings.TrimPrefix(rawPath(&target), u.prefix), u.base == "")
	if u.tokens != nil {
		text, err := u.tokens.Get(r.Context())
		if err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}
			return nil, token.Failure(r.Context(), err)
		}
		if values, ok := out.Header[authorization]; ok {
			out.Header[forwardedAuth] = values
		}
		out.Header[authorization] = []string{"Bearer " + text}
	}
	resp, err := u.HTTP.Send(&out, tried)
	if err == nil && u.keys.inQuery {
		u.keys.hide(resp.Header)
	}
	return resp, err
}

// isOurs reports whether a header says what no client may say: functions believe it of
// the gateway, or of App Service, which removes it only where it authenticates itself.
func (u *Upstream) isOurs(name string) bool {
	return upstream.IsHeader(name, functionsKey) || u.tokens != nil && upstream.IsHeader(name, forwardedAuth) ||
		upstream.HeaderBegins(name, principal) || upstream.HeaderBegins(name, principalTokens)
}

// rawPath is the path of u as it is sent.
func rawPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// The headers that keys and tokens travel in.
const (
	authorization = "Authorization"
	forwardedAuth = "X-Forwarded-Authorization"
	functionsKey  = "X-Functions-Key"
)

// How the headers begin in which App Service says who a user is, and has tokens of theirs
// (docs: app-service/configure-authentication-user-identities).
const (
	principal       = "X-Ms-Client-Principal"
	principalTokens = "X-Ms-Token-"
)
