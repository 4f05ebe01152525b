package upstream

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// HTTP is an upstream of the HTTP plane. It is safe for any goroutine.
type HTTP interface {
	Upstream
	// Send is one attempt to have r answered. It is like RoundTrip of
	// [http.RoundTripper], with these differences.
	//
	// The URL of r has a path, as RawPath has it, and a query; scheme and host are
	// those of the endpoint that is chosen. Host is what is sent as such; if it is
	// empty, the upstream's own. The header is sent as it is.
	//
	// The endpoints in tried are avoided while there are others, and the one that
	// is used is added. It may be nil.
	//
	// The error is an [*Error]. What it says of the endpoint counts for the choice of
	// the next ones, as do the status of the answer and the end of its body, which the
	// caller must close.
	Send(r *http.Request, tried *Tried) (*http.Response, error)
	// Origin is what requests to the upstream have, unless a route says otherwise. It
	// never changes.
	Origin() Origin
}

// Tunable is an upstream of which a route may say how it is called.
type Tunable interface {
	// With is the upstream as a route that says options sees it. They are of a type that
	// the kind knows; the error names the field of them that is wrong. What it gives owns
	// nothing: it can be used until the upstream is closed, and closing it does nothing.
	// With is safe for any goroutine.
	With(options proto.Message) (HTTP, error)
}

// Describer is an upstream that can say what it makes of requests.
type Describer interface {
	// Describe says it in lines for people.
	Describe() []string
}

// Checked is an upstream that can find out whether it would be let through to what it
// calls, before there is a request that needs it.
type Checked interface {
	// Check asks, without any effect. The error tells the operator what stands in the way
	// and what to do about it; it is nil too if that cannot be found out, now or at all.
	Check(ctx context.Context) error
	// Callee names what is asked about: of those of one upstream that have the same, one
	// has to be checked.
	Callee() string
}

// Tried has the endpoints that a request has been sent to, by their addresses.
type Tried []string

// Origin is what requests to an upstream have.
type Origin struct {
	// Scheme is http or https.
	Scheme string
	// Host is sent as the Host header; empty is the one that the client asked for.
	Host string
	// BasePath is put in front of every path: empty, or a path that begins with a slash
	// and does not end with one, as it is to be sent.
	BasePath string
	// Forwarded says which headers tell the upstream of the client.
	Forwarded Forwarded
	// Aware says that the upstream wants to know more of a request than what is sent:
	// see [About].
	Aware bool
	// Whole says that the upstream takes the body and nothing else of a request. Who
	// can choose puts everything there.
	Whole bool
	// Silent says that answers of success have nothing in them: the upstream has taken
	// the request, and what becomes of it nobody is told.
	Silent bool
}

// Forwarded is a set of headers that tell an upstream who the client is and what it
// asked for.
type Forwarded uint8

// The headers; None is neither of them, and those of the client are removed all the
// same.
const (
	// XForwarded is X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host.
	XForwarded Forwarded = 1 << iota
	// StandardForwarded is Forwarded (RFC 7239).
	StandardForwarded
	None Forwarded = 0
)

// Error is why a request has no answer.
type Error struct {
	// Reason is what the client is told.
	Reason rpc.Reason
	// NotSent says that no byte of the request can have been worked on: there was no
	// connection, a limit of the gateway held it back, or the service refused it
	// unseen. It may be sent again whatever it asks for.
	NotSent bool
	// Endpoint is where the request went; empty if it went nowhere.
	Endpoint string
	// RetryAfter is how long a client had better wait; zero if nothing is known.
	RetryAfter time.Duration
	// Message is what the client is told; empty is what it is told for such a Reason.
	// Header are further fields of the answer, for the client too.
	Message string
	Header  http.Header
	Err     error
}

func (e *Error) Error() string {
	if e.Endpoint == "" {
		return fmt.Sprintf("%s: %v", e.Reason, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Reason, e.Endpoint, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
