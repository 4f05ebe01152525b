package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc/adapt"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamhttp "github.com/dragoman-gateway/dragoman/upstream/http"
)

// A Go program calls a REST service with the client that protoc-gen-go-grpc has
// generated.
func ExampleNewService() {
	rest := http.NewServeMux()
	rest.HandleFunc("GET /v1/shelves/{shelf}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.PathValue("shelf") == "lost" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error": {"code": 404, "message": "no such shelf", "status": "NOT_FOUND"}}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"name": "shelves/%s", "theme": "history"}`, r.PathValue("shelf"))
	})
	rest.HandleFunc("GET /v1/shelves/{shelf}/books:stream", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, `{"title": "SPQR"}`+"\n"+`{"title": "The Silk Roads"}`+"\n")
	})
	server := httptest.NewServer(rest)
	defer server.Close()

	// The upstream, and what is known of its methods.
	web, err := upstreamhttp.New(&configpb.HTTPUpstream{Url: server.URL}, upstream.Env{Name: "web"})
	if err != nil {
		log.Fatal(err)
	}
	defer web.Close()
	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(librarypb.File_library_v1_library_proto),
	}})
	if err != nil {
		log.Fatal(err)
	}
	library, err := outbound.NewService(s, "library.v1.Library", outbound.Options{Name: "web", Upstream: web.(upstream.HTTP)})
	if err != nil {
		log.Fatal(err)
	}

	// What follows is any program with a client of gRPC.
	client, ctx := librarypb.NewLibraryClient(adapt.ClientConn(library)), context.Background()
	shelf, err := client.GetShelf(ctx, &librarypb.GetShelfRequest{Name: "shelves/1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shelf.GetName(), shelf.GetTheme())

	_, err = client.GetShelf(ctx, &librarypb.GetShelfRequest{Name: "shelves/lost"})
	fmt.Println(status.Code(err), status.Convert(err).Message())

	books, err := client.StreamBooks(ctx, &librarypb.StreamBooksRequest{Parent: "shelves/1"})
	for err == nil {
		var book *librarypb.Book
		if book, err = books.Recv(); err == nil {
			fmt.Println(book.GetTitle())
		}
	}
	if !errors.Is(err, io.EOF) {
		log.Fatal(err)
	}
	// Output:
	// shelves/1 history
	// NotFound no such shelf
	// SPQR
	// The Silk Roads
}
