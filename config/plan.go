package config

import (
	"net/netip"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// Plan is a configuration with every name resolved and every default set. It is
// immutable and safe for any goroutine. Path fields are paths for
// [File.Problem].
type Plan struct {
	// File is what the plan was made of, for problems found later.
	File *File
	// Listeners is never empty.
	Listeners []*Listener
	Upstreams []*Upstream
	Routes    []*Route
	// Programs are those that transforms may use, used or not.
	Programs []*Program
	JQ       JQ
	// AdminAddress is where the admin listener listens.
	AdminAddress string
}

// Listener is one address that clients connect to.
type Listener struct {
	Path, Name string
	// Address is HOST:PORT, with an empty host for all addresses.
	Address string
	// TLS is nil on a listener of clear text.
	TLS *TLSFiles
	// HeaderBytes bounds the header of a request.
	HeaderBytes                int
	HeaderTimeout, IdleTimeout time.Duration
	// MaxStreams bounds the open requests of one HTTP/2 connection.
	MaxStreams int
	// Options are what the listener's transcode routes inherit, and what counts
	// where there is no route.
	Options *Options
	// Transform has the listener's transforms, the outermost first.
	Transform []*Transform
	Headers   Headers
	// TrustedProxies are networks whose hosts are believed what they say of clients.
	TrustedProxies []netip.Prefix
}

// Options are the options of transcode routes on one listener: every field of
// every message that has a default is set. Nobody may change them.
type Options struct {
	Print    *configpb.PrintOptions
	Parse    *configpb.ParseOptions
	Errors   *configpb.ErrorOptions
	HTTP     *configpb.HTTPOptions
	Stream   *configpb.StreamOptions
	Files    *configpb.FileOptions
	Validate bool
	// Transform has the transforms of the listener that run once the route is
	// chosen, the outermost first. Those of route and upstream are not among them.
	Transform []*Transform
	// Headers are the changes of headers of the listener alone, too.
	Headers Headers
}

// TLSFiles are names of files in PEM, relative to [File.Dir].
type TLSFiles struct {
	Cert, Key string
	// ClientCA is empty if clients are not asked for certificates. ClientOptional
	// lets those in that have none.
	ClientCA       string
	ClientOptional bool
}

// Upstream is one upstream and where its descriptors come from.
type Upstream struct {
	Path, Name string
	// Kind is the message that configures the upstream, of the kind that the
	// operator chose: *configpb.GRPCUpstream. It is at KindPath.
	Kind     proto.Message
	KindPath string
	// Source is the message that configures the source of descriptors:
	// *configpb.ReflectionSource and so on. It is at SourcePath. It is nil for an
	// upstream that has none.
	Source     proto.Message
	SourcePath string
	// Transform has the upstream's transforms, the outermost first.
	Transform []*Transform
	Headers   Headers
}

// Route is what happens to some requests.
type Route struct {
	Path, Name string
	// Index is the route's place among all.
	Index int
	// Hosts are in lower case, without duplicates, each exact or *.SUFFIX.
	// Empty is any host.
	Hosts []string
	// Listeners are those that serve the route; never empty.
	Listeners []*Listener
	// Match is never empty but for a transcode route.
	Match []Match
	// Transcode, Forward, Redirect and Respond are what the route does: one of them
	// is set.
	Transcode *Transcode
	Forward   *Forward
	Redirect  *Redirect
	Respond   *Respond
	// Calls is what the route says of how its upstreams are called; nil if nothing.
	Calls *Calls
	// Retry and FallThrough are nil where nothing is said of them.
	Retry       *Retry
	FallThrough *FallThrough
	Headers     Headers
	// Transform has the route's own transforms, the outermost first.
	Transform []*Transform
	// Options are those that count on each of Listeners, in their order: the
	// listener's, with what the route says itself. Equal ones are one pointer.
	Options []*Options
}

// Transcode is how a route transcodes, with every default set.
type Transcode struct {
	Upstream *Upstream
	// UnaryTimeout and StreamTimeout bound a call; zero is no bound.
	UnaryTimeout, StreamTimeout time.Duration
	// MaxRequestBytes bounds a request's body and each message of a gRPC
	// request, MaxMessageBytes each message of the upstream, MaxJSONBytes the
	// JSON made from one.
	MaxRequestBytes, MaxMessageBytes, MaxJSONBytes int
	// MaxDepth bounds the nesting of messages and of JSON.
	MaxDepth           int
	MaxQueryParameters int
	// RequestHeaders and ResponseHeaders narrow which headers travel.
	RequestHeaders, ResponseHeaders HeaderList

	// Services, Methods and Exclude select what is exposed; see the schema.
	Services, Methods, Exclude []Selector
	// AutoMapping asks for POST /package.Service/Method with JSON.
	AutoMapping bool
	// Prefix is empty or begins with a slash and does not end with one.
	Prefix string
	// ServiceConfigs are files to read rules from, then come Rules.
	ServiceConfigs []ServiceConfig
	Rules          []Rule
	// Annotations says that the annotations of the .proto files count too.
	Annotations bool
	Responses   []Response
}

// Selector is one selector of the configuration: package.Service.Method, a
// prefix of names and ".*", or "*". It is at Path.
type Selector struct{ Path, Text string }

// ServiceConfig is a file with a google.api.Service, see [LoadService]. File is
// as the configuration has it.
type ServiceConfig struct{ Path, File string }

// Rule is one HTTP rule of the configuration, or of a service config. Path is
// for the [File] that the rule is from.
type Rule struct {
	Path string
	// Rule has the selector and everything else.
	Rule *annotations.HttpRule
	// Additive adds the rule to its method's annotation.
	Additive bool
}

// Response chooses statuses and headers of the methods that it selects.
type Response struct {
	Path string
	Rule *configpb.ResponseRule
}

// HeaderList narrows which headers travel. Names are in lower case; one that
// ends in "*" stands for all that begin like it. Deny wins; an empty Allow is
// all.
type HeaderList struct{ Allow, Deny []string }

// Upstream is the one that the route leads to; nil if it leads to none or to several.
func (rt *Route) Upstream() *Upstream {
	if ups := rt.Upstreams(); len(ups) == 1 {
		return ups[0]
	}
	return nil
}

// Upstreams are those that the route may lead to: none, one or several.
func (rt *Route) Upstreams() []*Upstream {
	if rt.Transcode != nil {
		return []*Upstream{rt.Transcode.Upstream}
	}
	var ups []*Upstream
	if rt.Forward != nil {
		for _, d := range rt.Forward.Destinations {
			ups = append(ups, d.Upstream)
		}
	}
	return ups
}

// On reports whether l serves the route.
func (rt *Route) On(l *Listener) bool { return slices.Contains(rt.Listeners, l) }

// MaxMessageBytes bounds a message of up: what the most generous route to it
// allows, or the default if none leads there.
func (p *Plan) MaxMessageBytes(up *Upstream) int {
	most := 0
	for _, rt := range p.Routes {
		if rt.Transcode != nil && rt.Transcode.Upstream == up {
			most = max(most, rt.Transcode.MaxMessageBytes)
		}
	}
	if most == 0 {
		return defaultMessageBytes
	}
	return most
}
