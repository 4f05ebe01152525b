package lambdatest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

const (
	roleA = "arn:aws:iam::123456789012:role/a"
	roleB = "arn:aws:iam::210987654321:role/b"
)

func stsClient(s *lambdatest.Service, c aws.CredentialsProvider) *sts.Client {
	return sts.New(sts.Options{Region: s.Region, BaseEndpoint: &s.STSURL, Credentials: c, Retryer: aws.NopRetryer{}})
}

func callAs(t *testing.T, s *lambdatest.Service, c aws.CredentialsProvider, function string) error {
	_, err := client(t, s, func(o *lambda.Options) { o.Credentials = c }).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: []byte(`"a"`)})
	return err
}

func TestAssumeRole(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Roles: []lambdatest.Role{
		{ARN: roleA, Trusts: []string{"arn:aws:iam::123456789012:user/test"}, Functions: []string{"echo"}},
		{ARN: roleB, Trusts: []string{roleA}, ExternalID: "x1", Lifetime: 90 * time.Second},
	}})
	own := static(s.Credentials)
	a := stscreds.NewAssumeRoleProvider(stsClient(s, own), roleA)
	external := func(id string) func(*stscreds.AssumeRoleOptions) {
		return func(o *stscreds.AssumeRoleOptions) { o.ExternalID = &id }
	}
	got, err := a.Retrieve(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(15*time.Minute), got.Expires, 2*time.Minute, "what the SDK asks for")
	cached := aws.NewCredentialsCache(a)
	require.NoError(t, callAs(t, s, cached, "echo"))
	wantError(t, callAs(t, s, cached, "upper"), 403, "AccessDeniedException", roleA)
	require.Equal(t, 2, s.STSCalls("AssumeRole"))

	chained := stsClient(s, cached)
	b := stscreds.NewAssumeRoleProvider(chained, roleB, external("x1"))
	got, err = b.Retrieve(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(90*time.Second), got.Expires, time.Minute)
	require.NoError(t, callAs(t, s, b, "upper"))
	s.Expire("")
	wantError(t, callAs(t, s, fixed(got), "upper"), 403, "ExpiredTokenException", "expired")
	_, err = b.Retrieve(t.Context())
	wantError(t, err, 403, "ExpiredTokenException", "expired")

	for _, tc := range []struct {
		name     string
		provider aws.CredentialsProvider
		status   int
		kind     string
	}{
		{"not trusted", stscreds.NewAssumeRoleProvider(stsClient(s, own), roleB, external("x1")), 403, "AccessDenied"},
		{"external id", stscreds.NewAssumeRoleProvider(stsClient(s, a), roleB, external("x2")), 403, "AccessDenied"},
		{"unknown", stscreds.NewAssumeRoleProvider(stsClient(s, own), roleA+"b"), 403, "AccessDenied"},
		{"wrong key", stscreds.NewAssumeRoleProvider(stsClient(s, static(lambdatest.Credentials{AccessKeyID: s.Credentials.AccessKeyID, SecretAccessKey: "no"})), roleA), 403, "InvalidSignatureException"},
		{"too short", stscreds.NewAssumeRoleProvider(stsClient(s, own), roleA, func(o *stscreds.AssumeRoleOptions) { o.Duration = time.Minute }), 400, "ValidationError"},
	} {
		_, err := tc.provider.Retrieve(t.Context())
		wantError(t, err, tc.status, tc.kind, "")
	}
	s.FailSTS(1)
	_, err = a.Retrieve(t.Context())
	wantError(t, err, 500, "InternalFailure", "told to fail")
	_, err = a.Retrieve(t.Context())
	require.NoError(t, err)
	_, err = stsClient(s, own).GetCallerIdentity(t.Context(), nil)
	wantError(t, err, 400, "InvalidAction", "GetCallerIdentity")
}

func fixed(c aws.Credentials) aws.CredentialsProviderFunc {
	return func(context.Context) (aws.Credentials, error) { return c, nil }
}

// The default chain of the SDK, told by the environment as the platforms do.
func TestDefaultChain(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("jwt-1"), 0o600))
	s := lambdatest.Start(t, lambdatest.Options{Roles: []lambdatest.Role{{ARN: roleA, Trusts: []string{}, WebIdentityTokens: []string{"jwt-1"}}}})
	s.SetInstanceLifetime(20 * time.Minute)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_REGION", s.Region)
	t.Setenv("AWS_ENDPOINT_URL_LAMBDA", s.URL)
	t.Setenv("AWS_ENDPOINT_URL_STS", s.STSURL)
	for _, tc := range []struct {
		operation   string
		environment map[string]string
		want        time.Duration
	}{
		{"AssumeRoleWithWebIdentity", map[string]string{"AWS_ROLE_ARN": roleA, "AWS_WEB_IDENTITY_TOKEN_FILE": token}, time.Hour},
		{"Container", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": s.STSURL + lambdatest.ContainerPath, "AWS_CONTAINER_AUTHORIZATION_TOKEN": lambdatest.ContainerToken}, 20 * time.Minute},
		{"Machine", map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": s.STSURL}, 20 * time.Minute},
	} {
		t.Run(tc.operation, func(t *testing.T) {
			for name, value := range tc.environment {
				t.Setenv(name, value)
			}
			load := func() aws.Config {
				cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
				require.NoError(t, err)
				return cfg
			}
			cfg := load()
			for range 3 {
				out, err := lambda.NewFromConfig(cfg).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("upper"), Payload: []byte(`"a"`)})
				require.NoError(t, err)
				require.Equal(t, `"A"`, string(out.Payload))
			}
			require.Equal(t, 1, s.STSCalls(tc.operation), "they are kept")
			got, err := cfg.Credentials.Retrieve(t.Context())
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(tc.want), got.Expires, 6*time.Minute, "the SDK renews those of containers five minutes early")

			s.FailSTS(1)
			_, err = load().Credentials.Retrieve(t.Context())
			require.Error(t, err)
		})
	}
}

func TestWebIdentityToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	s := lambdatest.Start(t, lambdatest.Options{Roles: []lambdatest.Role{
		{ARN: roleA, Trusts: []string{}, WebIdentityTokens: []string{"jwt-1"}, Lifetime: time.Second}, {ARN: roleB},
	}})
	retrieve := func(role, text string) (aws.Credentials, error) {
		require.NoError(t, os.WriteFile(token, []byte(text), 0o600))
		return stscreds.NewWebIdentityRoleProvider(stsClient(s, nil), role, stscreds.IdentityTokenFile(token)).Retrieve(t.Context())
	}
	got, err := retrieve(roleA, "jwt-1")
	require.NoError(t, err)
	require.False(t, got.Expires.After(time.Now().Add(time.Second)))
	_, err = retrieve(roleA, "jwt-2")
	wantError(t, err, 400, "InvalidIdentityToken", "")
	_, err = retrieve(roleB, "jwt-1")
	wantError(t, err, 403, "AccessDenied", "")
	s.SetWebIdentityToken(roleA, "jwt-2")
	_, err = retrieve(roleA, "jwt-2")
	require.NoError(t, err)
	_, err = retrieve(roleA, "jwt-1")
	wantError(t, err, 400, "InvalidIdentityToken", "")
	_, err = stscreds.NewAssumeRoleProvider(stsClient(s, static(s.Credentials)), roleA).Retrieve(t.Context())
	wantError(t, err, 403, "AccessDenied", "")
}
