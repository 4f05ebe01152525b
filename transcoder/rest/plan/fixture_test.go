package plan_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// options are those of the fixture's plans.
var options = plan.Options{
	MaxDepth:           100,
	MaxJSONBytes:       1 << 20,
	MaxQueryParameters: 1000,
	IgnoredQuery:       []string{"key", "$alt"},
}

// fixture is the API of testdata/t/v1, each rule of it compiled to a plan.
type fixture struct {
	schema *schema.Schema
	codec  *codec.Codec
	files  *protoregistry.Files
	types  *dynamicpb.Types
	table  *route.Table
}

// rule is what an entry of the table leads to.
type rule struct {
	route.Handler
	plan *plan.Plan
	// free is the plan for a path that binds nothing.
	free          *plan.Plan
	input, output protoreflect.MessageDescriptor
}

var load = sync.OnceValues(func() (*fixture, error) { return loadWith(options) })

// loadWith is the fixture with plans of other options.
func loadWith(options plan.Options) (*fixture, error) {
	set, err := compile("t/v1/fixture.proto", &protocompile.SourceResolver{ImportPaths: []string{"../testdata"}})
	if err != nil {
		return nil, err
	}
	f, err := link(set)
	if err != nil {
		return nil, err
	}
	var entries []*route.Entry
	for _, sd := range f.schema.Services() {
		for i := range sd.Methods().Len() {
			md := sd.Methods().Get(i)
			http := f.schema.HTTPRule(md)
			if http == nil {
				continue
			}
			bindings, err := httprule.Bindings(http)
			if err != nil {
				return nil, err
			}
			for j := range bindings {
				b := &bindings[j]
				p, err := plan.Compile(f.codec, md.Input(), md.Output(), b, options)
				if err != nil {
					return nil, err
				}
				unbound := *b
				if unbound.Template, err = httprule.Parse("/x"); err != nil {
					return nil, err
				}
				free, err := plan.Compile(f.codec, md.Input(), md.Output(), &unbound, options)
				if err != nil {
					return nil, err
				}
				entries = append(entries, &route.Entry{
					Method: b.Method, Template: b.Template, RPC: string(md.FullName()),
					Handler: &rule{plan: p, free: free, input: md.Input(), output: md.Output()},
				})
			}
		}
	}
	f.table, err = route.Compile(entries)
	return f, err
}

func link(set *descriptorpb.FileDescriptorSet) (*fixture, error) {
	f := &fixture{}
	var err error
	if f.schema, err = schema.New(set); err != nil {
		return nil, err
	}
	if f.files, err = protodesc.NewFiles(set); err != nil {
		return nil, err
	}
	f.types = dynamicpb.NewTypes(f.files)
	f.codec, err = codec.New(f.schema)
	return f, err
}

// compile gives a file and all that it imports.
func compile(name string, sources *protocompile.SourceResolver) (*descriptorpb.FileDescriptorSet, error) {
	builtin := protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
		if fd := schema.Builtin(path); fd != nil {
			return protocompile.SearchResult{Proto: fd}, nil
		}
		return protocompile.SearchResult{}, protoregistry.NotFound
	})
	c := protocompile.Compiler{Resolver: protocompile.CompositeResolver{sources, builtin}}
	files, err := c.Compile(context.Background(), name)
	if err != nil {
		return nil, err
	}
	set, seen := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
	}
	add(files[0])
	return set, nil
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f, err := load()
	require.NoError(t, err)
	return f
}

// newFixtureWith has the usual options with a change.
func newFixtureWith(t testing.TB, change func(o *plan.Options)) *fixture {
	t.Helper()
	o := options
	change(&o)
	f, err := loadWith(o)
	require.NoError(t, err)
	return f
}

// inline is a fixture without rules, of one file.
func inline(t testing.TB, source string) *fixture {
	t.Helper()
	set, err := compile("inline.proto", &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"inline.proto": source}),
	})
	require.NoError(t, err)
	f, err := link(set)
	require.NoError(t, err)
	return f
}

func template(t testing.TB, s string) *httprule.Template {
	t.Helper()
	tm, err := httprule.Parse(s)
	require.NoError(t, err)
	return tm
}

// plan compiles one rule over two messages.
func (f *fixture) plan(t testing.TB, input, output protoreflect.FullName, b *httprule.Binding) (*plan.Plan, error) {
	t.Helper()
	return f.planWith(t, input, output, b, options)
}

