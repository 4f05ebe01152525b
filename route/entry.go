// Package route is the one table of everything that can be called: host, path,
// method, headers, query and content type → entry.
//
// There is one path language, that of google.api.http templates, which [Whole]
// narrows; [Prefix], [Exact], [PrefixString] and [Regex] make both of what is
// written in other ways. The most specific entry wins, whatever its order: a host
// before *.suffix before any host, then, segment by segment, literal before * before
// **, then an entry with a verb, with a condition on the whole path (exact, then
// regular expressions, then the longest prefix), with its own method before "*",
// with more conditions on headers, on the query, with a content type. What is still
// alike goes by [Entry.Order]. Two entries that no request can tell apart are a
// [Conflict], and one that none reaches is [Shadowed].
package route

import (
	"log/slog"
	"net/http"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Handler serves a matched request. It is immutable and safe for any goroutine.
type Handler interface {
	// Serve answers r. x is valid until Serve returns.
	Serve(w http.ResponseWriter, r *http.Request, x *Exchange)
}

// HeadEdits changes the heads of answers, those of errors included. It is immutable and
// safe for any goroutine.
type HeadEdits interface {
	// EditHead changes h, the header of an answer with this status to r, which is the
	// request as it came from the client. It is called once for each exchange, when
	// nothing else changes the header any more: for a final status, and for 101. The
	// error is for the log: the answer goes out all the same.
	EditHead(h http.Header, status int, r *http.Request, x *Exchange) error
}

// Describer is a [Handler] that can say what it would do with a request.
type Describer interface {
	// Describe says it in lines for people, or gives the error that the client would
	// get. It writes nothing and calls nobody.
	Describe(r *http.Request, x *Exchange) ([]string, *rpc.Error)
}

// Entry is one route. It is immutable once compiled into a [Table].
type Entry struct {
	// Hosts are lower-case host names without port, each exact or "*.suffix"
	// (one or more labels in front) or "*". Empty means any host, as "*" does.
	Hosts []string
	// Method is the HTTP method in upper case, or "*" for any.
	Method   string
	Template *httprule.Template
	// Whole narrows what Template fits to some texts of the path; nil if Template
	// says it all.
	Whole *Whole
	// Headers and Query are what a request must have besides, all of it. Their order
	// does not matter.
	Headers, Query []Condition
	// Order is the entry's place in the configuration: of two that fit alike, the one
	// with the lower wins.
	Order int
	// ContentType, if set, is a media type in lower case that the request must
	// have: "application/grpc" takes application/grpc, application/grpc+proto
	// and either with parameters, and not application/grpc-web.
	ContentType string
	Handler     Handler
	// Preflight, if set, answers CORS preflight requests for this entry: OPTIONS
	// that asks for its method.
	Preflight http.Handler

	// TrailingSlash makes the entry fit a path with one slash too many at its
	// end too, if nothing fits the path as it is.
	TrailingSlash bool
	// StrictVerb keeps an entry without a verb from fitting a path whose last
	// segment has an unescaped colon.
	StrictVerb bool
	// NoHEAD keeps an entry for GET from taking HEAD. NoAllow keeps the entry out
	// of Allow, so that it makes no 405 of a 404, NoOPTIONS keeps OPTIONS from being
	// answered for its sake.
	NoHEAD, NoOPTIONS, NoAllow bool
	// FallsThrough says that a request may come back from this entry, to be matched
	// without it. So it keeps no other from being reached. Match does not look at it.
	FallsThrough bool

	// Inner is the handler without what stands around it: nil if nothing does, as
	// Handler has everything in it. Filters are those around it by name, the outermost
	// first, and Transforms, within them, what jq programs look at and change. Both
	// are for explanations.
	Inner               Handler
	Filters, Transforms []string

	// Edits, if set, has the last word on the head of every answer of the entry.
	Edits HeadEdits

	// In and Out are, for people, the forms in which the messages of a stream come
	// from the client and go to it; empty for what is one message.
	In, Out []string

	// Forward says that Handler copies bodies both ways as bytes, of whatever media
	// type, and knows nothing of messages: who wants to see those finds them itself.
	// A body is written in pieces as it comes, with a flush where the other side is to
	// have it now.
	Forward bool

	// Route, Protocol, RPC, Upstream and Origin describe the entry to people:
	// in logs, in `dragoman routes` and in the text of a [Conflict].
	Route, Protocol, RPC, Upstream, Origin string
}

// Exchange is what the gateway knows of one request while it is served. The
// gateway owns it and reuses it after Serve has returned.
type Exchange struct {
	// Table is the one that is matched, and Entry what was found; nil if nothing
	// was.
	Table *Table
	Entry *Entry
	// Path is the escaped path as it came, without the query.
	Path string
	// Matched is the path that was matched, if a program has given the request another
	// one since, which is then Path; else empty.
	Matched string
	// Host is the one that a program of the route wants the upstream to see; else empty.
	Host string
	// Captures are the spans of Path, or of Matched, that the template's variables took, in
	// the order of Template.Variables.
	Captures []Span

	// Tried are routes that the request has been with, which have let it go on to the
	// next one.
	Tried []string

	// Messages, if set, reshapes the messages of the exchange; who handles it asks
	// Wants once. See [Messages] for whose messages these are.
	Messages Messages

	// Reshaped says that the body of the answer may become another one: a handler that
	// makes an entity tag of the bytes it writes then puts it into Tag, and leaves the
	// comparison with what the client has to whoever reshapes them.
	Reshaped bool
	Tag      string

	// Failure is the error that the gateway made, as the client is told it; nil if
	// there was none, or it was the upstream's. Whoever answers with one sets it,
	// before it writes.
	Failure *rpc.Error

	// Client is who the request is from, as far as proxies in front of the gateway are
	// believed: nil if the peer is none of those, and so the client itself.
	Client *forwarded.Client

	// Edits, if set, takes the place of those of the entry: a handler that chooses one
	// of several upstreams sets those of its choice, before it writes.
	Edits HeadEdits

	// For the access log; the handler sets all but ResponseBytes.

	// Upstream is the one that was chosen, if the entry may have several; else that of
	// the entry counts.
	Upstream string
	// Code is the gRPC code, or -1 if the call had none.
	Code int
	// Reason is the rpc.Reason of an error that the gateway made.
	Reason string
	// Error is the cause of Reason for the operator; never sent to the client.
	Error error
	// RequestBytes and ResponseBytes count bodies as they travelled between
	// client and gateway, without headers. The gateway counts what is written.
	RequestBytes, ResponseBytes int64
	// UnknownFields counts fields of the upstream's messages that were left out.
	UnknownFields int
	// Log are further fields of the line, of which the last one of a name counts.
	// Those that bear the name of one of the line's own are left out, and so is
	// what is more than a line may hold. Values are text, numbers and booleans.
	Log []slog.Attr

	// scratch is where a match decodes.
	scratch []byte
}

// maxScratch is what an exchange keeps to decode in.
const maxScratch = 16 << 10

// Reset forgets all, but for memory that the next match reuses.
func (x *Exchange) Reset() {
	*x = Exchange{Captures: x.Captures[:0], scratch: x.scratch[:0]}
	if cap(x.scratch) > maxScratch {
		x.scratch = nil
	}
}

// Span is a range of bytes of a path, [Start, End).
type Span struct{ Start, End int }

// Request is what a table matches on.
type Request struct {
	// Host may have a port, and upper-case letters; both are ignored.
	Host   string
	Method string
	// Fallback, if set, is a method whose entries take the request too, after those
	// for Method with the same template, and before those for "*".
	Fallback string
	// Path is the escaped path, starting with a slash.
	Path string
	// ContentType is the header as it came; empty if absent.
	ContentType string
	// Header and RawQuery, as it came, are what conditions look at.
	Header   http.Header
	RawQuery string
	// Tried are routes whose entries do not count: the request has been with them.
	Tried []string
}
