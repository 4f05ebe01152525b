package googletest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// Door is a stand-in for the front door of Cloud Run and Cloud Functions: it lets
// requests with an identity token through to a function (docs: run/docs/authenticating/
// service-to-service, run/docs/securing/managing-access).
type Door struct {
	// URL is where the function is called, and whom tokens must be for.
	URL string

	google    *Google
	path      string
	function  http.Handler
	audiences []string
	server    *http.Server
}

// StartDoor is [NewDoor] for a test, which ends it.
func StartDoor(t testing.TB, g *Google, path string, function http.Handler, audiences ...string) *Door {
	t.Helper()
	d, err := NewDoor(g, "", path, function, audiences...)
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// NewDoor starts the front door of function at an address, a free port of the loopback if
// that is empty, for tokens that g issues. A path is that of a function of the first
// generation, /resize: requests arrive at the function without it. Tokens may be for custom audiences too (docs:
// run/docs/configuring/custom-audiences). The caller closes it.
func NewDoor(g *Google, address, path string, function http.Handler, audiences ...string) (*Door, error) {
	d := &Door{google: g, path: path, function: function}
	ready := make(chan struct{}) // what is served reads URL
	server, url, err := serve(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-ready
		d.ServeHTTP(w, r)
	}))
	d.server, d.URL = server, url+path
	d.audiences = append(audiences, d.URL)
	close(ready)
	return d, err
}

// Close ends it, and not the function.
func (d *Door) Close() { _ = d.server.Close() } // it only closes listeners and connections

// ServeHTTP is what URL answers.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// If both are there, only the first one counts.
	name := "X-Serverless-Authorization"
	if r.Header.Get(name) == "" {
		name = "Authorization"
	}
	text, ok := strings.CutPrefix(r.Header.Get(name), "Bearer ")
	if !ok {
		w.Header().Set("Www-Authenticate", "Bearer")
		http.Error(w, "403 Forbidden: your client does not have permission to get URL", http.StatusForbidden)
		return
	}
	var got claims
	_, err := jwt.ParseWithClaims(text, &got, func(*jwt.Token) (any, error) { return &d.google.issuerKey.PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(d.audiences...), jwt.WithIssuer(issuer), jwt.WithExpirationRequired())
	if err != nil {
		w.Header().Set("Www-Authenticate", `Bearer error="invalid_token", error_description="The access token could not be verified"`)
		http.Error(w, "401 Unauthorized: "+err.Error(), http.StatusUnauthorized)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, d.path)
	if !ok || rest != "" && rest[0] != '/' {
		http.NotFound(w, r)
		return
	}
	r.URL.Path, r.URL.RawPath = "/"+strings.TrimPrefix(rest, "/"), ""
	// The function sees who calls, and nothing that it could call others with.
	r.Header.Set(name, "Bearer "+text[:strings.LastIndexByte(text, '.')]+".SIGNATURE_REMOVED_BY_GOOGLE")
	r.Header.Set("X-Test-Caller", got.Email)
	d.function.ServeHTTP(w, r)
}
