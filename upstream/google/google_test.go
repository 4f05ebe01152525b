package google

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

// a service of Cloud Run, a token from the metadata server, and the path as it is.
func TestCloudRunWithMetadataServer(t *testing.T) {
	g := googletest.Start(t)
	t.Setenv("GCE_METADATA_HOST", g.Host())
	t.Setenv("HOME", t.TempDir())
	door := googletest.StartDoor(t, g, "", functions(t))
	up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL})
	got := call(t, up, "GET", "/gcp", nil, nil)
	require.Equal(t, "/gcp", got.Path)
	require.Equal(t, []string{googletest.Default}, got.Header["X-Test-Caller"])
	require.Equal(t, strings.TrimPrefix(door.URL, "http://"), got.Host)
	require.Equal(t, got.Host, up.Origin().Host, "or the gateway sends the one that the client asked for")
}

// a function of the first generation, whose URL has a path, and one of the second.
func TestGenerations(t *testing.T) {
	g := googletest.Start(t)
	function := functions(t)
	for _, path := range []string{"/resize", ""} {
		door := googletest.StartDoor(t, g, path, function)
		up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL + "/", Audience: door.URL, Credentials: &configpb.GoogleCredentials{File: g.KeyFile(t)}})
		got := call(t, up, "POST", "/a/b?x=1&y=%2F", strings.NewReader("body"), http.Header{"Authorization": {"Bearer client"}})
		require.Equal(t, []string{"POST", "/a/b", "x=1&y=%2F", "body"}, []string{got.Method, got.Path, got.Query, got.Body})
		require.Equal(t, []string{googletest.Robot}, got.Header["X-Test-Caller"])
		require.Equal(t, []string{"Bearer client"}, got.Header["X-Forwarded-Authorization"])
	}
}

// What becomes of the client's headers. It may not send those that the gateway sends.
func TestAuthorization(t *testing.T) {
	g := googletest.Start(t)
	door := googletest.StartDoor(t, g, "", functions(t))
	for _, tt := range []struct {
		authorization     string
		client, forwarded []string
	}{
		{authorization: "", forwarded: []string{"Basic eA=="}},
		{authorization: "move", forwarded: []string{"Basic eA=="}},
		{authorization: "drop"},
		{authorization: "keep", client: []string{"Basic eA=="}},
	} {
		up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL, Authorization: tt.authorization, Credentials: &configpb.GoogleCredentials{File: g.KeyFile(t)}})
		for _, own := range []http.Header{
			{"Authorization": {"Basic eA=="}},
			{
				"Authorization": {"Basic eA=="}, "X-Forwarded-Authorization": {"forged"}, "X-Serverless-Authorization": {"Bearer forged"},
				"X_forwarded-Authorization": {"forged"}, "X_serverless_authorization": {"forged"},
			},
		} {
			sent := own.Clone()
			got := call(t, up, "GET", "/", nil, own)
			require.Equal(t, sent, own, "the header of the request is changed")
			require.Equal(t, []string{googletest.Robot}, got.Header["X-Test-Caller"])
			require.Equal(t, tt.forwarded, got.Header["X-Forwarded-Authorization"], tt.authorization)
			if tt.authorization == "keep" {
				require.Equal(t, tt.client, got.Header["Authorization"])
				require.Contains(t, got.Header["X-Serverless-Authorization"][0], "SIGNATURE_REMOVED")
			} else {
				require.NotContains(t, got.Header, "X-Serverless-Authorization")
			}
			for name, values := range got.Header {
				require.NotContains(t, strings.Join(values, ","), "forged", name)
			}
		}
	}
}

func TestAnonymous(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Header.Get("Authorization") + "," + r.Header.Get("X-Forwarded-Authorization")))
	}))
	defer server.Close()
	g := googletest.Start(t)
	for setting, want := range map[string]string{"": "Basic eA==,", "keep": "Basic eA==,", "move": ",Basic eA==", "drop": ","} {
		up := start(t, g, &configpb.GoogleFunctionUpstream{Url: server.URL, Authorization: setting, Credentials: &configpb.GoogleCredentials{Anonymous: true}})
		_, body := send(t, up, request(t, up, "GET", "/", nil, http.Header{"Authorization": {"Basic eA=="}}))
		require.Equal(t, want, body, setting)
	}
	require.Empty(t, g.Requests())
}

