package lambda_test

import (
	"cmp"
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda"
)

// environment is all that the SDK finds of AWS in this one, besides region and endpoints.
func environment(t *testing.T, s *lambdatest.Service, variables ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			require.NoError(t, os.Unsetenv(name))
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for _, v := range append([]string{
		"AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none, "AWS_REGION=" + s.Region,
		"AWS_ENDPOINT_URL_LAMBDA=" + s.URL, "AWS_ENDPOINT_URL_STS=" + s.STSURL,
	}, variables...) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func key(s *lambdatest.Service) []string {
	return []string{"AWS_ACCESS_KEY_ID=" + s.Credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + s.Credentials.SecretAccessKey}
}

// TestDefaultChain has credentials from everywhere that the SDK looks for them, each of
// which is asked once, and before it has expired again.
func TestDefaultChain(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Roles: []lambdatest.Role{{ARN: gatewayRole, WebIdentityTokens: []string{"token-1"}}}})
	user := "\naws_access_key_id = " + s.Credentials.AccessKeyID + "\naws_secret_access_key = " + s.Credentials.SecretAccessKey + "\n"
	profiles := "[profile caller]\nrole_arn = " + gatewayRole + "\nsource_profile = user\nrole_session_name = session\n"
	for _, tc := range []struct {
		name, operation string
		environment     []string
		profile         string
		life            time.Duration // an hour if it is not set
	}{
		{name: "environment", environment: key(s)},
		{name: "web identity", operation: "AssumeRoleWithWebIdentity", environment: []string{"AWS_ROLE_ARN=" + gatewayRole, "AWS_WEB_IDENTITY_TOKEN_FILE=" + write(t, "token", "token-1")}},
		{name: "default profile", environment: []string{"AWS_SHARED_CREDENTIALS_FILE=" + write(t, "credentials", "[default]"+user)}},
		{name: "AWS_PROFILE", environment: []string{"AWS_SHARED_CREDENTIALS_FILE=" + write(t, "credentials", "[other]"+user), "AWS_PROFILE=other"}},
		{name: "profile", profile: "other", environment: []string{"AWS_SHARED_CREDENTIALS_FILE=" + write(t, "credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = b\n[other]"+user)}},
		{name: "role of a profile", operation: "AssumeRole", profile: "caller", life: 15 * time.Minute, environment: []string{
			"AWS_CONFIG_FILE=" + write(t, "config", profiles), "AWS_SHARED_CREDENTIALS_FILE=" + write(t, "credentials", "[user]"+user),
		}},
		{name: "container", operation: "Container", environment: []string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + s.STSURL + lambdatest.ContainerPath, "AWS_CONTAINER_AUTHORIZATION_TOKEN=" + lambdatest.ContainerToken,
		}},
		{name: "container, token in a file", operation: "Container", environment: []string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + s.STSURL + lambdatest.ContainerPath,
			"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + write(t, "token", lambdatest.ContainerToken),
		}},
		{name: "machine", operation: "Machine", environment: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + s.STSURL}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			environment(t, s, tc.environment...)
			before, called := s.STSCalls(tc.operation), len(s.Calls())
			up := start(t, &configpb.AWSLambdaUpstream{Function: "echo", Event: "raw", Credentials: &configpb.AWSCredentials{Profile: tc.profile}})
			for range 3 {
				answer(t, up, request(t, "GET", "/", "", nil))
			}
			require.Len(t, s.Calls(), called+3)
			if tc.operation == "" {
				return
			}
			require.Equal(t, before+1, s.STSCalls(tc.operation))
			up.(routed).Advance(cmp.Or(tc.life, time.Hour) - 2*time.Minute)
			for deadline := time.Now().Add(time.Minute); s.STSCalls(tc.operation) == before+1; {
				require.True(t, time.Now().Before(deadline))
				answer(t, up, request(t, "GET", "/", "", nil))
			}
		})
	}
	for _, call := range s.Calls() {
		require.Empty(t, call.Refused)
	}
}

