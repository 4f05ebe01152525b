package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/dragoman-gateway/dragoman/gateway"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/demo"
	"github.com/dragoman-gateway/dragoman/server"
)

func newDemo(s streams) *cobra.Command {
	from := origin{transform: []*configpb.Transform{titles}}
	var opts serving
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run an example service with the gateway in front of it",
		Long: `Demo runs a small library service (shelves and books, in memory) on a port of
its own and the gateway in front of it, found by server reflection. Nothing is
kept when it ends.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLog(s.err, opts.logFormat)
			if err != nil {
				return err
			}
			library, err := startLibrary(cmd.Context())
			if err != nil {
				return err
			}
			defer library.stop()
			from.targets = []string{library.address}
			plan, err := from.plan(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), plan, opts, log, func(srv *server.Server, g *gateway.Gateway) {
				welcome(s.out, library.address, srv.Address("default"), srv.Address(adminListener), len(g.Entries("default")))
			})
		},
	}
	opts.flags(cmd)
	cmd.Flags().StringVar(&from.listen, "listen", defaultListen, "`ADDRESS` to serve on")
	cmd.Flags().StringVar(&from.admin, "admin", defaultAdmin, "`ADDRESS` of /healthz and /readyz")
	return cmd
}

// titles makes text of a list of books, for clients that ask for that.
var titles = &configpb.Transform{
	When: `$request.headers.accept == "text/plain"`,
	Response: `if .body.books then .headers["content-type"] = "text/plain; charset=utf-8" | .body = (.body.books | map(.title) | join("
")) else . end`,
}

// library is the running example service.
type library struct {
	address string
	stop    func()
}

func startLibrary(ctx context.Context) (*library, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := grpc.NewServer()
	demo.Register(srv)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	return &library{address: ln.Addr().String(), stop: func() {
		srv.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			panic(err) // Serve on a listener that nobody else closes
		}
	}}, nil
}

// welcome is the start-up screen: what runs where, and lines to try.
func welcome(w io.Writer, library, gateway, admin string, routes int) {
	host := reachable(gateway)
	fmt.Fprintf(w, `
  Dragoman demo

  library (gRPC)  %s
  gateway         http://%s  (HTTP/JSON and gRPC, %d routes)
  health          http://%s/readyz

  Try in another terminal:

    curl http://%[2]s/v1/shelves
    curl http://%[2]s/v1/shelves/1/books/1
    curl -H 'Accept: text/plain' http://%[2]s/v1/shelves/1/books  # JSON made text by a jq program
    curl -d '{"title":"Emma","authors":["Jane Austen"]}' http://%[2]s/v1/shelves/1/books
    curl -N http://%[2]s/v1/shelves/1/books:stream
    curl -N -H 'Accept: application/x-ndjson' http://%[2]s/v1/shelves/1/books:stream
    curl -N -H 'Accept: text/event-stream' http://%[2]s/v1/shelves/1/books:stream
    curl -d '[{"title":"Villette"},{"title":"Shirley"}]' http://%[2]s/v1/shelves/1/books:import
    curl -N --http2-prior-knowledge -d '[{"count":"POETRY"},{"title":"emma"}]' http://%[2]s/v1/books:ask
    curl http://%[2]s/v1/shelves/1/books:export
    printf 'title,authors\nShirley,Charlotte Brontë\n' | curl --data-binary @- -H 'Content-Type: text/csv' http://%[2]s/v1/shelves/1/books:upload
    node -e 'new WebSocket("ws://%[2]s/v1/shelves/1/books:stream").onmessage = e => console.log(e.data)'  # Node 22
    grpcurl -plaintext %[2]s list

  Ctrl-C ends it.

`, library, host, routes, admin)
}

// reachable is an address that a client on this machine can use.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() || host == "" {
		return "localhost:" + port
	}
	if strings.HasPrefix(host, "127.") {
		return "localhost:" + port
	}
	return address
}
