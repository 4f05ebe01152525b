package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
)

func newCheck(s streams) *cobra.Command {
	var file string
	var online bool
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Check a configuration without serving it",
		Long: `Check reads a configuration file and reports every problem with its file, line
and column, and tells for each jq program what it reads and what it may change.
Without --resolve it needs no network, and of the files that the configuration
names only those with programs; with it, the descriptors are loaded from their
sources and every rule is compiled, as at the start of serve. What is likely to be
a mistake is told as a warning.`,
		Example: `  dragoman check -c dragoman.yaml
  dragoman check -c dragoman.yaml --resolve`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{errors.New("give the configuration with -c FILE")}
			}
			f, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return err
			}
			plan, err := config.Link(f)
			if err != nil {
				return err
			}
			if !online {
				programs, warnings, err := builtin.Check(plan)
				if err != nil {
					return err
				}
				warn(s, warnings)
				_, err = fmt.Fprintf(s.out, "%s: ok (%s, %s, %s)\n", file, count(len(plan.Listeners), "listener"), count(len(plan.Upstreams), "upstream"), count(len(plan.Routes), "route"))
				return errors.Join(err, tellPrograms(s, programs))
			}
			return resolve(cmd.Context(), plan, func(g *gateway.Gateway) error {
				if _, err := builtin.Listeners(plan, g); err != nil {
					return err
				}
				entries := 0
				for _, l := range plan.Listeners {
					entries += len(g.Entries(l.Name))
				}
				warn(s, g.Warnings())
				_, err := fmt.Fprintf(s.out, "%s: ok (%s, %s, %s)\n", file, count(len(plan.Listeners), "listener"), count(len(plan.Upstreams), "upstream"), count(entries, "route table entry"))
				return errors.Join(err, tellPrograms(s, g.Programs()))
			})
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `FILE` (YAML or JSON)")
	cmd.Flags().BoolVar(&online, "resolve", false, "load the descriptors too")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml", "json")
	return cmd
}

// warn tells what is likely to be a mistake.
func warn(s streams, warnings config.Report) {
	for _, w := range warnings {
		_, _ = fmt.Fprintf(s.err, "warning: %s\n", w)
	}
}

// tellPrograms tells what each program reads and changes.
func tellPrograms(s streams, programs []gateway.Program) error {
	for _, p := range programs {
		if _, err := fmt.Fprintf(s.out, "%s: %s\n", p.Name, p.Needs); err != nil {
			return err
		}
	}
	return nil
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := cutY(thing); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func cutY(s string) (string, bool) {
	if len(s) > 0 && s[len(s)-1] == 'y' {
		return s[:len(s)-1], true
	}
	return s, false
}
