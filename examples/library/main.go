// Command library is the gRPC server of this example: the service that
// `dragoman demo` has inside, on its own.
package main

import (
	"flag"
	"log"
	"net"

	"google.golang.org/grpc"

	"github.com/dragoman-gateway/dragoman/internal/demo"
)

func main() {
	address := flag.String("listen", "localhost:9090", "`ADDRESS` to serve gRPC on")
	flag.Parse()
	lis, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving gRPC on %s", lis.Addr())
	srv := grpc.NewServer()
	demo.Register(srv)
	log.Fatal(srv.Serve(lis))
}
