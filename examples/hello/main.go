// Command hello is the gRPC server of this example: nothing but a service and
// the reflection that lets a gateway find out what it is.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	hellopb "github.com/dragoman-gateway/dragoman/gen/hello/v1"
)

func main() {
	address := flag.String("listen", "localhost:50051", "`ADDRESS` to serve gRPC on")
	flag.Parse()
	lis, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving gRPC on %s", lis.Addr())
	srv := grpc.NewServer()
	hellopb.RegisterGreeterServer(srv, greeter{})
	reflection.Register(srv)
	log.Fatal(srv.Serve(lis))
}

type greeter struct {
	hellopb.UnimplementedGreeterServer
}

func (greeter) Hello(_ context.Context, in *hellopb.HelloRequest) (*hellopb.HelloResponse, error) {
	const most = 10
	times := cmp.Or(in.Times, 1)
	if times < 0 || times > most {
		return nil, status.Errorf(codes.OutOfRange, "%d greetings: from 1 to %d can be had", times, most)
	}
	return &hellopb.HelloResponse{Greeting: strings.Repeat("hello ", int(times)) + in.Name}, nil
}

func (greeter) Bye(_ context.Context, in *hellopb.ByeRequest) (*hellopb.ByeResponse, error) {
	return &hellopb.ByeResponse{Farewell: fmt.Sprintf("bye %s", in.Name)}, nil
}
