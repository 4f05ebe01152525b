package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// answer is what `dragoman explain` says, as --json prints it.
type answer struct {
	Method     string      `json:"method"`
	URL        string      `json:"url"`
	Host       string      `json:"host"`
	Listener   string      `json:"listener"`
	Route      string      `json:"route,omitempty"`
	RPC        string      `json:"rpc,omitempty"`
	Upstream   string      `json:"upstream,omitempty"`
	Becomes    *becomes    `json:"becomes,omitempty"`
	Answered   *answered   `json:"answered,omitempty"`
	Refused    *refusal    `json:"refused,omitempty"`
	Reshaped   []string    `json:"reshaped,omitempty"`
	Candidates []candidate `json:"candidates"`
	Bindings   []binding   `json:"bindings,omitempty"`
	Ignored    []string    `json:"ignored,omitempty"`
	Request    *request    `json:"request,omitempty"`
	Metadata   []metadatum `json:"metadata,omitempty"`
	Timeout    *timeout    `json:"timeout,omitempty"`
	In         []string    `json:"in,omitempty"`
	Out        []string    `json:"out,omitempty"`
	Stages     []string    `json:"stages,omitempty"`
	Grpcurl    string      `json:"grpcurl,omitempty"`
	BufCurl    string      `json:"bufCurl,omitempty"`

	// headers are those of the request that may be metadata.
	headers []metadatum
	// native says that the request is gRPC.
	native bool
}

func isNative(r *http.Request) bool {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return media == "application/grpc" || media == "application/grpc+proto"
}

