package upstream

import (
	"cmp"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Told is what a client is told of a request without an answer, if the [Error] has no
// message of its own: where it went is not its affair.
func Told(reason rpc.Reason) string {
	return cmp.Or(told[reason], "the upstream did not answer")
}

// told is what [Told] tells.
var told = map[rpc.Reason]string{
	rpc.UpstreamUnreachable: "the upstream cannot be reached, or the connection was lost before it answered",
	rpc.UpstreamProtocol:    "the upstream's answer is broken",
	rpc.UpstreamTooLarge:    "the upstream's answer is larger than it may be",
	rpc.UpstreamOverloaded:  "the upstream has as many requests as it may have",
	rpc.DeadlineExceeded:    "the upstream did not answer in time",
	rpc.FunctionFailed:      "the function failed",
	rpc.FunctionThrottled:   "the function runs as often as it may at once",
	rpc.UpstreamDenied:      "the gateway may not call the upstream",
	rpc.RequestTooLarge:     "the header is larger than the upstream takes",
	rpc.InvalidPath:         "the path cannot be sent to the upstream",
}
