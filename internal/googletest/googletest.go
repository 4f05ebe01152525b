// Package googletest has stand-ins for what Google Cloud has around functions, written
// from its documentation: who issues tokens, and the front door that wants to see them.
// They verify what they are sent, and can be made to fail. The functions themselves are
// real, served by Google's functions framework.
package googletest

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// Accounts that tokens are for.
const (
	// Default is the account of the machine, Robot that of the key file.
	Default = "default@project.iam.gserviceaccount.com"
	Robot   = "robot@project.iam.gserviceaccount.com"
	issuer  = "https://accounts.google.com"
)

// Google is what issues tokens: at once a stand-in for the metadata server, for the
// token endpoint of keys, for the Security Token Service and for the IAM Credentials API.
type Google struct {
	// URL is where all of it is.
	URL string
	// Down makes every answer an error, Broken gives answers with a token in them that are
	// not understood.
	Down, Broken atomic.Bool
	// Issued counts identity tokens.
	Issued atomic.Int32

	issuerKey, robotKey *rsa.PrivateKey
	mux                 *http.ServeMux
	server              *http.Server

	mu       sync.Mutex
	life     time.Duration
	requests []string
}

// keys are made once: that takes long.
var keys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	// Google writes a single audience as a string.
	jwt.MarshalSingleStringAsArray = false
	var out [2]*rsa.PrivateKey
	for i := range out {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out[i] = key
	}
	return out
})

// Start is [New] for a test, which ends it.
func Start(t testing.TB) *Google {
	t.Helper()
	g, err := New("")
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

// New starts it at an address, a free port of the loopback if that is empty. Tokens live
// for an hour. The caller closes it.
func New(address string) (*Google, error) {
	g := &Google{issuerKey: keys()[0], robotKey: keys()[1], mux: http.NewServeMux(), life: time.Hour}
	g.mux.HandleFunc("GET /computeMetadata/v1/instance/service-accounts/default/{what}", g.metadata)
	g.mux.HandleFunc("GET /computeMetadata/v1/universe/universe-domain", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		_, _ = w.Write([]byte("googleapis.com"))
	})
	g.mux.HandleFunc("POST /token", g.exchangeKey)
	g.mux.HandleFunc("GET /subject", g.subject)
	g.mux.HandleFunc("POST /v1/token", g.exchangeSubject)
	g.mux.HandleFunc("POST /v1/projects/-/serviceAccounts/{account}", g.impersonate)
	var err error
	g.server, g.URL, err = serve(address, g)
	return g, err
}

// Close ends it.
func (g *Google) Close() { _ = g.server.Close() } // it only closes listeners and connections

// ServeHTTP is what URL answers.
func (g *Google) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.requests = append(g.requests, r.Method+" "+r.URL.Path)
	g.mu.Unlock()
	switch {
	case g.Down.Load():
		// 503 makes the libraries try again and again, this does not.
		http.Error(w, `{"error":"access_denied"}`, http.StatusForbidden)
	case g.Broken.Load():
		_, _ = w.Write([]byte(`{"id_token":"secret-part`))
	default:
		g.mux.ServeHTTP(w, r)
	}
}

// serve serves h, and says where.
func serve(address string, h http.Handler) (*http.Server, string, error) {
	l, err := net.Listen("tcp", cmp.Or(address, "127.0.0.1:0"))
	if err != nil {
		return nil, "", fmt.Errorf("listening for a stand-in of Google Cloud: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go server.Serve(l) //nolint:errcheck // it ends with Close
	return server, "http://" + l.Addr().String(), nil
}

// Host is that of URL, as GCE_METADATA_HOST has it.
func (g *Google) Host() string { return strings.TrimPrefix(g.URL, "http://") }

// SetLife is how long tokens live that are issued from now on.
func (g *Google) SetLife(life time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.life = life
}

// Requests are the methods and paths of what was asked.
func (g *Google) Requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}

// Transport sends what is for hosts of Google, and for the metadata server of a machine,
// to g.
func (g *Google) Transport(base *http.Transport) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Host, ".googleapis.com") || r.URL.Host == "169.254.169.254" {
			r = r.Clone(r.Context())
			r.URL.Scheme, r.URL.Host = "http", g.Host()
		}
		return base.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// claims are those of the tokens of Google, as far as they matter here.
