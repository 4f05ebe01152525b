// Command azure-function is a stand-in for an app of Azure Functions, written from their
// documentation: it wants keys, and its functions answer with what they were called with.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"

	"github.com/dragoman-gateway/dragoman/internal/azuretest"
)

func main() {
	address := flag.String("app", "localhost:7071", "`ADDRESS` to serve the app on")
	flag.Parse()
	lis, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving app on %s", lis.Addr())
	app := &azuretest.App{
		Levels: map[string]string{"orders": "function", "refund": "function", "about": "anonymous"},
		Keys:   map[string]string{"refund": "refund-key"},
		Host:   "app-key",
	}
	log.Fatal(http.Serve(lis, app)) // an example on the loopback
}
