package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// question is the request that `dragoman explain` is asked about.
type question struct {
	method, url string
	data        string
	headers     []string
	listener    string
}

// methodGRPC stands for a call by native gRPC where an HTTP method is expected.
const methodGRPC = "GRPC"

func newExplain(s streams) *cobra.Command {
	var from origin
	var q question
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain [flags] METHOD URL TARGET... | explain [flags] -c FILE METHOD URL",
		Short: "Say what would become of a request, without sending it",
		Long: `Explain loads the descriptors as serve does and goes the way of one request up
to the call, which it does not make: which route takes it and why, which others
were near and why each lost, what sets each field, the request message, the
metadata, the timeout and every stage. Then it prints the same call for grpcurl
and for buf curl.

With GRPC as METHOD, URL is the path of a method, /package.Service/Method, and -d
the request message as JSON. With WEBSOCKET it is an upgrade, and -d has the first
frames, one in each line.`,
		Example: `  dragoman explain GET '/v1/shelves/1?view=FULL' localhost:50051
  dragoman explain POST /v1/shelves -d '{"theme": "Poetry"}' localhost:50051
  dragoman explain -c dragoman.yaml -H 'authorization: Bearer x' GET https://api.example.com/v1/books
  dragoman explain GRPC /library.v1.Library/GetShelf -d '{"name": "shelves/1"}' localhost:50051`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError{errors.New("give METHOD and URL of a request, as in: dragoman explain GET /v1/books localhost:50051")}
			}
			q.method, q.url, from.targets = args[0], args[1], args[2:]
			from.listen, from.admin = defaultListen, defaultAdmin
			request, err := q.request()
			if err != nil {
				return err
			}
			plan, err := from.plan(cmd)
			if err != nil {
				return err
			}
			listener, err := q.on(plan, request)
			if err != nil {
				return err
			}
			if listener.TLS != nil {
				request.TLS = &tls.ConnectionState{}
			}
			return resolve(cmd.Context(), plan, func(g *gateway.Gateway) error {
				a := newAnswer(plan, request, g.Explain(listener.Name, request))
				if asJSON {
					return printJSON(s.out, a)
				}
				return a.print(s.out)
			})
		},
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{
			http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions, methodGRPC, transcoder.MethodWebSocket,
		}, cobra.ShellCompDirectiveNoFileComp
	}
	from.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&q.data, "data", "d", "", "`BODY` of the request, or @FILE with it (- or @- for the standard input)")
	f.StringArrayVarP(&q.headers, "header", "H", nil, "header of the request, `NAME:VALUE`; may be given more than once")
	f.StringVar(&q.listener, "listener", "", "`NAME` of the listener that the request comes to (default: the one with the URL's port, else the first with its scheme, else the first)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// request is the question as the server would see it.
func (q *question) request() (*http.Request, error) {
	u, err := url.Parse(q.url)
	if err != nil {
		return nil, usageError{fmt.Errorf("URL: %w", err)}
	}
	if !strings.HasPrefix(u.Path, "/") {
		if u.Host == "" || u.Path != "" {
			return nil, usageError{fmt.Errorf("URL %q: want a path that begins with a slash, or a whole URL", q.url)}
		}
		u.Path = "/"
	}
	body, err := readData("-d", q.data)
	if err != nil {
		return nil, err
	}
	method := strings.ToUpper(q.method)
	switch method {
	case methodGRPC:
		method = http.MethodPost
	case transcoder.MethodWebSocket:
		method = http.MethodGet
	}
	r, err := http.NewRequest(method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, usageError{err}
	}
	r.RequestURI, r.RemoteAddr = u.RequestURI(), "127.0.0.1:1"
	r.Host = u.Host
	if u.Host == "" {
		r.Host = "localhost"
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	if strings.ToUpper(q.method) == methodGRPC {
		r.Header.Set("Content-Type", "application/grpc")
	}
	if strings.ToUpper(q.method) == transcoder.MethodWebSocket {
		r.Header["Connection"], r.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
		r.Header.Del("Content-Type")
		if len(body) > 0 {
			r.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	for _, line := range q.headers {
		name, value, err := headerOf("header", line)
		switch {
		case err != nil:
			return nil, err
		case strings.EqualFold(name, "host"):
			r.Host = value
		case strings.EqualFold(name, "content-type"):
			r.Header.Set(name, value)
		default:
			r.Header.Add(name, value)
		}
	}
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	if r.Header.Get("Upgrade") != "" {
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	}
	return r, nil
}

// maxExplained bounds the body of a question.
const maxExplained = 64 << 20

// readData is the value of a flag, or the content of @FILE; what names the flag in
// errors.
func readData(what, data string) ([]byte, error) {
	name, isFile := strings.CutPrefix(data, "@")
	if !isFile && data != "-" {
		return []byte(data), nil
	}
	in := os.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxExplained+1))
	if err == nil && len(content) > maxExplained {
		err = fmt.Errorf("is larger than %d MiB", maxExplained>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return content, nil
}

// on is the listener that the request comes to.
func (q *question) on(plan *config.Plan, r *http.Request) (*config.Listener, error) {
	if q.listener == "" {
		return guess(plan.Listeners, r.URL), nil
	}
	var names []string
	for _, l := range plan.Listeners {
		if l.Name == q.listener {
			return l, nil
		}
		names = append(names, l.Name)
	}
	return nil, usageError{fmt.Errorf("there is no listener %q; the listeners are %s", q.listener, strings.Join(names, ", "))}
}

// guess is the listener that u most likely leads to. Another port than u's may
// be in front of it, and TLS may end there.
func guess(listeners []*config.Listener, u *url.URL) *config.Listener {
	at := -1
	if port := u.Port(); port != "" {
		at = slices.IndexFunc(listeners, func(l *config.Listener) bool { return strings.HasSuffix(l.Address, ":"+port) })
	}
	if at < 0 && u.Scheme != "" {
		at = slices.IndexFunc(listeners, func(l *config.Listener) bool { return (l.TLS != nil) == (u.Scheme == "https") })
	}
	return listeners[max(at, 0)]
}
