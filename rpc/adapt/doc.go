// Package adapt stands at the edge of the RPC plane, where generated gRPC code
// begins: [ClientConn] lets generated clients call an [rpc.Upstream], and
// [Services] is an upstream that generated server interfaces answer in this
// process.
//
// Both know every kind of stream. They marshal each message and give a
// goroutine to each call, so they are for the gateway's own calls (reflection,
// health, embedded services), not for the traffic that it carries.
package adapt
