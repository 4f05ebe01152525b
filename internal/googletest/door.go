package googletest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// Door is a stand-in for the front door of Cloud Run and Cloud Functions: it lets
// requests with an identity token through to a function (docs: run/docs/authenticating/
// service-to-service, run/docs/securing/managing-access).
type Door struct {
	// URL is where the function is called.
	URL string
}

// StartDoor starts the front door of function, for tokens that g issues with the URL and
// path as their audience, until the test ends. Requests arrive at the function without
// path: as gen 1 has it.
func StartDoor(t testing.TB, g *Google, path string, function http.Handler) *Door {
	t.Helper()
	d := new(Door)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		_, err := jwt.ParseWithClaims(text, &got, func(*jwt.Token) (any, error) { return &g.issuerKey.PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(d.URL), jwt.WithIssuer(issuer), jwt.WithExpirationRequired())
		if err != nil {
			w.Header().Set("Www-Authenticate", `Bearer error="invalid_token", error_description="The access token could not be verified"`)
			http.Error(w, "401 Unauthorized: "+err.Error(), http.StatusUnauthorized)
			return
		}
		rest, ok := strings.CutPrefix(r.URL.Path, path)
		if !ok {
			http.NotFound(w, r)
			return
		}
		r.URL.Path, r.URL.RawPath = "/"+strings.TrimPrefix(rest, "/"), ""
		// The function sees who calls, and nothing that it could call others with.
		r.Header.Set(name, "Bearer "+text[:strings.LastIndexByte(text, '.')]+".SIGNATURE_REMOVED_BY_GOOGLE")
		r.Header.Set("X-Test-Caller", got.Email)
		function.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	d.URL = server.URL + path
	return d
}
