package lambdatest_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

// What has not gone wrong yet need not go wrong.
func TestForgive(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	c := client(t, s)
	broken := lambdatest.Broken()
	broken.Times = 3
	s.Inject(broken, lambdatest.Throttled(1))
	_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("upper"), Payload: []byte(`"a"`)})
	wantError(t, err, http.StatusInternalServerError, "ServiceException", "encountered")
	require.Equal(t, 3, s.Forgive())
	require.Equal(t, `"A"`, string(invoke(t, c, "upper", `"a"`).Payload))
	require.Zero(t, s.Forgive())
}
