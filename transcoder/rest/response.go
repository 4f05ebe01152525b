package rest

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// The statuses that an upstream may choose.
const (
	lowestStatus  = 200
	highestStatus = 599
)

// response chooses status and headers of one method's answers. It is immutable.
// A method whose answers are 200 and nothing else has none, and pays nothing.
type response struct {
	// status is that of success.
	status int
	// metadata is the name of the metadata with the status; field, of this name,
	// has it in the message.
	metadata  string
	field     *plan.Value
	fieldName string
	location  *plan.Location
	tag       *entityTag
	// headers are nil for none.
	headers *headers
}

// newResponse compiles what an endpoint says of its answers; nil if that is
// nothing. The problems are all that is wrong with it.
func newResponse(ep *transcoder.Endpoint) (_ *response, problems []error) {
	output, streams := ep.Method.Descriptor.Output(), ep.Method.ServerStreaming
	out := &response{status: http.StatusOK}
	origin := ""
	problem := func(format string, args ...any) {
		problems = append(problems, &transcoder.RuleError{RPC: ep.Method.FullName(), Origin: origin, Err: fmt.Errorf(format, args...)})
	}
	var err error
	if from := ep.Response; from != nil {
		origin = from.Origin
		out.metadata = from.StatusMetadata
		if from.Status != 0 {
			out.status = from.Status
		}
		if from.NoContent && !streams && output.FullName() == "google.protobuf.Empty" {
			out.status = http.StatusNoContent
		}
		if streams && bodiless(out.status) {
			problem("status %d: the answer is a stream, which is a body; a status with one is wanted", out.status)
		}
		if from.Location != "" {
			if streams {
				problem("location %q: the answer is a stream, whose header is sent before its messages", from.Location)
			} else if out.location, err = plan.NewLocation(ep.Codec, output, from.Location); err != nil {
				problem("location %q: %w", from.Location, err)
			}
		}
		if out.fieldName = from.StatusField; from.StatusField != "" {
			if streams {
				problem("status_field %q: the answer is a stream, whose header is sent before its messages", from.StatusField)
			} else if out.field, err = plan.NewValue(ep.Codec, output, from.StatusField, true); err != nil {
				problem("status_field %q: %w", from.StatusField, err)
			}
		}
	}
	if ep.Response != nil {
		out.headers = newHeaders(ep, output, problem)
	}
	if ep.Method.Unary() {
		if out.tag, err = newEntityTag(ep, output); err != nil {
			problems = append(problems, &transcoder.RuleError{
				RPC: ep.Method.FullName(), Option: "http.etag", Err: fmt.Errorf("etag %q: %w", ep.Settings.ETag, err),
			})
		}
	}
	if *out == (response{status: http.StatusOK}) {
		out = nil
	}
	return out, problems
}

// passes is the policy for response metadata: what chooses the status is not
// passed on.
func (p *response) passes(policy *rpc.HeaderPolicy) *rpc.HeaderPolicy {
	if p == nil || p.metadata == "" {
		return policy
	}
	return &rpc.HeaderPolicy{Allow: policy.Allow, Deny: append(slices.Clone(policy.Deny), p.metadata)}
}

// told is the status that the upstream chose by metadata, 0 if it chose none.
// What the header says counts before the trailer.
func (p *response) told(head, trailer rpc.Header) (int, *rpc.Error) {
	if p.metadata == "" {
		return 0, nil
	}
	value := head.Get(p.metadata)
	if value == "" {
		value = trailer.Get(p.metadata)
	}
	if value == "" {
		return 0, nil
	}
	status := 0
	if len(value) == len("200") {
		for i := range len(value) {
			if value[i] < '0' || value[i] > '9' {
				status = 0
				break
			}
			status = 10*status + int(value[i]-'0')
		}
	}
	if status < lowestStatus || status > highestStatus {
		return 0, rpc.Errorf(rpc.UpstreamProtocol, "the upstream's metadata %q has %.20q for an HTTP status: want one from %d to %d",
			p.metadata, value, lowestStatus, highestStatus)
	}
	return status, nil
}

// choose is the status of a unary call that went well.
func (u *unary) choose(k *work) (int, *rpc.Error) {
	p := u.response
	if status, err := p.told(k.sink.head, k.sink.trailer); status != 0 || err != nil {
		return status, err
	}
	if p.field == nil {
		return p.status, nil
	}
	n, err := p.field.Number(k.sink.message.B, &k.scratch)
	switch {
	case err != nil:
		return 0, u.unrenderable(err)
	case n == 0:
		return p.status, nil
	case n < lowestStatus || n > highestStatus:
		return 0, rpc.Errorf(rpc.UpstreamProtocol, "field %q of the upstream's %s has %d for an HTTP status: want one from %d to %d",
			p.fieldName, u.method.Descriptor.Output().FullName(), n, lowestStatus, highestStatus)
	}
	return int(n), nil
}

// dress gives an answer its headers, and returns its status, which is 304 if the
// client has the answer already.
func (p *response) dress(h http.Header, r *http.Request, x *route.Exchange, k *work, status int, body []byte, policy *rpc.HeaderPolicy) int {
	if p.location != nil {
		// A message that cannot be read was refused when it was rendered.
		if text, ok, err := p.location.Append(nil, k.sink.message.B, &k.scratch); ok && err == nil {
			h["Location"] = []string{string(text)}
		}
	}
	if p.tag != nil && status == http.StatusOK && p.tag.set(h, r, x, k, body, policy) {
		return http.StatusNotModified
	}
	return status
}
