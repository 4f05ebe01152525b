// Package grpc is native gRPC over HTTP/2 as an inbound protocol: every method
// of an endpoint answers POST /package.Service/Method, whatever its kind.
// Messages pass as the bytes they are; what is checked are the frames around
// them. Only where a program looks at messages are they translated to JSON and
// back.
//
// Compression is per side. A message that came compressed goes on uncompressed,
// and the answer is compressed if the downstream compressed its request and takes
// gzip: who spends the effort on one way wants it on the other.
//
// The package is complete for unary calls and every kind of stream, with
// application/grpc and application/grpc+proto, over HTTP/2 with or without TLS.
package grpc

import (
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

const contentType = "application/grpc"

type protocol struct{}

var _ transcoder.Protocol = protocol{}

// New makes the protocol. It has no configuration.
func New() transcoder.Protocol { return protocol{} }

func (protocol) Name() string { return "grpc" }

// Routes gives every endpoint its native path, with or without HTTP rules.
func (protocol) Routes(ep *transcoder.Endpoint) ([]transcoder.Route, error) {
	template, err := httprule.Parse(ep.Method.Path)
	if err != nil {
		return nil, err
	}
	var in, out []string
	if ep.Method.ClientStreaming {
		in = []string{"grpc"}
	}
	if ep.Method.ServerStreaming {
		out = []string{"grpc"}
	}
	h := &handler{ep: ep}
	if ep.Codec != nil {
		h.input = ep.Codec.Message(ep.Method.Descriptor.Input().FullName())
		h.output = ep.Codec.Message(ep.Method.Descriptor.Output().FullName())
	}
	return []transcoder.Route{{
		In:          in,
		Out:         out,
		Method:      http.MethodPost,
		Template:    template,
		ContentType: contentType,
		Handler:     h,
		Origin:      transcoder.OriginNative,
	}}, nil
}

// Speaks takes every subtype: what is not proto is refused in the protocol's own
// manner.
func (protocol) Speaks(value string) bool {
	rest, ok := cutContentType(value)
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';' || rest[0] == ' ' || rest[0] == '\t')
}

// isProto reports whether messages under this Content-Type, of the protocol, are
// protobuf: the upstream would take others for what they are not.
func isProto(value string) bool {
	rest, _ := cutContentType(value)
	rest, _, _ = strings.Cut(rest, ";")
	rest = strings.TrimRight(rest, " \t")
	return rest == "" || strings.EqualFold(rest, "+proto")
}

// cutContentType cuts application/grpc off, in letters of either case.
func cutContentType(value string) (rest string, ok bool) {
	value = strings.TrimLeft(value, " \t")
	if len(value) < len(contentType) || !strings.EqualFold(value[:len(contentType)], contentType) {
		return "", false
	}
	return value[len(contentType):], true
}

// Refuse answers with headers only, HTTP status 200 and the error as a gRPC
// status. A media type is refused with HTTP 415 as well, as the protocol says
// (gRPC over HTTP/2, "Content-Type"), and a request over HTTP/1 in plain text.
func (protocol) Refuse(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error, _ *transcoder.Settings) {
	if r.ProtoMajor < 2 {
		refuseHTTP1(w, r, x)
		return
	}
	h := w.Header()
	h["Content-Type"] = contentTypes
	h["Content-Length"] = nil
	code := err.GRPCCode()
	if err.Reason == rpc.NoRoute {
		// A gRPC client would take NOT_FOUND for an answer of the method.
		code = codes.Unimplemented
	}
	st := err.StatusWith(code)
	writeStatus(h, &st, "")
	x.Failure = err
	x.Code, x.Reason, x.Error = int(st.Code), string(st.Reason), err.Cause
	if err.Reason == rpc.UnsupportedMediaType {
		w.WriteHeader(http.StatusUnsupportedMediaType)
	}
}

// refuseHTTP1 answers a request that cannot be gRPC, since its trailers would not
// arrive: by hand or through a proxy that spoke HTTP/1.
func refuseHTTP1(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	err := rpc.Errorf(rpc.InvalidRequest, "gRPC needs HTTP/2, and this request came over %s", r.Proto)
	x.Failure, x.Code, x.Reason = err, int(err.GRPCCode()), string(err.Reason)
	w.Header().Set(rpc.ErrorHeader, string(err.Reason))
	http.Error(w, err.Message, err.HTTPStatus())
}
