package google

import (
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
)

func TestAudience(t *testing.T) {
	g := googletest.Start(t)
	key := g.KeyFile(t)
	for _, tt := range []struct{ name, url, audience, want string }{
		{"Cloud Run", "https://resize-abc123-ew.a.run.app", "", "https://resize-abc123-ew.a.run.app"},
		{"Cloud Run, with a slash", "https://resize-abc123-ew.a.run.app/", "", "https://resize-abc123-ew.a.run.app"},
		{"Cloud Run, with a path", "https://resize-123456.europe-west1.run.app/api/v2/", "", "https://resize-123456.europe-west1.run.app"},
		{"Cloud Functions", "https://europe-west1-project.cloudfunctions.net/resize", "", "https://europe-west1-project.cloudfunctions.net/resize"},
		{"Cloud Functions, with a slash", "https://europe-west1-project.cloudfunctions.net/resize/", "", "https://europe-west1-project.cloudfunctions.net/resize"},
		{"Cloud Functions, with a path", "https://europe-west1-project.cloudfunctions.net/resize/v2/a", "", "https://europe-west1-project.cloudfunctions.net/resize"},
		{"Cloud Functions, without a name", "https://europe-west1-project.cloudfunctions.net/", "", "https://europe-west1-project.cloudfunctions.net"},
		{"upper case", "https://Resize-abc123-ew.a.RUN.app/api", "", "https://Resize-abc123-ew.a.RUN.app"},
		{"another domain", "https://functions.example.com/resize/", "", "https://functions.example.com/resize"},
		{"a domain that looks like it", "https://run.app.example.com/resize", "", "https://run.app.example.com/resize"},
		{"a port", "http://127.0.0.1:8080/resize", "", "http://127.0.0.1:8080/resize"},
		{"said so", "https://resize-abc123-ew.a.run.app/api", "https://custom.example.com/", "https://custom.example.com/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source, err := newSource(&configpb.GoogleFunctionUpstream{
				Url: tt.url, Audience: tt.audience, Credentials: &configpb.GoogleCredentials{File: key},
			}, "", http.DefaultTransport)
			require.NoError(t, err)
			got, err := source(t.Context())
			require.NoError(t, err)
			var claims jwt.RegisteredClaims
			_, _, err = jwt.NewParser().ParseUnverified(got.Text, &claims)
			require.NoError(t, err)
			require.Equal(t, jwt.ClaimStrings{tt.want}, claims.Audience)
		})
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// What is said is what the issuer is asked for, and the front door takes it.
func TestCustomAudience(t *testing.T) {
	g := googletest.Start(t)
	door := googletest.StartDoor(t, g, "/resize", functions(t), "https://custom.example.com")
	for audience, want := range map[string]int{"": http.StatusOK, "https://custom.example.com": http.StatusOK, "https://another.example.com": http.StatusUnauthorized} {
		up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL + "/", Audience: audience, Credentials: &configpb.GoogleCredentials{File: g.KeyFile(t)}})
		status, body := send(t, up, request(t, up, "GET", "/", nil, nil))
		require.Equal(t, want, status, "audience %q: %s", audience, body)
	}
}