// TestShortLives has credentials of containers and machines that are handed out minutes
// before they expire. The SDK by itself takes those of containers for expired.
func TestShortLives(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	s.SetInstanceLifetime(3 * time.Minute)
	for name, variables := range map[string][]string{
		"container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + s.STSURL + lambdatest.ContainerPath, "AWS_CONTAINER_AUTHORIZATION_TOKEN=" + lambdatest.ContainerToken},
		"machine":   {"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + s.STSURL},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, s, variables...)
			answer(t, start(t, &configpb.AWSLambdaUpstream{Function: "echo", Event: "raw"}), request(t, "GET", "/", "", nil))
		})
	}
}

// TestNoCredentials has an environment with none: calls are refused, and nobody is asked.
func TestNoCredentials(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	environment(t, s, "AWS_EC2_METADATA_DISABLED=true")
	up := start(t, &configpb.AWSLambdaUpstream{Function: "echo", Event: "raw"})
	failed := failure(t, up, request(t, "GET", "/", "", nil))
	require.Equal(t, rpc.UpstreamDenied, failed.Reason)
	require.True(t, failed.NotSent)
	require.Empty(t, s.Calls())

	environment(t, s, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+s.STSURL+lambdatest.ContainerPath, "AWS_CONTAINER_AUTHORIZATION_TOKEN=another")
	up = start(t, &configpb.AWSLambdaUpstream{Function: "echo", Event: "raw"})
	failed = failure(t, up, request(t, "GET", "/", "", nil))
	require.Equal(t, rpc.UpstreamDenied, failed.Reason)

	environment(t, s)
	_, err := lambda.New(&configpb.AWSLambdaUpstream{Function: "echo", Credentials: &configpb.AWSCredentials{Profile: "none"}}, upstream.Env{Name: "function"})
	require.ErrorContains(t, err, "none")
}

// TestRegion has ARNs of another region than that of the upstream. Functions can be called
// in their own region alone, so requests are signed for that.
func TestRegion(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	arn := "arn:aws:lambda:" + s.Region + ":" + lambdatest.DefaultAccount + ":function:echo"
	environment(t, s, append(key(s), "AWS_REGION=eu-west-1")...)

	here := start(t, &configpb.AWSLambdaUpstream{Function: arn, Event: "raw"})
	answer(t, here, request(t, "GET", "/", "", nil))

	there := start(t, &configpb.AWSLambdaUpstream{Function: "echo", Event: "raw"})
	failed := failure(t, there, request(t, "GET", "/", "", nil))
	require.Equal(t, rpc.UpstreamDenied, failed.Reason, "signed for eu-west-1")
	for _, function := range []string{arn, s.Region + ":" + lambdatest.DefaultAccount + ":function:echo"} {
		answer(t, there, request(t, "GET", "/", "", about(&configpb.LambdaCall{Function: function})))
	}
	_, err := lambda.New(&configpb.AWSLambdaUpstream{Function: arn, Region: "eu-west-1"}, upstream.Env{Name: "function"})
	require.ErrorContains(t, err, "leave one out")
}

// TestCABundle has a service with a certificate that only AWS_CA_BUNDLE vouches for.
func TestCABundle(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	to, err := url.Parse(s.URL)
	require.NoError(t, err)
	front := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}})
	defer front.Close()
	bundle := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})))
	cfg := &configpb.AWSLambdaUpstream{Function: "echo", Event: "raw", Endpoint: front.URL}

	environment(t, s, append(key(s), "AWS_CA_BUNDLE="+bundle)...)
	answer(t, start(t, cfg), request(t, "GET", "/", "", nil))

	environment(t, s, key(s)...)
	failed := failure(t, start(t, cfg), request(t, "GET", "/", "", nil))
	require.Equal(t, rpc.UpstreamUnreachable, failed.Reason)
	require.True(t, failed.NotSent)
	require.Len(t, s.Calls(), 1)
}
