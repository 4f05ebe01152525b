package grpc

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// ending is what is known of a call when it has ended.
type ending struct {
	ctx context.Context
	// err is nil if the upstream said OK and the number of messages is right.
	err error
	// unopened says that err is from before there was a stream.
	unopened bool
	// head says that the upstream sent response headers which were not the end.
	head    bool
	trailer metadata.MD
	// none and second say that the answer had no message, or more than one, where
	// the method has exactly one.
	none, second bool
	// refused says that the sink takes no more.
	refused bool
}

// status tells a status that the upstream sent from one that grpc-go made up,
// which is an error of the gateway with a reason. grpc-go reports both as the
// same type, so this rests, in this order, on:
//
//   - what this package saw itself: the sink's refusal, the number of messages;
//   - trailer metadata: grpc-go fills it only from a trailer block that it has
//     accepted, and a trailers-only one has at least its content-type. So
//     metadata means a status of the upstream, and its absence without head
//     means one of grpc-go;
//   - the context, which says that the deadline passed or the caller left;
//   - the text, for what remains: an error after the headers, with no trailer
//     metadata. grpc-go has few of those, listed in [made], and a test provokes
//     each, so that a version which words them otherwise is noticed.
//
// grpc-go's stats handler would know it without text, and costs every call that
// succeeds about twenty allocations.
func (u *Upstream) status(e *ending) rpc.Status {
	switch {
	case e.refused:
		return u.failure(rpc.ClientClosed, "the call was given up", e.err)
	case e.second:
		return u.failure(rpc.UpstreamProtocol, "answered with more than one message, where the method has one", e.err)
	case e.err == nil:
		return rpc.Status{}
	case errors.Is(e.err, errNoMessage):
		return u.failure(rpc.UpstreamProtocol, "answered OK without a message", e.err)
	}
	st := status.Convert(e.err)
	text := st.Message()
	if e.unopened || len(e.trailer) == 0 && !e.head && unseen(text) {
		failed := u.early(e, st)
		failed.NotSent = true
		return failed
	}
	switch sent := len(e.trailer) > 0; {
	case e.none && st.Code() == codes.Internal && strings.HasPrefix(text, "cardinality violation:"):
		return u.failure(rpc.UpstreamProtocol, "answered OK without a message", e.err)
	case sent && strings.HasPrefix(text, "grpc-status-details-bin mismatch:"):
		return u.failure(rpc.UpstreamProtocol, "sent details of another status than grpc-status", e.err)
	case !sent && (!e.head || made(text) || e.ctx.Err() != nil):
		return u.early(e, st)
	}
	out := rpc.Status{Code: st.Code(), Message: text}
	if out.Code > codes.Unauthenticated {
		out.Code = codes.Unknown
	}
	if d := e.trailer["grpc-status-details-bin"]; len(d) == 1 {
		out.Details = []byte(d[0])
	}
	out.RetryAfter = pushback(e.trailer)
	return out
}

// early is the status of a call that the upstream gave none.
func (u *Upstream) early(e *ending, st *status.Status) rpc.Status {
	switch e.ctx.Err() {
	case nil:
		return u.local(st, e.err)
	case context.DeadlineExceeded:
		return u.failure(rpc.DeadlineExceeded, "", e.err)
	}
	return u.failure(rpc.ClientClosed, "the call was given up", e.err)
}

// unseen reports whether text is what grpc-go says of a stream that the upstream
// refused before it looked at it. It has tried once more by itself then.
func unseen(text string) bool {
	switch text {
	case "stream terminated by RST_STREAM with error code: REFUSED_STREAM",
		"the stream is rejected because server is draining the connection",
		"the connection is draining":
		return true
	}
	return false
}

// pushback reads when the call may be sent again (gRFC A6): what is not a number
// says never.
func pushback(trailer metadata.MD) time.Duration {
	texts := trailer["grpc-retry-pushback-ms"]
	if len(texts) == 0 {
		return 0
	}
	ms, err := strconv.ParseUint(texts[0], 10, 31)
	if err != nil || len(texts) > 1 {
		return -1
	}
	return time.Duration(ms) * time.Millisecond
}

// made reports whether text is one of grpc-go's own.
func made(text string) bool {
	for _, prefix := range []string{
		"grpc: ",                               // frames, sizes, compression
		"transport: ",                          // malformed headers
		"unexpected EOF",                       // a message cut short
		"server closed the stream without ",    // no trailers
		"stream terminated by RST_STREAM with", // reset
		"error reading from server: ",          // connection lost
		"closing transport due to: ",           // connection lost after GOAWAY
		"connection error: ",
		"keepalive ping failed to receive ACK within timeout",
		"a HEADERS frame cannot appear in the middle of a stream",
		"peer header list size exceeded limit",
		"received invalid frame",
		"malformed header: ",
		"protocol error: ",
	} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	// Flow control: received N-bytes data exceeding the limit M bytes.
	return strings.HasPrefix(text, "received ") && strings.Contains(text, "-bytes data exceeding the limit")
}

// local maps a status that grpc-go made to its reason.
func (u *Upstream) local(st *status.Status, err error) rpc.Status {
	text := st.Message()
	if _, rest, ok := strings.Cut(text, "unexpected HTTP status code received from server: "); ok {
		number, _, _ := strings.Cut(rest, " ")
		reason := rpc.UpstreamProtocol
		if st.Code() == codes.Unavailable { // 429, 502, 503 and 504
			reason = rpc.UpstreamUnreachable
		}
		return u.failure(reason, "answered HTTP "+number+" instead of gRPC", err)
	}
	switch st.Code() {
	case codes.Unavailable:
		return u.failure(rpc.UpstreamUnreachable, "cannot be reached, or the connection was lost", err)
	case codes.DeadlineExceeded:
		return u.failure(rpc.DeadlineExceeded, "", err)
	case codes.ResourceExhausted:
		if strings.HasPrefix(text, "grpc: received message") {
			// Both of grpc-go's forms end with the limit: "(104 vs. 100)", "max 100".
			limit := strings.TrimSuffix(text[strings.LastIndexByte(text, ' ')+1:], ")")
			return u.failure(rpc.UpstreamTooLarge, "sent a message that is over the limit of "+limit+" bytes", err)
		}
	}
	// Behind a line break grpc-go quotes the body of the answer.
	text, _, _ = strings.Cut(text, "\n")
	return u.failure(rpc.UpstreamProtocol, "broke the protocol: "+text, err)
}

// failure is a status with a reason. The text of err may hold addresses, so it
// goes into the cause, for the operator, unless the call just ended early.
func (u *Upstream) failure(reason rpc.Reason, what string, err error) rpc.Status {
	switch reason {
	case rpc.DeadlineExceeded:
		return rpc.Errorf(reason, "the deadline passed before the upstream answered").Status()
	case rpc.ClientClosed:
		return rpc.Errorf(reason, "%s", what).Status()
	}
	failure := rpc.Errorf(reason, "upstream %q %s", u.name, what)
	failure.Cause = err
	return failure.Status()
}
