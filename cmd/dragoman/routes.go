package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/route"
)

// routeLine is one route as `dragoman routes --json` prints it.
type routeLine struct {
	Listener string   `json:"listener"`
	Hosts    []string `json:"hosts,omitempty"`
	Method   string   `json:"method"`
	Path     string   `json:"path"`
	Protocol string   `json:"protocol"`
	RPC      string   `json:"rpc,omitempty"`
	Upstream string   `json:"upstream,omitempty"`
	Route    string   `json:"route"`
	Origin   string   `json:"origin"`
	// Wants are the conditions beyond host, method and path.
	Wants []string `json:"wants,omitempty"`
	// FallsThrough says that requests may go on to the next route.
	FallsThrough bool `json:"falls_through,omitempty"`
	// In and Out are the forms of streams.
	In  []string `json:"in,omitempty"`
	Out []string `json:"out,omitempty"`
	// Transforms are the jq programs around the route.
	Transforms []string `json:"transforms,omitempty"`
}

func newRoutes(s streams) *cobra.Command {
	var from origin
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "routes [flags] TARGET... | routes [flags] -c FILE",
		Short: "List every route that would be served",
		Long: `Routes loads the descriptors as serve does and lists every route: its host,
HTTP method and path, the RPC and upstream behind it, where its rule came from,
and what else it wants of a request. Nothing is served.`,
		Example: `  dragoman routes localhost:50051
  dragoman routes -c dragoman.yaml --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			from.targets = args
			from.listen, from.admin = defaultListen, defaultAdmin
			plan, err := from.plan(cmd)
			if err != nil {
				return err
			}
			return resolve(cmd.Context(), plan, func(g *gateway.Gateway) error {
				var lines []routeLine
				for _, l := range plan.Listeners {
					for _, e := range g.Entries(l.Name) {
						lines = append(lines, newRouteLine(l.Name, e))
					}
				}
				if asJSON {
					return printJSON(s.out, lines)
				}
				return printTable(s.out, lines, len(plan.Listeners) > 1)
			})
		},
	}
	from.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newRouteLine(listener string, e *route.Entry) routeLine {
	return routeLine{
		Listener: listener, Hosts: e.Hosts, Method: e.Method, Path: e.Template.String(), Protocol: e.Protocol,
		RPC: e.RPC, Upstream: e.Upstream, Route: e.Route, Origin: e.Origin, In: e.In, Out: e.Out,
		Transforms: e.Transforms, Wants: e.Wants(), FallsThrough: e.FallsThrough,
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printTable(w io.Writer, lines []routeLine, listeners bool) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if listeners {
		fmt.Fprint(tw, "LISTENER\t")
	}
	fmt.Fprint(tw, "HOST\tMETHOD\tPATH\tRPC\tUPSTREAM\tPROTOCOL\tFROM\tSTREAM")
	// These are for few: most lists do without the columns.
	transforms := slices.ContainsFunc(lines, func(l routeLine) bool { return len(l.Transforms) > 0 })
	if transforms {
		fmt.Fprint(tw, "\tTRANSFORMS")
	}
	wants := slices.ContainsFunc(lines, func(l routeLine) bool { return len(l.Wants) > 0 })
	if wants {
		fmt.Fprint(tw, "\tWANTS")
	}
	fmt.Fprintln(tw)
	for _, l := range lines {
		if listeners {
			fmt.Fprintf(tw, "%s\t", l.Listener)
		}
		host := "*"
		if len(l.Hosts) > 0 {
			host = strings.Join(l.Hosts, ",")
		}
		from := l.Origin
		if l.RPC == "" {
			// Its place says little without the route.
			from = l.Route + "." + from
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", host, l.Method, l.Path, l.RPC, l.Upstream, l.Protocol, from, streamOf(l.In, l.Out))
		if transforms {
			text := ""
			if len(l.Transforms) > 0 {
				text = count(len(l.Transforms), "program")
			}
			fmt.Fprintf(tw, "\t%s", text)
		}
		if wants {
			fmt.Fprintf(tw, "\t%s", strings.Join(l.Wants, ", "))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

// streamOf says in which forms a stream travels: "in array|ndjson, out sse"; empty
// for a unary call.
func streamOf(in, out []string) string {
	var text []string
	if len(in) > 0 {
		text = append(text, "in "+strings.Join(in, "|"))
	}
	if len(out) > 0 {
		text = append(text, "out "+strings.Join(out, "|"))
	}
	return strings.Join(text, ", ")
}