func TestWhereTokensComeFrom(t *testing.T) {
	g := googletest.Start(t)
	door := googletest.StartDoor(t, g, "", functions(t))
	const a, locked, middle = "a@project.iam.gserviceaccount.com", "locked@project.iam.gserviceaccount.com", "middle@project.iam.gserviceaccount.com"
	for _, tt := range []struct {
		name   string
		from   *configpb.GoogleCredentials
		caller string
	}{
		{"key", &configpb.GoogleCredentials{File: g.KeyFile(t)}, googletest.Robot},
		{"key of another", &configpb.GoogleCredentials{File: g.KeyFile(t), Impersonate: a}, a},
		{"a user's file", &configpb.GoogleCredentials{File: g.UserFile(t), Impersonate: a}, a},
		{"delegates", &configpb.GoogleCredentials{File: g.KeyFile(t), Impersonate: locked, Delegates: []string{middle}}, locked},
		{"federation", &configpb.GoogleCredentials{File: g.FederationFile(t, a)}, a},
		{"federation, its tokens at a URL", &configpb.GoogleCredentials{File: g.FederationURLFile(t, a)}, a},
		{"impersonation in the file", &configpb.GoogleCredentials{File: g.ImpersonationFile(t, locked, "projects/-/serviceAccounts/"+middle)}, locked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL, Credentials: tt.from})
			require.Equal(t, []string{tt.caller}, call(t, up, "GET", "/", nil, nil).Header["X-Test-Caller"])
		})
	}
	t.Run("federation, impersonated by the configuration", func(t *testing.T) {
		up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL, Credentials: &configpb.GoogleCredentials{File: g.FederationFile(t, ""), Impersonate: a}})
		require.Equal(t, []string{a}, call(t, up, "GET", "/", nil, nil).Header["X-Test-Caller"])
	})
	t.Run("metadata server, impersonated", func(t *testing.T) {
		t.Setenv("GCE_METADATA_HOST", g.Host())
		t.Setenv("HOME", t.TempDir())
		up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL, Credentials: &configpb.GoogleCredentials{Impersonate: a}})
		require.Equal(t, []string{a}, call(t, up, "GET", "/", nil, nil).Header["X-Test-Caller"])
	})
	t.Run("default credentials from a file", func(t *testing.T) {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", g.KeyFile(t))
		up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL})
		require.Equal(t, []string{googletest.Robot}, call(t, up, "GET", "/", nil, nil).Header["X-Test-Caller"])
	})
	// An account that is to impersonate itself would need the right to.
	for _, path := range g.Requests() {
		require.NotContains(t, path, "generateAccessToken")
	}
}

// The front door is strict, or the other tests would say nothing.
func TestFrontDoorRefuses(t *testing.T) {
	g := googletest.Start(t)
	door := googletest.StartDoor(t, g, "", functions(t))
	up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL, Audience: "https://another", Credentials: &configpb.GoogleCredentials{File: g.KeyFile(t)}})
	status, _ := send(t, up, request(t, up, "GET", "/", nil, nil))
	require.Equal(t, http.StatusUnauthorized, status)
	anonymous := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL, Credentials: &configpb.GoogleCredentials{Anonymous: true}})
	status, _ = send(t, anonymous, request(t, anonymous, "GET", "/", nil, nil))
	require.Equal(t, http.StatusForbidden, status)
	status, _ = send(t, anonymous, request(t, anonymous, "GET", "/", nil, http.Header{"Authorization": {"Bearer " + g.Token(googletest.Robot, door.URL, -time.Second)}}))
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = send(t, anonymous, request(t, anonymous, "GET", "/", nil, http.Header{"Authorization": {"Bearer " + g.Token(googletest.Robot, door.URL, time.Minute)}}))
	require.Equal(t, http.StatusOK, status)
}

