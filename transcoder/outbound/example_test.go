package outbound_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"google.golang.org/genproto/googleapis/api/annotations"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/rpc/adapt"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamhttp "github.com/dragoman-gateway/dragoman/upstream/http"
)

// A Go program calls a service of HTTP with the client that protoc-gen-go-grpc has
// generated.
func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"status": "SERVING", "since": "2024-05-01"}`)
	}))
	defer service.Close()
	web, err := upstreamhttp.New(&configpb.HTTPUpstream{Url: service.URL}, upstream.Env{Name: "web"})
	if err != nil {
		log.Fatal(err)
	}
	defer web.Close()

	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(healthpb.File_grpc_health_v1_health_proto),
	}})
	if err != nil {
		log.Fatal(err)
	}
	tables, err := codec.New(s)
	if err != nil {
		log.Fatal(err)
	}
	rules, err := httprule.Bindings(&annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/health/{service}"}})
	if err != nil {
		log.Fatal(err)
	}
	check, err := outbound.New(outbound.Options{
		Name: "web", Upstream: web.(upstream.HTTP), Codec: tables, Bindings: rules,
		Method: rpc.NewMethod(healthpb.File_grpc_health_v1_health_proto.Services().ByName("Health").Methods().ByName("Check")),
	})
	if err != nil {
		log.Fatal(err)
	}

	client := healthpb.NewHealthClient(adapt.ClientConn(check))
	answer, err := client.Check(context.Background(), &healthpb.HealthCheckRequest{Service: "acme/books"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.GetStatus())
	// Output:
	// GET /health/acme%2Fbooks
	// SERVING
}
