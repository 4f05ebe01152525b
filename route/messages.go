package route

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Messages reshapes messages as JSON, for handlers whose bodies are many messages
// or no JSON: streams over HTTP, sessions over WebSocket, native gRPC. It serves
// one exchange. The methods of one direction are called by one goroutine at a
// time, in the order of the messages; the two directions may overlap. An error
// ends the call, and is told to the client as any of the gateway's is.
//
// The JSON of a message is that which the client of the protocol sends or would
// see, without indentation; of a native gRPC message it is protobuf's own. What
// becomes of it is one JSON value, in which there is no line feed.
type Messages interface {
	// Wants says which directions have programs that look at messages. It never
	// changes. What nobody wants passes as if there were no Messages.
	Wants() (requests, responses bool)
	// Request appends to dst what becomes of a message of the client. With the
	// first, and only then, headers and query of r may change: what is made of them
	// is made afterwards. Over a WebSocket it is too late for that, and changes do
	// not count. json nil says that the client's stream has no message, or is a file
	// or a form, which travel on as bytes: it is called once then, and what it
	// appends is left out. json and dst may not be kept, nor do they overlap.
	Request(dst, json []byte, r *http.Request) ([]byte, *rpc.Error)
	// Response appends to dst what becomes of a message of the upstream. Before the
	// first has been given, nothing is written to the [http.ResponseWriter] but
	// fields of its header. It is not called for a stream without messages, nor for
	// one of files. json and dst are as for Request.
	Response(dst, json []byte) ([]byte, *rpc.Error)
}
