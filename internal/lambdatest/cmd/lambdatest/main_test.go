package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-address", "127.0.0.1:0", "-sts-address", "127.0.0.1:0", "-function", "loud=upper", "-function", "echo", "-throttled", "busy"}, w, t.Output())
		w.Close()
	}()
	env := make(map[string]string)
	for lines := bufio.NewScanner(r); len(env) < 5 && lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), "=")
		require.True(t, ok, lines.Text())
		env[name] = value
	}
	c := lambda.New(lambda.Options{
		BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL_LAMBDA"]), Region: env["AWS_REGION"],
		Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""),
	})
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("loud"), Payload: []byte(`"abc"`)})
	require.NoError(t, err)
	require.Equal(t, `"ABC"`, string(out.Payload))
	_, err = c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("busy"), Payload: []byte(`1`)}, func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} })
	var many *types.TooManyRequestsException
	require.ErrorAs(t, err, &many)
	stop()
	require.NoError(t, <-done)
}

func TestRunRefuses(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"more"}, `unexpected argument "more"`},
		{[]string{"-address", "nowhere"}, "listening for the Lambda emulator"},
		{[]string{"-no"}, "not defined"},
	} {
		var out bytes.Buffer
		require.ErrorContains(t, run(t.Context(), tc.args, &out, io.Discard), tc.want)
		require.Empty(t, out.String())
	}
}
