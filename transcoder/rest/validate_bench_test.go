package rest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// tenRules are for the messages of codec/testdata/bench.
var tenRules = map[string]string{
	"Report.heading":     `string: {max_len: 200}`,
	"Report.observer":    `required: true`,
	"Report.notes":       `repeated: {max_items: 20}`,
	"Note.writer":        `string: {email: true}`,
	"Note.urgency":       `int32: {lte: 5}`,
	"Note.text":          `string: {max_len: 500}`,
	"Report.attributes":  `map: {max_pairs: 20}`,
	"Report.sky":         `enum: {defined_only: true}`,
	"Report.samples":     `repeated: {items: {int32: {gte: 0}}}`,
	"Contact.first_name": `string: {min_len: 1}`,
}

// reports is the schema of the codec's benchmarks, with ten rules.
func reports(t testing.TB) *schema.Schema {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{ImportPaths: []string{"../codec/testdata/bench"}})}
	files, err := compiler.Compile(context.Background(), "station.proto")
	require.NoError(t, err)
	file := protodesc.ToFileDescriptorProto(files[0])
	added := 0
	for _, m := range file.GetMessageType() {
		for _, f := range m.GetField() {
			if text, ok := tenRules[m.GetName()+"."+f.GetName()]; ok {
				rules := new(pv.FieldRules)
				require.NoError(t, prototext.Unmarshal([]byte(text), rules))
				f.Options = new(descriptorpb.FieldOptions)
				proto.SetExtension(f.Options, pv.E_Field, rules)
				added++
			}
		}
	}
	require.Len(t, tenRules, added)
	report := proto.String(".codec.bench.Report")
	file.Service = []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Reports"), Method: []*descriptorpb.MethodDescriptorProto{
		{Name: proto.String("Put"), InputType: report, OutputType: report},
	}}}
	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	require.NoError(t, err)
	return s
}

// BenchmarkValidate serves a request of 2 KB whose answer is the same message,
// with ten rules and without: by the handler alone, its upstream beside it, which
// is the work on messages; and over a socket, which is a request.
func BenchmarkValidate(b *testing.B) {
	s := reports(b)
	c, err := codec.New(s)
	require.NoError(b, err)
	method := rpc.NewMethod(s.Services()[0].Methods().Get(0))
	rules, err := validate.Compile(method.Descriptor.Input(), validate.Options{})
	require.NoError(b, err)
	require.NotNil(b, rules)
	settings := transcoder.DefaultSettings()

	body := report()
	reader := strings.NewReader(body)
	r := httptest.NewRequest(http.MethodPost, method.Path, reader)
	r.Header.Set("Content-Type", "application/json")
	w := discard{http.Header{}}
	handler := func(rules *validate.Rules) route.Handler {
		routes, err := rest.New().Routes(&transcoder.Endpoint{
			Method: method, Upstream: local(echoed), Codec: c, AutoMapping: true, Settings: &settings, Validate: rules,
		})
		require.NoError(b, err)
		require.Len(b, routes, 1)
		return routes[0].Handler
	}
	direct := func(rules *validate.Rules) func() {
		h := handler(rules)
		return func() {
			reader.Reset(body)
			clear(w.header)
			x := &route.Exchange{Path: method.Path}
			if h.Serve(w, r, x); x.Code != 0 {
				b.Fatal(x.Reason, x.Error)
			}
		}
	}
	socket := func(rules *validate.Rules) func() {
		h := handler(rules)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.Serve(w, r, &route.Exchange{Path: method.Path})
		}))
		b.Cleanup(server.Close)
		return func() {
			answer, err := server.Client().Post(server.URL+method.Path, "application/json", strings.NewReader(body))
			if err != nil || answer.StatusCode != http.StatusOK {
				b.Fatal(answer, err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}
	off, on := direct(nil), direct(rules)
	for _, of := range []struct {
		name  string
		serve func()
	}{{"off", off}, {"on", on}} {
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				of.serve()
			}
		})
	}
	ratio(b, "ratio", off, on)
	ratio(b, "ratio-socket", socket(nil), socket(rules))
}

// ratio serves both in turns, and compares the time of the processor: what else
// runs on the machine slows both down alike.
func ratio(b *testing.B, name string, off, on func()) {
	b.Run(name, func(b *testing.B) {
		var spent [2]time.Duration
		for b.Loop() {
			for i, serve := range []func(){off, on} {
				began := cpuTime(b)
				for range 100 {
					serve()
				}
				spent[i] += cpuTime(b) - began
			}
		}
		b.ReportMetric(float64(spent[1])/float64(spent[0]), "on/off")
	})
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// report is the medium message of the codec's benchmarks, but for its random words.
func report() string {
	var b strings.Builder
	b.WriteString(`{"id":"9007199254740993","heading":"Föhn over the passes — second report","observer":{"id":"12","firstName":"Zoé",
		"lastName":"Aebersold","phones":["+41 1","+41 2"]},"notes":[`)
	for i := range 6 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"writer":"breeze%d@example.org","urgency":%d,"text":"thaw hail squall sleet dew rime föhn mistral zephyr monsoon rainbow halo","writtenAt":"2024-03-%02dT12:00:00.%03dZ"}`,
			i, 1+i%5, 10+i, i)
	}
	b.WriteString(`],"attributes":{`)
	for i := range 6 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"attribute-%d":"drizzle gust breeze"`, i)
	}
	b.WriteString(`},"counts":{`)
	for i := range 6 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"count-%d":"%d"`, i, 123456789*(i+1))
	}
	b.WriteString(`},"sky":"SKY_STORM","outlook":["SKY_CLEAR","SKY_CLOUDY"],"from":"2023-11-14T22:13:20.123456Z","until":"2025-10-09T08:53:21Z",
		"samples":[100,137,174,211,248,285,322,359],"rainfall":24.75,"verified":true,"signature":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
		"manual":"978-3-16-148410-0","reviewer":{"id":"78","firstName":"Ansel","lastName":"O'Brien \"Ace\""}}`)
	return b.String()
}