func TestOneFetchForManyRequests(t *testing.T) {
	g := googletest.Start(t)
	door := googletest.StartDoor(t, g, "", functions(t))
	up := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL, Credentials: &configpb.GoogleCredentials{File: g.KeyFile(t)}})
	var wg sync.WaitGroup
	for range 20 {
		r := request(t, up, "GET", "/", nil, nil)
		wg.Go(func() {
			resp, err := up.Send(r, nil)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%v, %v", resp, err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, g.Issued.Load())
}

// A token lives as long as it says, and not the hour that the library takes for granted.
func TestExpiryIsThatOfTheToken(t *testing.T) {
	g := googletest.Start(t)
	g.SetLife(time.Minute)
	t.Setenv("GCE_METADATA_HOST", g.Host())
	t.Setenv("HOME", t.TempDir())
	source, err := newSource(&configpb.GoogleFunctionUpstream{Url: "https://f"}, "", http.DefaultTransport)
	require.NoError(t, err)
	got, err := source(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Minute), got.Expires, 30*time.Second)
	again, err := source(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, g.Issued.Load(), "each fetch asks the issuer")
	require.NotEmpty(t, again.Text)
}

type body struct {
	*strings.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

func TestNoToken(t *testing.T) {
	g := googletest.Start(t)
	var log bytes.Buffer
	for name, setting := range map[string]func(bool){"down": g.Down.Store, "broken": g.Broken.Store} {
		t.Run(name, func(t *testing.T) {
			setting(true)
			defer setting(false)
			source, err := newSource(&configpb.GoogleFunctionUpstream{Url: "http://127.0.0.1:1", Credentials: &configpb.GoogleCredentials{File: g.KeyFile(t)}}, "", http.DefaultTransport)
			require.NoError(t, err)
			up := start(t, g, &configpb.GoogleFunctionUpstream{Url: "http://127.0.0.1:1", Credentials: &configpb.GoogleCredentials{Anonymous: true}})
			up.tokens = token.New(source, slog.New(slog.NewTextHandler(&log, nil)))
			in := &body{Reader: strings.NewReader("x")}
			_, err = up.Send(request(t, up, "POST", "/", in, nil), nil)
			var failure *upstream.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, rpc.UpstreamDenied, failure.Reason)
			require.True(t, failure.NotSent)
			require.Empty(t, failure.Message, "the client is not told why")
			require.True(t, in.closed)
			require.NotContains(t, err.Error()+log.String(), "PRIVATE KEY")
			require.NotContains(t, err.Error()+log.String(), "secret-part")
			require.Contains(t, log.String(), "no new token")
		})
	}
}

func TestWaitsNoLongerThanTheRequest(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	up := start(t, googletest.Start(t), &configpb.GoogleFunctionUpstream{Url: "http://127.0.0.1:1", Credentials: &configpb.GoogleCredentials{Anonymous: true}})
	up.tokens = token.New(func(ctx context.Context) (token.Token, error) {
		close(asked)
		select {
		case <-release:
		case <-ctx.Done():
		}
		return token.Token{}, ctx.Err()
	}, nil)
	defer close(release)
	for want, cause := range map[rpc.Reason]error{rpc.DeadlineExceeded: context.DeadlineExceeded, rpc.ClientClosed: context.Canceled} {
		r := request(t, up, "GET", "/", nil, nil)
		ctx, cancel := context.WithCancelCause(r.Context())
		go func() { <-asked; cancel(cause) }()
		_, err := up.Send(r.WithContext(ctx), nil)
		var failure *upstream.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, want, failure.Reason)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	g := googletest.Start(t)
	dir := t.TempDir()
	for content, want := range map[string]string{
		"private":                           "is no JSON object of credentials",
		`{"type":"authorized_user"}`:        "it is of a user, who has no identity tokens: set impersonate",
		`{"type":"gdch_service_account"}`:   `credentials of type "gdch_service_account"`,
		`{"type":"service_account"}`:        `key.json": `, // and what is missing, in the library's words
		`{"type":"external_account"}`:       "names no service account",
		strings.Repeat(" ", maxFile) + "{}": "more than 65536 bytes",
	} {
		name := filepath.Join(dir, "key.json")
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		_, err := try(t, g, &configpb.GoogleFunctionUpstream{Url: "https://f", Credentials: &configpb.GoogleCredentials{File: name}})
		require.ErrorContains(t, err, want)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(dir, "key.json"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.json"), []byte("private"), 0o600))
	_, err := try(t, g, &configpb.GoogleFunctionUpstream{Url: "https://f"})
	require.ErrorContains(t, err, "is no JSON object of credentials")
	_, err = New(&configpb.GoogleFunctionUpstream{Url: "https://f", Credentials: &configpb.GoogleCredentials{File: "absent"}}, upstream.Env{Name: "resize", Dir: dir})
	require.ErrorContains(t, err, `upstream "resize": credentials: open `+dir)
}

func TestWarnsOfClearText(t *testing.T) {
	g := googletest.Start(t)
	for url, want := range map[string]bool{"http://f.example.com": true, "https://f.example.com": false, "http://127.0.0.1:8080": false} {
		for _, anonymous := range []bool{false, true} {
			var log bytes.Buffer
			cfg := &configpb.GoogleFunctionUpstream{Url: url, Credentials: &configpb.GoogleCredentials{Anonymous: anonymous}}
			up, err := newUpstream(cfg, upstream.Env{Name: "function", Log: slog.New(slog.NewTextHandler(&log, nil))}, g.Transport(new(http.Transport)))
			require.NoError(t, err)
			require.NoError(t, up.Close())
			require.Equal(t, want && !anonymous, strings.Contains(log.String(), "clear text"), "%s %s", url, log.String())
		}
	}
}
