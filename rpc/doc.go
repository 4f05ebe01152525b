// Package rpc is the vocabulary of the RPC plane: what travels between a
// protocol adapter and an upstream when a gRPC method is called.
//
// Messages are serialized protobuf bytes in both directions; nothing on this
// plane knows message objects. A call has one [Call] (method, request head,
// deadline, first message), is started on an [Upstream], and tells its [Sink]
// the response head, the messages and, exactly once, the end. Errors that the
// gateway itself makes are [Error] values with a [Reason]; one table maps a
// reason to its HTTP status and gRPC code.
//
// The package is complete for unary calls and every kind of stream.
package rpc