func (f *fixture) planWith(t testing.TB, input, output protoreflect.FullName, b *httprule.Binding, o plan.Options) (*plan.Plan, error) {
	t.Helper()
	return plan.Compile(f.codec, f.descriptor(t, input), f.descriptor(t, output), b, o)
}

func (f *fixture) descriptor(t testing.TB, name protoreflect.FullName) protoreflect.MessageDescriptor {
	t.Helper()
	d, err := f.files.FindDescriptorByName(name)
	require.NoError(t, err)
	return d.(protoreflect.MessageDescriptor)
}

// parse reads a message of the type from its wire format.
func (f *fixture) parse(t testing.TB, name protoreflect.FullName, wire []byte) proto.Message {
	t.Helper()
	m := dynamicpb.NewMessage(f.descriptor(t, name))
	require.NoError(t, proto.UnmarshalOptions{Resolver: f.types}.Unmarshal(wire, m))
	return m
}

// find gives the rule and the request for "GET /v1/things/abc?x=y".
func (f *fixture) find(t testing.TB, line, body string) (*rule, *plan.Request) {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	path, query, _ := strings.Cut(target, "?")
	var x route.Exchange
	result := f.table.Match(&route.Request{Method: method, Path: path}, &x)
	require.Equal(t, route.Found, result, "%s %s", method, path)
	r := &plan.Request{Path: x.Path, RawQuery: query, Body: []byte(body)}
	for _, s := range x.Captures {
		r.Captures = append(r.Captures, plan.Span(s))
	}
	return x.Entry.Handler.(*rule), r
}

// bind gives the message that a request is bound to.
func (f *fixture) bind(t testing.TB, line, body string) (proto.Message, error) {
	t.Helper()
	rule, r := f.find(t, line, body)
	return f.bindRequest(t, rule, r, new(plan.Scratch))
}

func (f *fixture) bindRequest(t testing.TB, rule *rule, r *plan.Request, s *plan.Scratch) (proto.Message, error) {
	t.Helper()
	prefix := []byte("kept")
	wire, err := rule.plan.Bind(prefix, r, s)
	require.Equal(t, "kept", string(wire[:4]))
	if err != nil {
		require.Equal(t, "kept", string(wire), "on failure dst comes back as it was")
		return nil, err
	}
	return f.parse(t, rule.input.FullName(), wire[4:]), nil
}

// message reads a message of the type from its text format.
func (f *fixture) message(t testing.TB, name protoreflect.FullName, text string) proto.Message {
	t.Helper()
	m := dynamicpb.NewMessage(f.descriptor(t, name))
	require.NoError(t, prototext.UnmarshalOptions{Resolver: f.types}.Unmarshal([]byte(text), m))
	return m
}

func (f *fixture) wire(t testing.TB, name protoreflect.FullName, text string) []byte {
	t.Helper()
	wire, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(f.message(t, name, text))
	require.NoError(t, err)
	return wire
}

// bindCase is one row: either want, the message in text format, or the error.
type bindCase struct {
	name, line, body string
	want             string
	// ignored and captured are what the outcome says.
	ignored, captured string
	// err is a part of the error's message, field the field that it blames.
	err, field string
}

func runBind(t *testing.T, place plan.Place, cases []bindCase) {
	newFixture(t).run(t, place, false, cases)
}

// run runs the cases; form says that their bodies are forms.
func (f *fixture) run(t *testing.T, place plan.Place, form bool, cases []bindCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rule, r := f.find(t, c.line, c.body)
			r.Form = form
			s := new(plan.Scratch)
			got, err := f.bindRequest(t, rule, r, s)
			require.Equal(t, c.ignored, string(s.Outcome.Ignored))
			require.Equal(t, c.captured, string(s.Outcome.Captured))
			if c.err != "" {
				var pe *plan.Error
				require.ErrorAs(t, err, &pe, "%s\n%s\nwas accepted: %v", c.line, c.body, got)
				require.Contains(t, pe.Message, c.err)
				require.Equal(t, c.field, pe.Field)
				require.Equal(t, place, pe.Place)
				return
			}
			require.NoError(t, err, "%s\n%s", c.line, c.body)
			f.same(t, c.want, got)
		})
	}
}

// same demands that a message is the one that is meant by a text.
func (f *fixture) same(t testing.TB, want string, got proto.Message) {
	t.Helper()
	message := f.message(t, got.ProtoReflect().Descriptor().FullName(), want)
	require.Empty(t, cmp.Diff(message, got, protocmp.Transform(), cmpopts.EquateNaNs()))
}

// q escapes a query value.
func q(s string) string { return url.QueryEscape(s) }