// refusal is the answer that the gateway would give itself.
type refusal struct {
	HTTP       int         `json:"http"`
	Code       int         `json:"code"`
	Reason     string      `json:"reason"`
	Message    string      `json:"message"`
	Violations []violation `json:"violations,omitempty"`
	// Cause is what a program did, or what the route does not allow, which the client is
	// not told.
	Cause string `json:"cause,omitempty"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// becomes is what programs have made of the request line.
type becomes struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Host   string `json:"host"`
}

// answered is the answer of a program.
type answered struct {
	By string `json:"by"`
	sampleAnswer
}

func (a *answered) print(p *printer) {
	if a == nil {
		return
	}
	type field struct{ name, value string }
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		for _, value := range a.Headers[name] {
			fields = append(fields, field{strings.ToLower(name), value})
		}
	}
	p.table("headers of the answer", len(fields), func(tw io.Writer, i int) { fmt.Fprintf(tw, "  %s\t%s\n", fields[i].name, fields[i].value) })
	if a.Body != "" {
		p.line("")
		p.line("body of the answer")
		p.line("  %s", a.Body)
	}
	if len(a.Bytes) > 0 {
		p.line("")
		p.line("body of the answer, %s", count(len(a.Bytes), "byte"))
	}
}

// candidate is a route that took the request, or why it did not.
type candidate struct {
	Won      bool     `json:"won"`
	Why      string   `json:"why"`
	Hosts    []string `json:"hosts,omitempty"`
	Method   string   `json:"method"`
	Path     string   `json:"path"`
	Protocol string   `json:"protocol"`
	RPC      string   `json:"rpc"`
	Route    string   `json:"route"`
	Origin   string   `json:"origin"`
}

type binding struct {
	Field  string `json:"field"`
	Source string `json:"source"`
	From   string `json:"from"`
	Value  string `json:"value"`
}

// request is the request message. JSON is null if it has none.
type request struct {
	Type  string          `json:"type"`
	Bytes int             `json:"bytes"`
	JSON  json.RawMessage `json:"json"`
}

type metadatum struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type timeout struct {
	Seconds float64 `json:"seconds"`
	From    string  `json:"from"`
}

func newAnswer(plan *config.Plan, r *http.Request, e *gateway.Explanation) *answer {
	a := &answer{Method: r.Method, URL: r.RequestURI, Host: r.Host, Listener: e.Listener, Stages: e.Stages, Ignored: e.Ignored, Reshaped: e.Reshaped}
	if now := e.Request; now.RequestURI != r.RequestURI || now.Method != r.Method && r.Method != http.MethodHead || now.Host != r.Host {
		a.Becomes = &becomes{Method: now.Method, URL: now.RequestURI, Host: now.Host}
	}
	for _, c := range e.Candidates {
		a.Candidates = append(a.Candidates, candidate{
			Won: c.Won, Why: c.Why, Hosts: c.Entry.Hosts, Method: c.Entry.Method, Path: c.Entry.Template.String(),
			Protocol: c.Entry.Protocol, RPC: c.Entry.RPC, Route: c.Entry.Route, Origin: c.Entry.Origin,
		})
	}
	if e.Entry != nil {
		a.Route, a.RPC, a.Upstream = e.Entry.Route, e.Entry.RPC, e.Entry.Upstream
		a.In, a.Out = e.Entry.In, e.Entry.Out
	}
	if err := e.Refused; err != nil {
		a.Refused = &refusal{HTTP: err.HTTPStatus(), Code: int(err.GRPCCode()), Reason: string(err.Reason), Message: err.Message}
		if isNative(r) {
			// As transcoder/grpc answers: the HTTP status says nothing.
			a.Refused.HTTP, a.native, a.Reshaped = http.StatusOK, true, nil
			if err.Reason == rpc.NoRoute {
				a.Refused.Code = int(codes.Unimplemented)
			}
		}
		if err.Cause != nil && (err.Reason == rpc.ProgramFailed || err.Reason == rpc.ProgramLimit || err.Reason == rpc.InvalidPath) {
			a.Refused.Cause = err.Cause.Error()
		}
		for _, v := range err.Violations {
			a.Refused.Violations = append(a.Refused.Violations, violation{v.Field, v.Description})
		}
		return a
	}
	if e.Answered != nil {
		a.Answered = &answered{By: e.AnsweredBy, sampleAnswer: sampleAnswer{Status: e.Answered.Status, Headers: e.Answered.Header, sampleBody: newSampleBody(e.Answered.Body)}}
		return a
	}
	for _, b := range e.Bindings {
		a.Bindings = append(a.Bindings, binding(b))
	}
	for _, f := range e.Metadata {
		m := metadatum{Name: f.Name, Value: f.Value}
		if strings.HasSuffix(f.Name, "-bin") {
			m.Value = base64.StdEncoding.EncodeToString([]byte(f.Value))
		}
		a.Metadata = append(a.Metadata, m)
	}
	if e.Method == nil {
		return a
	}
	if e.Timeout > 0 {
		a.Timeout = &timeout{Seconds: e.Timeout.Seconds(), From: e.TimeoutFrom}
	}
	a.Request = &request{Type: string(e.Method.Descriptor.Input().FullName()), Bytes: len(e.Message), JSON: e.JSON}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if strings.HasPrefix(name, "Content-") {
			continue // about the body, which is another one
		}
		for _, value := range r.Header[name] {
			a.headers = append(a.headers, metadatum{strings.ToLower(name), value})
		}
	}
	for _, up := range plan.Upstreams {
		if up.Name == a.Upstream {
			a.Grpcurl, a.BufCurl = sameCall(plan, up, e.Method, a)
		}
	}
	return a
}

// print writes the answer for people.
func (a *answer) print(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s %s", a.Method, a.URL)
	p.line("")
	head := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(head, "listener\t%s\n", a.Listener)
	if b := a.Becomes; b != nil {
		fmt.Fprintf(head, "becomes\t%s %s", b.Method, b.URL)
		if b.Host != a.Host {
			fmt.Fprintf(head, " for host %s", b.Host)
		}
		fmt.Fprintln(head)
	}
	if a.Route != "" {
		fmt.Fprintf(head, "route\t%s\n", a.Route)
		for _, field := range [][2]string{{"method", a.RPC}, {"upstream", a.Upstream}} {
			if field[1] != "" {
				fmt.Fprintf(head, "%s\t%s\n", field[0], field[1])
			}
		}
	}
	if stream := streamOf(a.In, a.Out); stream != "" {
		fmt.Fprintf(head, "stream\t%s\n", stream)
	}
	if a.Timeout != nil {
		fmt.Fprintf(head, "timeout\t%gs, set by %s\n", a.Timeout.Seconds, a.Timeout.From)
	}
	switch {
	case a.Answered != nil:
		fmt.Fprintf(head, "answered\t%d by %s\n", a.Answered.Status, a.Answered.By)
	case a.native:
		fmt.Fprintf(head, "refused\tgrpc-status %d %s: %s\n", a.Refused.Code, a.Refused.Reason, a.Refused.Message)
	case a.Refused != nil:
		fmt.Fprintf(head, "refused\t%d %s: %s\n", a.Refused.HTTP, a.Refused.Reason, a.Refused.Message)
	}
	if a.Refused != nil && a.Refused.Cause != "" {
		fmt.Fprintf(head, "cause\t%s\n", a.Refused.Cause)
	}
	for _, name := range a.Reshaped {
		fmt.Fprintf(head, "reshaped\tby %s\n", name)
	}
	p.flush(head)
	if a.Refused != nil {
		for _, v := range a.Refused.Violations {
			p.line("  %s: %s", v.Field, v.Description)
		}
	}
	p.table("candidates", len(a.Candidates), func(tw io.Writer, i int) {
		c := a.Candidates[i]
		mark := " "
		if c.Won {
			mark = "*"
		}
		host := ""
		if len(c.Hosts) > 0 {
			host = strings.Join(c.Hosts, ",") + " "
		}
		from := c.Origin
		if c.RPC == "" {
			from = c.Route + "." + from
		}
		fmt.Fprintf(tw, "%s %s\t%s%s\t%s\t%s\t%s\n", mark, c.Method, host, c.Path, c.RPC, from, c.Why)
	})
	p.table("fields", len(a.Bindings), func(tw io.Writer, i int) {
		b := a.Bindings[i]
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", b.Field, b.Source, b.From, b.Value)
	})
	p.table("ignored", len(a.Ignored), func(tw io.Writer, i int) { fmt.Fprintf(tw, "  %s\n", a.Ignored[i]) })
	if a.Request != nil {
		p.line("")
		p.line("message %s, %s", a.Request.Type, count(a.Request.Bytes, "byte"))
		if len(a.Request.JSON) > 0 {
			p.line("  %s", a.Request.JSON)
		}
	}
	a.Answered.print(p)
	p.table("metadata", len(a.Metadata), func(tw io.Writer, i int) {
		fmt.Fprintf(tw, "  %s\t%s\n", a.Metadata[i].Name, a.Metadata[i].Value)
	})
	p.table("stages", len(a.Stages), func(tw io.Writer, i int) { fmt.Fprintf(tw, "  %d.\t%s\n", i+1, a.Stages[i]) })
	if a.Grpcurl != "" {
		p.line("")
		p.line("the same call")
		p.line("  %s", a.Grpcurl)
		p.line("  %s", a.BufCurl)
	}
	return p.err
}

// printer writes lines and tables, and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format+"\n", args...); err != nil && p.err == nil {
		p.err = err
	}
}

// table writes a heading and n rows; nothing if there is none.
func (p *printer) table(heading string, n int, row func(w io.Writer, i int)) {
	if n == 0 {
		return
	}
	p.line("")
	p.line("%s", heading)
	tw := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	for i := range n {
		row(tw, i)
	}
	p.flush(tw)
}

func (p *printer) flush(tw *tabwriter.Writer) {
	if err := tw.Flush(); err != nil && p.err == nil {
		p.err = err
	}
}
