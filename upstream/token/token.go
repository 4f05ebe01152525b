// Package token keeps the token that an upstream is called with, and other credentials
// that expire, in a [Cache].
//
// The package knows no issuer: who has a [Source] has a token. It is complete.
package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// maxToken is how many bytes a token may have: more than servers take in a header.
const maxToken = 16 << 10

// Token is a text that is good until it expires.
type Token struct {
	Text    string
	Expires time.Time
}

// Source fetches a new token. Errors must not have secrets in them.
type Source func(context.Context) (Token, error)

// New is a cache of the texts of tokens.
func New(source Source, log *slog.Logger) *Cache[string] {
	return NewCache("token", func(ctx context.Context) (string, time.Time, error) {
		token, err := source(ctx)
		if err == nil {
			err = check(token)
		}
		return token.Text, token.Expires, err
	}, log)
}

var (
	errEmpty   = errors.New("the issuer gave none")
	errEndless = errors.New("it does not say when it expires")
	errText    = errors.New("it is not the text of a token")
)

// check says what is wrong with a token that the source gave.
func check(token Token) error {
	switch {
	case token.Text == "":
		return errEmpty
	case token.Expires.IsZero():
		return errEndless
	case len(token.Text) > maxToken:
		return errText
	}
	for i := range len(token.Text) {
		// It goes into a header, and nothing but tokens do (RFC 6750, section 2.1).
		if b := token.Text[i]; b <= ' ' || b >= 0x7f {
			return errText
		}
	}
	return nil
}

// Failure is the error of a request for which [Cache.Get] has returned err.
func Failure(ctx context.Context, err error) *upstream.Error {
	if failed := new(Error); errors.As(err, &failed) {
		return &upstream.Error{Reason: rpc.UpstreamDenied, NotSent: true, Err: err}
	}
	return &upstream.Error{Reason: upstream.Ended(ctx), NotSent: true, Err: err}
}

// NewTransport makes the connections to who issues tokens. It uses no proxy, as nothing
// of the gateway does: those that the environment names would get to see requests to the
// metadata server of a machine.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	return t
}

// NewClient asks who issues tokens by base. It follows no redirects: what it sends are
// secrets, for nobody else.
func NewClient(base http.RoundTripper) *http.Client {
	return &http.Client{Transport: base, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ExpiryOf is when a JSON Web Token says that it expires (RFC 7519, section 4.1.4); zero
// if it does not say so, or is none. Nothing else of it is looked at: it is for whom it
// is sent to, to verify it.
func ExpiryOf(text string) time.Time {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(text) > maxToken {
		return time.Time{}
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if json.Unmarshal(data, &claims) != nil || claims.Expires <= 0 || claims.Expires > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Expires), 0)
}