type claims struct {
	jwt.RegisteredClaims
	Email          string `json:"email,omitempty"`
	Scope          string `json:"scope,omitempty"`
	TargetAudience string `json:"target_audience,omitempty"`
}

// Token is an identity token of account that lives for life.
func (g *Google) Token(account, audience string, life time.Duration) string {
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, &claims{Email: account, RegisteredClaims: jwt.RegisteredClaims{
		Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: account,
		IssuedAt: jwt.NewNumericDate(now.Add(-time.Hour)), ExpiresAt: jwt.NewNumericDate(now.Add(life)),
	}})
	text, err := token.SignedString(g.issuerKey)
	if err != nil {
		panic(err)
	}
	return text
}

func (g *Google) issue(account, audience string) string {
	g.Issued.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Token(account, audience, g.life)
}

// accessToken is one of account for the APIs of Google; who has it can be told.
func accessToken(account string) string { return "ya29." + account }

// accountOf is whom an access token is for.
func accountOf(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ya29.")
}

// metadata is the metadata server: instance/service-accounts/default/identity and /token
// (docs: compute/docs/instances/verifying-instance-identity).
func (g *Google) metadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Metadata-Flavor", "Google")
	if r.Header.Get("Metadata-Flavor") != "Google" {
		http.Error(w, "Metadata-Flavor is missing", http.StatusForbidden)
		return
	}
	switch audience := r.URL.Query().Get("audience"); r.PathValue("what") {
	case "identity":
		if audience == "" {
			http.Error(w, "non-empty audience parameter required", http.StatusBadRequest)
			return
		}
		account := Default
		if r.URL.Query().Get("format") != "full" {
			account = "" // the short form has no address
		}
		_, _ = w.Write([]byte(g.issue(account, audience)))
	case "token":
		answer(w, map[string]any{"access_token": accessToken(Default), "expires_in": 3600, "token_type": "Bearer"})
	default:
		http.NotFound(w, r)
	}
}

// exchangeKey is the token endpoint: a JWT that is signed with the key of an account
// gives its tokens (RFC 7523; docs: identity/protocols/oauth2/service-account), and what
// a user has once agreed to gives access tokens (RFC 6749, section 6).
func (g *Google) exchangeKey(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("grant_type") == "refresh_token" && r.FormValue("refresh_token") == "agreed" {
		answer(w, map[string]any{"access_token": accessToken("user@example.com"), "expires_in": 3600, "token_type": "Bearer"})
		return
	}
	var got claims
	_, err := jwt.ParseWithClaims(r.FormValue("assertion"), &got, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != "k1" { // which keyOf has
			return nil, errors.New("there is no such key")
		}
		return &g.robotKey.PublicKey, nil
	},
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(g.URL+"/token"), jwt.WithIssuer(Robot), jwt.WithExpirationRequired())
	if err == nil && r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		err = errors.New("grant_type")
	}
	switch {
	case err != nil:
		http.Error(w, fmt.Sprintf(`{"error":"invalid_grant","error_description":%q}`, err), http.StatusBadRequest)
	case got.TargetAudience != "":
		answer(w, map[string]any{"id_token": g.issue(Robot, got.TargetAudience)})
	default:
		answer(w, map[string]any{"access_token": accessToken(Robot), "expires_in": 3600, "token_type": "Bearer"})
	}
}

// subject is the other side of a federation, which has tokens for who knows its header.
func (g *Google) subject(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Subject") != "yes" {
		http.Error(w, "X-Subject is missing", http.StatusForbidden)
		return
	}
	answer(w, map[string]any{"value": "federated"})
}

