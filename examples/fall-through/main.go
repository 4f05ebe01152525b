// Command fall-through is an API between two services: the old one answers REST,
// the new one is gRPC and has some of the methods.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
)

func main() {
	grpcAddress := flag.String("grpc", "localhost:9090", "`ADDRESS` to serve gRPC on")
	restAddress := flag.String("rest", "localhost:8000", "`ADDRESS` to serve REST on")
	flag.Parse()
	themes := []string{"Travel", "Poetry"}

	rest := listen("REST", *restAddress)
	go func() { log.Fatal(http.Serve(rest, old(themes))) }() // an example on the loopback
	srv := grpc.NewServer()
	librarypb.RegisterLibraryServer(srv, moved{themes: themes})
	reflection.Register(srv)
	log.Fatal(srv.Serve(listen("gRPC", *grpcAddress)))
}

func listen(what, address string) net.Listener {
	lis, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving %s on %s", what, lis.Addr())
	return lis
}

// moved has the methods that have moved. The others are UNIMPLEMENTED, which
// generated code sees to.
type moved struct {
	librarypb.UnimplementedLibraryServer
	themes []string
}

func (m moved) GetShelf(ctx context.Context, in *librarypb.GetShelfRequest) (*librarypb.Shelf, error) {
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-service", "new"))
	for i, theme := range m.themes {
		if name := fmt.Sprintf("shelves/%d", i+1); name == in.Name {
			return &librarypb.Shelf{Name: name, Theme: theme}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "no %q here", in.Name)
}

// old is the whole API as it was.
func old(themes []string) http.Handler {
	answer := func(w http.ResponseWriter, status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Service", "old")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	type shelf struct {
		Name  string `json:"name"`
		Theme string `json:"theme"`
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/shelves", func(w http.ResponseWriter, _ *http.Request) {
		var all []shelf
		for i, theme := range themes {
			all = append(all, shelf{fmt.Sprintf("shelves/%d", i+1), theme})
		}
		answer(w, http.StatusOK, map[string]any{"shelves": all})
	})
	mux.HandleFunc("POST /v1/shelves", func(w http.ResponseWriter, r *http.Request) {
		var in shelf
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&in); err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
			return
		}
		answer(w, http.StatusCreated, shelf{"shelves/" + strconv.Itoa(len(themes)+1), in.Theme})
	})
	mux.HandleFunc("GET /v1/shelves/{id}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, shelf{"shelves/" + r.PathValue("id"), "as the old service has it"})
	})
	mux.HandleFunc("GET /v1/opening-hours", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"from": "09:00", "to": "17:00"})
	})
	return mux
}
