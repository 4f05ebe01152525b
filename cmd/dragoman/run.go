package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/config"
)

// streams are where a command writes: out what was asked for, err everything
// else, logs included.
type streams struct {
	out, err io.Writer
}

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // the command was understood and did not succeed
	exitUsage   = 2 // the command line is wrong
)

// usageError marks a mistake in the command line.
type usageError struct{ error }

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var usage usageError
	var report config.Report
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(s.err, "dragoman: %v\nRun '%s --help' for usage.\n", err, cmd.CommandPath())
		return exitUsage
	case errors.As(err, &report):
		fmt.Fprintln(s.err, report.Error())
	default:
		fmt.Fprintf(s.err, "dragoman: %v\n", err)
	}
	return exitFailure
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "dragoman",
		Short: "Answer HTTP/JSON for gRPC services",
		Long: `Dragoman stands in front of gRPC services. It reads their descriptors while it
runs, answers HTTP/JSON by their google.api.http rules, and passes gRPC through
on the same port.`,
		Example: `  dragoman demo                       # an example service and the gateway in front of it
  dragoman serve localhost:50051      # a service with server reflection
  dragoman serve -c dragoman.yaml     # a configuration file`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:                    versionLine(),
		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServe(s), newDemo(s), newCheck(s), newRoutes(s), newExplain(s), newTransform(s), newVersion(s))
	return root
}

// unknownCommand names the command that was probably meant.
func unknownCommand(root *cobra.Command, name string) error {
	if meant := root.SuggestionsFor(name); len(meant) > 0 {
		return usageError{fmt.Errorf("unknown command %q; did you mean %q?", name, meant[0])}
	}
	return usageError{fmt.Errorf("unknown command %q", name)}
}

// noArgs refuses positional arguments.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}