// exchangeSubject is the Security Token Service (docs: iam/docs/reference/sts/rest/v1).
func (g *Google) exchangeSubject(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" || r.FormValue("subject_token") != "federated" {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	answer(w, map[string]any{
		"access_token": accessToken("federated"), "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
		"token_type": "Bearer", "expires_in": 3600,
	})
}

// impersonate is generateIdToken and generateAccessToken of the IAM Credentials API.
// Account a@… may be impersonated by every other one; locked@… by those only that come
// by the delegate middle@….
func (g *Google) impersonate(w http.ResponseWriter, r *http.Request) {
	account, what, _ := strings.Cut(r.PathValue("account"), ":")
	var in struct {
		Audience     string   `json:"audience"`
		Delegates    []string `json:"delegates"`
		IncludeEmail bool     `json:"includeEmail"`
	}
	by, ok := accountOf(r)
	switch err := json.NewDecoder(r.Body).Decode(&in); {
	case !ok:
		http.Error(w, "no access token", http.StatusUnauthorized)
	case err != nil:
		http.Error(w, "body", http.StatusBadRequest)
	case strings.HasPrefix(account, "locked@") && !slices.Equal(in.Delegates, []string{"projects/-/serviceAccounts/middle@project.iam.gserviceaccount.com"}):
		http.Error(w, by+" may not impersonate it", http.StatusForbidden)
	case what == "generateIdToken" && in.Audience != "":
		if !in.IncludeEmail {
			account = ""
		}
		answer(w, map[string]any{"token": g.issue(account, in.Audience)})
	case what == "generateAccessToken":
		answer(w, map[string]any{"accessToken": accessToken(account), "expireTime": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	default:
		http.Error(w, "bad request", http.StatusBadRequest)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// KeyFile is a file with the key of [Robot].
func (g *Google) KeyFile(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(g.robotKey)
	require.NoError(t, err)
	return file(t, "key.json", g.keyOf(der))
}

func (g *Google) keyOf(der []byte) map[string]any {
	return map[string]any{
		"type": "service_account", "project_id": "project", "private_key_id": "k1", "client_email": Robot, "client_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   g.URL + "/token",
	}
}

// FederationFile is a configuration of workload identity federation, with the token of
// the other side in a file. If account is not empty, it impersonates that.
func (g *Google) FederationFile(t testing.TB, account string) string {
	t.Helper()
	subject := filepath.Join(t.TempDir(), "subject")
	require.NoError(t, os.WriteFile(subject, []byte("federated"), 0o600))
	return federation(t, account, map[string]any{"file": subject})
}

// FederationURLFile is a [Google.FederationFile] with the token of the other side at a URL.
func (g *Google) FederationURLFile(t testing.TB, account string) string {
	t.Helper()
	return federation(t, account, map[string]any{
		"url": g.URL + "/subject", "headers": map[string]any{"X-Subject": "yes"},
		"format": map[string]any{"type": "json", "subject_token_field_name": "value"},
	})
}

func federation(t testing.TB, account string, source map[string]any) string {
	t.Helper()
	content := map[string]any{
		"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
		"credential_source": source,
	}
	if account != "" {
		content["service_account_impersonation_url"] = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + account + ":generateAccessToken"
	}
	return file(t, "federation.json", content)
}

// UserFile is what gcloud auth application-default login writes.
func (g *Google) UserFile(t testing.TB) string {
	t.Helper()
	return file(t, "user.json", map[string]any{"type": "authorized_user", "client_id": "1", "client_secret": "2", "refresh_token": "agreed"})
}

// ImpersonationFile is what gcloud writes for an account that is impersonated by Robot.
func (g *Google) ImpersonationFile(t testing.TB, account string, delegates ...string) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(g.robotKey)
	require.NoError(t, err)
	return file(t, "impersonation.json", map[string]any{
		"type": "impersonated_service_account", "delegates": delegates, "source_credentials": g.keyOf(der),
		"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + account + ":generateAccessToken",
	})
}

func file(t testing.TB, name string, content map[string]any) string {
	t.Helper()
	data, err := json.Marshal(content)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}
