// Command library is the gRPC server of this example: the service that
// `dragoman demo` has inside, on its own.
package main

import (
	"flag"
	"log"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

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
	// The configurations beside this file have the gateway ping every 10 s, which
	// a server takes for abuse unless it says otherwise.
	srv := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}))
	demo.Register(srv)
	log.Fatal(srv.Serve(lis))
}
