package upstream

import (
	"context"
	"errors"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Ended is why a request is given up whose context has ended: rpc.DeadlineExceeded if
// its time was up, which the context or its cause says, otherwise rpc.ClientClosed.
func Ended(ctx context.Context) rpc.Reason {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return rpc.DeadlineExceeded
	}
	return rpc.ClientClosed
}
