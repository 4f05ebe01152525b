package lambda

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// maxClientContext is how many bytes the service takes of a client context in base64.
const maxClientContext = 3583

// invocation is how a function is called.
type invocation uint8

const (
	wait invocation = iota
	async
	stream
	dryRun
)

// call is what the configuration says of calls.
type call struct {
	function, qualifier string
	// region is that of function if it says one.
	region        string
	format        event.Format
	invocation    invocation
	clientContext *string
}

// name is the function with its qualifier, as people write it.
func (c *call) name() string {
	if c.qualifier == "" {
		return c.function
	}
	return c.function + ":" + c.qualifier
}

// baseCall is what cfg says, and the region of the function, empty if it is not known.
func baseCall(cfg *configpb.AWSLambdaUpstream) (call, string, error) {
	c := call{format: formatOf(cfg.GetEvent(), event.APIGatewayV2), invocation: invocationOf(cfg.GetInvocation(), wait)}
	var qualifier string
	var err error
	if c.function, qualifier, c.region, err = parseFunction(cfg.GetFunction()); err != nil {
		return c, "", fmt.Errorf("function: %w", err)
	}
	if own := cfg.GetQualifier(); own != "" && qualifier != "" && own != qualifier {
		return c, "", fmt.Errorf("function has the qualifier %q, and qualifier is %q: leave one out", qualifier, own)
	}
	c.qualifier = cmp.Or(cfg.GetQualifier(), qualifier)
	if c.region != "" && cfg.GetRegion() != "" && c.region != cfg.GetRegion() {
		return c, "", fmt.Errorf("function is in the region %q, and region is %q: leave one out", c.region, cfg.GetRegion())
	}
	if c.clientContext, err = encode(cfg.GetClientContext()); err != nil {
		return c, "", err
	}
	return c, cmp.Or(cfg.GetRegion(), c.region), nil
}

// with is c as a route changes it.
func (c call) with(o *configpb.LambdaCall) (call, error) {
	if text := o.GetFunction(); text != "" {
		function, qualifier, region, err := parseFunction(text)
		if err != nil {
			return c, fmt.Errorf("function: %w", err)
		}
		if own := o.GetQualifier(); own != "" && qualifier != "" && own != qualifier {
			return c, fmt.Errorf("function has the qualifier %q, and qualifier is %q: leave one out", qualifier, own)
		}
		c.function, c.region, c.qualifier = function, region, cmp.Or(qualifier, c.qualifier)
	}
	c.qualifier = cmp.Or(o.GetQualifier(), c.qualifier)
	c.format = formatOf(o.GetEvent(), c.format)
	c.invocation = invocationOf(o.GetInvocation(), c.invocation)
	if o.GetClientContext() != nil {
		var err error
		if c.clientContext, err = encode(o.GetClientContext()); err != nil {
			return c, err
		}
	}
	return c, nil
}

func formatOf(name string, otherwise event.Format) event.Format {
	switch name {
	case "raw":
		return event.Raw
	case "http":
		return event.HTTP
	case "api_gateway_v1":
		return event.APIGatewayV1
	case "api_gateway_v2":
		return event.APIGatewayV2
	case "alb":
		return event.ALB
	case "alb_multi":
		return event.ALBMulti
	default:
		return otherwise
	}
}

func invocationOf(name string, otherwise invocation) invocation {
	switch name {
	case "wait":
		return wait
	case "async":
		return async
	case "stream":
		return stream
	case "dry_run":
		return dryRun
	default:
		return otherwise
	}
}

var errFunction = errors.New("write a name, as thumbnails or thumbnails:live, or an ARN, as arn:aws:lambda:eu-west-1:123456789012:function:thumbnails")

// parseFunction takes the qualifier off a name or an ARN of a function, in whole or in
// part, and says in which region it is, if it says that.
//
//	arn:aws:lambda:eu-west-1:123456789012:function:thumbnails:live
//	eu-west-1:123456789012:function:thumbnails
//	123456789012:function:thumbnails:live
//	123456789012:thumbnails
//	thumbnails:live
func parseFunction(text string) (function, qualifier, region string, err error) {
	parts := strings.Split(text, ":")
	at := 0 // where the name is
	if parts[0] == "arn" {
		if len(parts) < 7 {
			return "", "", "", errFunction
		}
		at, region = 5, parts[3]
	} else if len(parts) > 2 && isAccount(parts[1]) {
		at, region = 2, parts[0]
	} else if len(parts) > 1 && isAccount(parts[0]) {
		at = 1
	}
	if parts[at] == "function" && len(parts) > at+1 {
		at++
	}
	switch rest := parts[at:]; {
	case rest[0] == "" || len(rest) > 2 || len(rest) == 2 && rest[1] == "":
		return "", "", "", errFunction
	case len(rest) == 2:
		qualifier = rest[1]
	}
	return strings.Join(parts[:at+1], ":"), qualifier, region, nil
}

func isAccount(part string) bool {
	return len(part) == 12 && strings.Trim(part, "0123456789") == ""
}

// encode is a client context as the service takes it, nil if there is none.
func encode(client *structpb.Struct) (*string, error) {
	if client == nil {
		return nil, nil
	}
	text, err := json.Marshal(client.AsMap())
	if err != nil {
		return nil, fmt.Errorf("client_context: %w", err)
	}
	encoded := base64.StdEncoding.EncodeToString(text)
	if len(encoded) > maxClientContext {
		return nil, fmt.Errorf("client_context has %d bytes in base64, and the service takes %d", len(encoded), maxClientContext)
	}
	return &encoded, nil
}
