// Command http-function is two functions that speak HTTP, on a functions framework: as in
// a container, FUNCTION_TARGET says which of them is served. Without that it is stand-ins
// for the platforms that start such containers, Knative and OpenFaaS.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
)

func main() {
	functions.HTTP("hello", hello)
	functions.HTTP("figlet", figlet)
	if os.Getenv("FUNCTION_TARGET") != "" {
		// In a container it would be funcframework.Start, for all addresses.
		log.Fatal(funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT")))
	}
	knativeAddress := flag.String("knative", "localhost:8001", "`ADDRESS` of the stand-in for Knative's ingress")
	openfaasAddress := flag.String("openfaas", "localhost:8002", "`ADDRESS` of the stand-in for OpenFaaS' gateway")
	flag.Parse()
	failed := make(chan error, 1)
	serve(failed, "knative", *knativeAddress, newKnative())
	serve(failed, "openfaas", *openfaasAddress, newOpenFaaS())
	log.Fatal(<-failed)
}

func serve(failed chan<- error, name, address string, h http.Handler) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving %s on %s", name, l.Addr())
	go func() { failed <- http.Serve(l, h) }() // an example on the loopback
}

// hello says where it was called.
func hello(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "hello from %s, called as %s %s\n", os.Getenv("K_SERVICE"), r.Method, r.URL.RequestURI())
}

// figlet frames the parameter text.
func figlet(w http.ResponseWriter, r *http.Request) {
	text := r.FormValue("text")
	line := "+" + strings.Repeat("-", len(text)+2) + "+"
	_, _ = fmt.Fprintf(w, "%s\n| %s |\n%s\n", line, text, line)
}
