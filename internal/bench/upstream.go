package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

//go:embed bench.proto
var benchProto string

// writeImage compiles the service to a descriptor set.
func writeImage(ctx context.Context, path string) error {
	file, err := compile(ctx)
	if err != nil {
		return err
	}
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto),
		protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto),
		protodesc.ToFileDescriptorProto(annotations.File_google_api_http_proto),
		protodesc.ToFileDescriptorProto(annotations.File_google_api_annotations_proto),
		protodesc.ToFileDescriptorProto(anypb.File_google_protobuf_any_proto),
		protodesc.ToFileDescriptorProto(httpbody.File_google_api_httpbody_proto),
		protodesc.ToFileDescriptorProto(file),
	}})
	if err != nil {
		return err
	}
	return os.WriteFile(path, raw, 0o600)
}

func compile(ctx context.Context) (protoreflect.FileDescriptor, error) {
	builtin := map[string]protoreflect.FileDescriptor{
		"google/api/annotations.proto": annotations.File_google_api_annotations_proto,
		"google/api/http.proto":        annotations.File_google_api_http_proto,
		"google/api/httpbody.proto":    httpbody.File_google_api_httpbody_proto,
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"bench.proto": benchProto})},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if file := builtin[path]; file != nil {
				return protocompile.SearchResult{Desc: file}, nil
			}
			return protocompile.SearchResult{}, fmt.Errorf("%s: no such file", path)
		}),
	})}
	var files linker.Files
	files, err := compiler.Compile(ctx, "bench.proto")
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

// passThrough carries messages as bytes, so that the upstream stays cheap.
type passThrough struct{}

func (passThrough) Name() string { return "proto" }

func (passThrough) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (passThrough) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// runUpstream serves the service over gRPC and the same answers as JSON over
// HTTP, and prints both addresses.
func runUpstream(ctx context.Context) error {
	small, err := smallWire(ctx)
	if err != nil {
		return err
	}
	answer := func(reply func(request []byte) []byte) grpc.MethodHandler {
		return func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var request []byte
			if err := decode(&request); err != nil {
				return nil, err
			}
			out := reply(request)
			return &out, nil
		}
	}
	srv := grpc.NewServer(grpc.ForceServerCodecV2(passThrough{}))
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.v1.Bench",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			{MethodName: "Small", Handler: answer(func([]byte) []byte { return small })},
			{MethodName: "Echo", Handler: answer(func(b []byte) []byte { return b })},
		},
		Streams: []grpc.StreamDesc{
			{StreamName: "Stream", Handler: streamItems(small), ServerStreams: true},
			{StreamName: "Download", Handler: sendFile, ServerStreams: true},
			{StreamName: "Upload", Handler: takeFile(small), ClientStreams: true},
		},
	}, struct{}{})
	grpcListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/items/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, smallJSON)
	})
	mux.HandleFunc("POST /v1/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	mux.HandleFunc("POST "+forwardPath, func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /v1/stream/{pace}", streamLines)
	mux.HandleFunc("GET /v1/files/{id}", writeFile)
	mux.HandleFunc("POST /v1/files/{id}", readFile)
	return serveBoth(ctx, srv, grpcListener, mux)
}

func serveBoth(ctx context.Context, srv *grpc.Server, grpcListener net.Listener, mux http.Handler) error {
	httpListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http.Server{Handler: mux}
	context.AfterFunc(ctx, func() {
		srv.Stop()
		_ = web.Close()
	})
	fmt.Println(grpcListener.Addr())
	fmt.Println(httpListener.Addr())
	errs := make(chan error, 2)
	go func() { errs <- srv.Serve(grpcListener) }()
	go func() { errs <- web.Serve(httpListener) }()
	first, second := <-errs, <-errs
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(first, second)
}

// runProxy is the floor: the standard reverse proxy in front of the HTTP server.
func runProxy(ctx context.Context, target string) error {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 256}
	return serveWeb(ctx, proxy)
}

// serveWeb serves HTTP and prints its address.
func serveWeb(ctx context.Context, h http.Handler) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	fmt.Println(ln.Addr())
	if err := srv.Serve(ln); ctx.Err() == nil {
		return err
	}
	return nil
}

const smallJSON = `{"id":"item-00042","title":"The Name of the Rose","stock":"1200","price":12.5,"kind":"BOOK","tags":["novel","mystery","history"],"updated":"2026-05-04T03:02:01.500Z","active":true}`

// itemJSON is one item of an order: mostly text, with an object in it.
const itemJSON = `{"id":"item-00042","title":"The Name of the Rose","stock":"1200","price":12.5,"kind":"BOOK","tags":["novel","mystery"],"description":"A monk follows the traces of a lost book through a library","maker":{"id":"7919","name":"Adso of Melk","country":"Italy"}}`

// orderJSON is an order with n items.
func orderJSON(n int) string {
	type object = map[string]any
	order := object{
		"id":      "order-7",
		"shipTo":  object{"street": "Long Lane 12", "city": "Oxford", "country": "GB", "lines": []string{"c/o Smith", "second floor"}},
		"labels":  object{"channel": "web", "campaign": "spring", "gift": "no"},
		"counts":  object{"visits": "17", "returns": "2"},
		"created": "2026-05-04T03:02:01Z", "signature": "c2lnbmF0dXJlIG9mIHRoZSBvcmRlcg==", "card": "4000-xxxx",
	}
	items := make([]json.RawMessage, n)
	for i := range items {
		items[i] = json.RawMessage(itemJSON)
	}
	order["items"] = items
	raw, err := json.Marshal(order)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
