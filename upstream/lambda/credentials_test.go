package lambda_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda"
)

const (
	gatewayRole = "arn:aws:iam::123456789012:role/gateway"
	callerRole  = "arn:aws:iam::210987654321:role/caller"
)

// keys are the access keys that calls were signed with, each once.
func keys(s *lambdatest.Service) (list []string) {
	for _, call := range s.Calls() {
		_, rest, _ := strings.Cut(call.Header.Get("Authorization"), "Credential=")
		id, _, _ := strings.Cut(rest, "/")
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// TestAssumeRoles is A-35: a chain of roles into another account.
func TestAssumeRoles(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Roles: []lambdatest.Role{
		{ARN: gatewayRole}, {ARN: callerRole, Trusts: []string{gatewayRole}, ExternalID: "partner-7", Functions: []string{"upper"}},
	}})
	cfg := config(s, "upper")
	cfg.Event = "raw"
	cfg.Credentials.AssumeRoles = []*configpb.AWSRole{{RoleArn: gatewayRole}, {RoleArn: callerRole, ExternalId: "partner-7"}}
	up := start(t, cfg)
	var calls sync.WaitGroup
	for range 10 {
		r := request(t, "POST", "/", `"abc"`, nil)
		calls.Go(func() {
			resp, err := up.Send(r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	calls.Wait()
	_, text := answer(t, up, request(t, "POST", "/", `"abc"`, nil))
	require.Equal(t, `"ABC"`, text)
	require.Equal(t, 2, s.STSCalls("AssumeRole"), "each role once")
	require.Len(t, keys(s), 1)

	failed := failure(t, up, request(t, "POST", "/", `"abc"`, to("echo", "")))
	require.Equal(t, rpc.UpstreamDenied, failed.Reason)

	cfg.Credentials.AssumeRoles[1].ExternalId = ""
	failed = failure(t, start(t, cfg), request(t, "POST", "/", `"abc"`, nil))
	require.Equal(t, rpc.UpstreamDenied, failed.Reason)
	require.True(t, failed.NotSent)
	require.ErrorContains(t, failed, "not authorized to perform: sts:AssumeRole")
}

// webIdentity starts an upstream of a role whose credentials live for so long.
func webIdentity(t *testing.T, life time.Duration) (*lambdatest.Service, upstream.HTTP, string) {
	t.Helper()
	s := lambdatest.Start(t, lambdatest.Options{Roles: []lambdatest.Role{{ARN: gatewayRole, Trusts: []string{}, WebIdentityTokens: []string{"token-1"}, Lifetime: life}}})
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("token-1"), 0o600))
	cfg := config(s, "echo")
	cfg.Event = "raw"
	cfg.Credentials.Static = nil
	cfg.Credentials.WebIdentity = &configpb.AWSWebIdentity{RoleArn: gatewayRole, TokenFile: token}
	return s, start(t, cfg), token
}

// TestRenewed is A-36: credentials are renewed before they expire, with the token that
// the file has then, and no request fails.
func TestRenewed(t *testing.T) {
	s, up, token := webIdentity(t, 12*time.Hour)
	answer(t, up, request(t, "GET", "/", "", nil))
	s.SetWebIdentityToken(gatewayRole, "token-2")
	require.NoError(t, os.WriteFile(token, []byte("token-2"), 0o600))
	up.(routed).Advance(12*time.Hour - 7*time.Minute)
	answer(t, up, request(t, "GET", "/", "", nil))
	require.Equal(t, 1, s.STSCalls("AssumeRoleWithWebIdentity"), "it is early")
	up.(routed).Advance(12*time.Hour - time.Minute)
	for deadline := time.Now().Add(time.Minute); len(keys(s)) < 2; {
		require.True(t, time.Now().Before(deadline))
		answer(t, up, request(t, "GET", "/", "", nil))
	}
	for _, call := range s.Calls() {
		require.Empty(t, call.Refused)
	}
}

// TestExpired has credentials that end before their time: the next request has others.
func TestExpired(t *testing.T) {
	s, up, _ := webIdentity(t, 0)
	answer(t, up, request(t, "GET", "/", "", nil))
	s.Expire("")
	for range 2 {
		// New credentials are not given up at once.
		failed := failure(t, up, request(t, "GET", "/", "", nil))
		require.Equal(t, rpc.UpstreamDenied, failed.Reason)
		require.True(t, failed.NotSent)
	}
	require.Equal(t, 1, s.STSCalls("AssumeRoleWithWebIdentity"))
	up.(routed).Advance(2 * time.Second)
	failed := failure(t, up, request(t, "GET", "/", "", nil))
	require.Equal(t, rpc.UpstreamDenied, failed.Reason)
	answer(t, up, request(t, "GET", "/", "", nil))
	require.Equal(t, 2, s.STSCalls("AssumeRoleWithWebIdentity"))
}

// TestSTSDown has nobody who hands out credentials: requests fail, and none is sent.
func TestSTSDown(t *testing.T) {
	s, up, _ := webIdentity(t, 0)
	s.FailSTS(1000)
	for range 5 {
		failed := failure(t, up, request(t, "GET", "/", "", nil))
		require.Equal(t, rpc.UpstreamDenied, failed.Reason)
		require.True(t, failed.NotSent)
		require.Empty(t, failed.Message)
	}
	require.Empty(t, s.Calls())
	asked := s.STSCalls("AssumeRoleWithWebIdentity")
	require.LessOrEqual(t, asked, 3*5, "it is not asked for each request")
	s.FailSTS(0)
	up.(routed).Advance(2 * time.Second)
	answer(t, up, request(t, "GET", "/", "", nil))
}

func TestSecretFile(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	dir := t.TempDir()
	cfg := config(s, "echo")
	cfg.Event = "raw"
	cfg.Credentials.Static.SecretAccessKey, cfg.Credentials.Static.SecretAccessKeyFile = "", "secret"
	_, err := lambda.New(cfg, upstream.Env{Name: "function", Dir: dir})
	require.ErrorContains(t, err, `upstream "function": secret_access_key_file: `)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte(s.Credentials.SecretAccessKey+"\n"), 0o600))
	up, err := lambda.New(cfg, upstream.Env{Name: "function", Dir: dir})
	require.NoError(t, err)
	answer(t, up.(upstream.HTTP), request(t, "GET", "/", "", nil))
	require.NoError(t, up.Close())
}
