package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

var (
	_ upstream.Checked = (*Upstream)(nil)
	_ upstream.Checked = (*function)(nil)
)

// Callee implements [upstream.Checked]: the function, with its version or alias.
func (f *function) Callee() string { return f.name() }

// Check implements [upstream.Checked] by a dry run, which the service answers as it
// would a call, and runs nothing for. It takes no place from calls.
//
// Only what stays wrong until somebody mends it is an error: what the service says of
// who asks and of what is asked for, and that there are no credentials. Emulators that
// know no dry runs say other things, and a service that cannot be reached may be reached
// later.
func (f *function) Check(ctx context.Context) error {
	in := &lambda.InvokeInput{FunctionName: &f.call.function, InvocationType: types.InvocationTypeDryRun}
	if f.qualifier != "" {
		in.Qualifier = &f.qualifier
	}
	_, err := f.up.client.Invoke(withAttempt(ctx, &attempt{limit: errorBytes}), in, f.options)
	var (
		none *token.Error
		api  smithy.APIError
	)
	switch {
	case err == nil, ctx.Err() != nil:
		return nil
	case errors.As(err, &none):
		return f.wrong(none.Error(), "give some under credentials, or to the place where AWS's chain looks for them")
	case !errors.As(err, &api):
	case api.ErrorCode() == "AccessDeniedException":
		return f.wrong(said(api), "let who is named there call the function (lambda:InvokeFunction), or give other credentials")
	case statusOf(err) == http.StatusForbidden, isCredentials(api.ErrorCode()):
		return f.wrong(said(api), "give other credentials")
	case api.ErrorCode() == "ResourceNotFoundException":
		return f.wrong(said(api), "create it, or name another function, version or alias")
	}
	f.up.log.Debug("a dry run says nothing of the function", "function", f.name(), "error", err)
	return nil
}

// said is an error of the service in its own words.
func said(api smithy.APIError) string {
	message := api.ErrorMessage()
	if len(message) > maxMessage {
		message = message[:maxMessage]
	}
	return fmt.Sprintf("AWS says %s %q", api.ErrorCode(), message)
}

func (f *function) wrong(what, advice string) error {
	return fmt.Errorf("function %q in %s: %s; %s", f.name(), cmp.Or(f.region, f.up.region), what, advice)
}
