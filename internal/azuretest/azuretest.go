// Package azuretest has stand-ins for an app of Azure Functions and for what issues
// tokens of Microsoft Entra ID, written from their documentation: the first has its HTTP
// contract (azure-functions/functions-bindings-http-webhook-trigger), the others are the
// endpoint of managed identities (app-service/overview-managed-identity) and that of
// applications (identity-platform/v2-oauth2-client-creds-grant-flow).
package azuretest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// App is a stand-in for an app with functions. Each answers with what it was called with.
type App struct {
	// URL is that of the app.
	URL string
	// Prefix is the route prefix, /api unless it is set; / is none.
	Prefix string
	// Levels are those of the functions, by name: anonymous, function or admin.
	Levels map[string]string
	// Keys are those of functions, Host is that of all, Master the master key.
	Keys         map[string]string
	Host, Master string
	// Token is what App Service wants to see, if it authenticates.
	Token string
}

// Seen is what a function was called with.
type Seen struct {
	Method, Function, Rest, Query, Host, Body string
	Header                                    http.Header
}

// StartApp starts a until the test ends.
func StartApp(t testing.TB, a *App) *App {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.URL = server.URL
	return a
}

// ServeHTTP is the host of the functions.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	prefix := "/api/"
	if a.Prefix != "" {
		prefix = strings.TrimRight(a.Prefix, "/") + "/"
	}
	// Routes do not tell upper from lower case, and a slash that is escaped is none to them.
	path, err := url.PathUnescape(slashes.Replace(r.URL.EscapedPath()))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if a.Token != "" && r.Header.Get("Authorization") != "Bearer "+a.Token {
		w.Header().Set("Www-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if len(path) < len(prefix) || !strings.EqualFold(path[:len(prefix)], prefix) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	function, rest, _ := strings.Cut(path[len(prefix):], "/")
	level, ok := a.Levels[strings.ToLower(function)]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	// The header goes before the parameter, even if it is empty.
	key := r.Header.Get("X-Functions-Key")
	if r.Header.Values("X-Functions-Key") == nil {
		key = r.URL.Query().Get("code")
	}
	own := a.Keys[strings.ToLower(function)]
	allowed := level == "anonymous" || key != "" && (key == a.Master || level == "function" && (key == a.Host || key == own))
	if !allowed {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.NewEncoder(w).Encode(Seen{r.Method, strings.ToLower(function), rest, r.URL.RawQuery, r.Host, string(body), r.Header})
}

var slashes = strings.NewReplacer("%2F", "%252F", "%2f", "%252F")

// Entra issues tokens: at /identity to managed identities, and at /TENANT/oauth2/v2.0/token
// to applications.
type Entra struct {
	// URL is where it is, with TLS if the applications of Server ask.
	URL    string
	Server *httptest.Server
	// IdentityHeader and Secret are what must be known to have tokens, ClientID is who
	// has them.
	IdentityHeader, Secret, ClientID string
	Down                             atomic.Bool
	// Issued counts tokens.
	Issued atomic.Int32
}

// StartEntra starts it until the test ends. Applications speak TLS to it.
func StartEntra(t testing.TB, tls bool) *Entra {
	t.Helper()
	e := &Entra{IdentityHeader: "identity-header", Secret: "application-secret", ClientID: "11111111-2222-3333-4444-555555555555"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /identity", e.identity)
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		base := e.URL + "/" + r.PathValue("tenant")
		answer(w, map[string]any{"authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token", "issuer": base + "/v2.0"})
	})
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", e.application)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.Down.Load() {
			http.Error(w, `{"error":"access_denied"}`, http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
	if tls {
		e.Server = httptest.NewTLSServer(handler)
	} else {
		e.Server = httptest.NewServer(handler)
	}
	t.Cleanup(e.Server.Close)
	e.URL = e.Server.URL
	return e
}

// TokenFor is the token for a resource.
func TokenFor(resource string) string { return "token-for-" + strings.ReplaceAll(resource, "/", "-") }

func (e *Entra) identity(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch id := q.Get("client_id"); {
	case r.Header.Get("X-Identity-Header") != e.IdentityHeader:
		http.Error(w, "X-IDENTITY-HEADER", http.StatusUnauthorized)
	case q.Get("resource") == "" || q.Get("api-version") != "2019-08-01" || id != "" && id != e.ClientID:
		http.Error(w, "bad request", http.StatusBadRequest)
	default:
		e.Issued.Add(1)
		answer(w, map[string]any{
			"access_token": TokenFor(q.Get("resource")), "expires_on": fmt.Sprint(time.Now().Add(time.Hour).Unix()),
			"resource": q.Get("resource"), "token_type": "Bearer", "client_id": id,
		})
	}
}

func (e *Entra) application(w http.ResponseWriter, r *http.Request) {
	resource, ok := strings.CutSuffix(strings.Fields(r.FormValue("scope"))[0], "/.default")
	if !ok || r.FormValue("client_id") != e.ClientID || r.FormValue("client_secret") != e.Secret || r.FormValue("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusUnauthorized)
		answer(w, map[string]any{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."})
		return
	}
	e.Issued.Add(1)
	answer(w, map[string]any{"access_token": TokenFor(resource), "expires_in": 3600, "token_type": "Bearer"})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
