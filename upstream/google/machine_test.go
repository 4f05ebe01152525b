package google

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
)

// A gateway that starts before its metadata server, as pods do, has tokens as soon as
// that is there. And files that somebody has at home are not looked for.
func TestMetadataServerThatComesLate(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("GCE_METADATA_HOST", "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".config", "gcloud"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".config", "gcloud", "application_default_credentials.json"), []byte(`{"type":"authorized_user"}`), 0o600))
	for _, impersonate := range []string{"", "a@project.iam.gserviceaccount.com"} {
		g := googletest.Start(t)
		there := false
		pool := new(http.Transport)
		defer pool.CloseIdleConnections()
		source, err := newSource(&configpb.GoogleFunctionUpstream{Url: "https://f", Credentials: &configpb.GoogleCredentials{Impersonate: impersonate}}, "",
			roundTripper(func(r *http.Request) (*http.Response, error) {
				if !there {
					return nil, errors.New("no route to host")
				}
				return g.Transport(pool).RoundTrip(r)
			}))
		require.NoError(t, err)
		_, err = source(t.Context())
		require.ErrorContains(t, err, "metadata server: ")
		require.ErrorContains(t, err, "no route to host")
		require.ErrorContains(t, err, "credentials.file")
		there = true
		_, err = source(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, g.Issued.Load())
	}
}

// A metadata server that does not answer does not take the time of the whole fetch.
func TestMetadataServerThatHangs(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	synctest.Test(t, func(t *testing.T) {
		source, err := newSource(&configpb.GoogleFunctionUpstream{Url: "https://f"}, "", roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		require.NoError(t, err)
		begun := time.Now()
		_, err = source(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, machineTimeout, time.Since(begun))
	})
}

// What has secrets in it is sent to whom it is for, and not where that says.
func TestIssuersThatRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s is asked", r.Method, r.URL)
	}))
	defer elsewhere.Close()
	const account = "a@project.iam.gserviceaccount.com"
	for name, from := range map[string]func(*googletest.Google) (credentials *configpb.GoogleCredentials, path string){
		"key": func(g *googletest.Google) (*configpb.GoogleCredentials, string) {
			return &configpb.GoogleCredentials{File: g.KeyFile(t)}, "/token"
		},
		"key of another": func(g *googletest.Google) (*configpb.GoogleCredentials, string) {
			return &configpb.GoogleCredentials{File: g.KeyFile(t), Impersonate: account}, "/token"
		},
		"impersonation": func(g *googletest.Google) (*configpb.GoogleCredentials, string) {
			return &configpb.GoogleCredentials{File: g.KeyFile(t), Impersonate: account}, "serviceAccounts"
		},
		"federation": func(g *googletest.Google) (*configpb.GoogleCredentials, string) {
			return &configpb.GoogleCredentials{File: g.FederationFile(t, account)}, "/v1/token"
		},
		"machine": func(*googletest.Google) (*configpb.GoogleCredentials, string) { return nil, "/identity" },
		"machine, impersonating": func(*googletest.Google) (*configpb.GoogleCredentials, string) {
			return &configpb.GoogleCredentials{Impersonate: account}, "/default/token"
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := googletest.Start(t)
			t.Setenv("GCE_METADATA_HOST", g.Host())
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
			credentials, path := from(g)
			pool := new(http.Transport)
			defer pool.CloseIdleConnections()
			asked := false
			source, err := newSource(&configpb.GoogleFunctionUpstream{Url: "https://f", Credentials: credentials}, "", roundTripper(func(r *http.Request) (*http.Response, error) {
				if !strings.Contains(r.URL.Path, path) {
					return g.Transport(pool).RoundTrip(r)
				}
				asked = true
				return &http.Response{StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {elsewhere.URL}}, Body: http.NoBody, Request: r}, nil
			}))
			require.NoError(t, err)
			_, err = source(t.Context())
			require.Error(t, err)
			require.True(t, asked)
		})
	}
}

// A file may name a program that has the token of the other side. None is run unless
// Google's own variable says so.
func TestProgramsAreNotRun(t *testing.T) {
	t.Setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "")
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file.json"), []byte(`{
		"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
		"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b:generateAccessToken",
		"credential_source": {"executable": {"command": "touch `+ran+`", "timeout_millis": 5000}}
	}`), 0o600))
	source, err := newSource(&configpb.GoogleFunctionUpstream{Url: "https://f", Credentials: &configpb.GoogleCredentials{File: "file.json"}}, dir, http.DefaultTransport)
	if err == nil {
		_, err = source(t.Context())
	}
	require.ErrorContains(t, err, "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES")
	require.NoFileExists(t, ran)
}
