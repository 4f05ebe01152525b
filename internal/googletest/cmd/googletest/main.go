// Command googletest runs stand-ins of Google Cloud around a program on Google's functions
// framework, for examples and by hand: the metadata server of a machine, which has
// identity tokens, and front doors of functions, which want them. It prints the setting
// that makes Google's libraries ask this metadata server and where the functions are, a
// NAME=value a line, and serves until it is told to end:
//
//	go run ./internal/googletest/cmd/googletest -program ./functions -function hello=127.0.0.1:9101
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/dragoman-gateway/dragoman/internal/googletest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "googletest:", err)
		os.Exit(1)
	}
}

// function is one of -function.
type function struct {
	name, address, path string
	audiences           []string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var functions []function
	flags := flag.NewFlagSet("googletest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	metadata := flags.String("metadata-address", "127.0.0.1:9100", "where the metadata server listens")
	program := flags.String("program", "", "the `PATH` of the program with the functions")
	flags.Func("function", "`NAME=HOST:PORT`, a service of Cloud Run, or NAME=HOST:PORT/PATH, a function of the first generation; behind commas its custom audiences; may be repeated", func(text string) error {
		name, at, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return errors.New("it is not of the form NAME=HOST:PORT")
		}
		parts := strings.Split(at, ",")
		address, path, ok := strings.Cut(parts[0], "/")
		if ok {
			path = "/" + path
		}
		functions = append(functions, function{name, address, path, parts[1:]})
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case len(functions) > 0 && *program == "":
		return errors.New("-function needs -program, which has the functions")
	}
	google, err := googletest.New(*metadata)
	if err != nil {
		return err
	}
	defer google.Close()
	var out strings.Builder
	fmt.Fprintf(&out, "GCE_METADATA_HOST=%s\n", google.Host())
	for _, f := range functions {
		running, err := googletest.NewFunction(*program, f.name, stderr)
		if err != nil {
			return err
		}
		defer running.Close()
		door, err := googletest.NewDoor(google, f.address, f.path, running, f.audiences...)
		if err != nil {
			return err
		}
		defer door.Close()
		fmt.Fprintf(&out, "%s=%s\n", f.name, door.URL)
	}
	if _, err := io.WriteString(stdout, out.String()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
