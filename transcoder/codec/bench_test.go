package codec_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// sample is one message to translate, and the codec of its schema.
type sample struct {
	name string
	text []byte
	wire []byte
	md   protoreflect.MessageDescriptor
	// generated makes a message of the type's generated code, if there is any.
	generated func() proto.Message
	codec     *codec.Message
}

// benchFiles are the types of a set of files.
type benchFiles []protoreflect.FileDescriptor

func (b benchFiles) RangeMessages(f func(protoreflect.MessageDescriptor) bool) {
	for _, file := range b {
		for i := range file.Messages().Len() {
			if !f(file.Messages().Get(i)) {
				return
			}
		}
	}
}

func (benchFiles) RangeExtensions(func(protoreflect.ExtensionDescriptor) bool) {}

func newSample(t testing.TB, name string, md protoreflect.MessageDescriptor, text []byte) sample {
	t.Helper()
	c, err := codec.New(benchFiles{md.ParentFile()})
	require.NoError(t, err)
	m := dynamicpb.NewMessage(md)
	require.NoError(t, protojson.Unmarshal(text, m))
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	require.NoError(t, err)
	s := sample{name: name, wire: wire, md: md, codec: c.Message(md.FullName())}
	s.text, err = s.codec.AppendJSON(nil, wire, &codec.Scratch{})
	require.NoError(t, err)
	return s
}

var benchWords = strings.Fields(`fog drizzle gust breeze thaw hail squall sleet dew rime
	föhn mistral zephyr monsoon rainbow halo`)

func benchText(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(benchWords[r.IntN(len(benchWords))])
	}
	return b.String()
}

// samples are messages of about 200 B, 2 KB and 100 KB of JSON, and one whose
// type has generated code.
func samples(t testing.TB) []sample {
	t.Helper()
	files, err := (&protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{ImportPaths: []string{"testdata/bench"}})}).Compile(context.Background(), "station.proto")
	require.NoError(t, err)
	// Compiled files are linked again as every other schema is.
	set := protodesc.ToFileDescriptorProto(files[0])
	file, err := protodesc.NewFile(set, protoregistry.GlobalFiles)
	require.NoError(t, err)
	md := func(name string) protoreflect.MessageDescriptor {
		return file.Messages().ByName(protoreflect.Name(name))
	}
	r := rand.New(rand.NewPCG(5, 6))

	small := `{"id":"4711","name":"Upper valley, north slope","sky":"SKY_CLOUDY","installedAt":"2019-04-01T06:30:00.250Z",
		"owners":["alpine club","university","rescue service"],"altitude":1834,"active":true}`

	var medium strings.Builder
	medium.WriteString(`{"id":"9007199254740993","heading":"Föhn over the passes — second report","observer":{"id":"12","firstName":"Zoé",
		"lastName":"Aebersold","phones":["+41 1","+41 2"]},"notes":[`)
	for i := range 6 {
		if i > 0 {
			medium.WriteByte(',')
		}
		fmt.Fprintf(&medium, `{"writer":"%s@example.org","urgency":%d,"text":"%s","writtenAt":"2024-03-%02dT12:00:00.%03dZ"}`,
			benchWords[i], 1+i%5, benchText(r, 70), 10+i, i)
	}
	medium.WriteString(`],"attributes":{`)
	for i := range 6 {
		if i > 0 {
			medium.WriteByte(',')
		}
		fmt.Fprintf(&medium, `"attribute-%d":"%s"`, i, benchText(r, 18))
	}
	medium.WriteString(`},"counts":{`)
	for i := range 6 {
		if i > 0 {
			medium.WriteByte(',')
		}
		fmt.Fprintf(&medium, `"count-%d":"%d"`, i, r.Int64N(1<<40))
	}
	medium.WriteString(`},"sky":"SKY_STORM","outlook":["SKY_CLEAR","SKY_CLOUDY"],"from":"2023-11-14T22:13:20.123456Z","until":"2025-10-09T08:53:21Z",
		"samples":[100,137,174,211,248,285,322,359],"rainfall":24.75,"verified":true,"signature":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
		"manual":"978-3-16-148410-0","reviewer":{"id":"78","firstName":"Ansel","lastName":"O'Brien \"Ace\""}}`)

	var large strings.Builder
	large.WriteString(`{"readings":[`)
	for i := range 500 {
		if i > 0 {
			large.WriteByte(',')
		}
		fmt.Fprintf(&large, `{"id":"%d","sensor":"SEN-%05d","remark":"%s","value":%g,"quality":%d,"sky":"SKY_%s","labels":["%s","%s"],
			"owner":{"id":"%d","firstName":"%s","lastName":"%s"}}`, 1+i*7919, i, benchText(r, 30), float64(1+r.IntN(100000))/100, 1+r.IntN(500),
			[]string{"CLEAR", "CLOUDY", "STORM"}[i%3], benchWords[i%10], benchWords[(i*7)%10], i+1, benchWords[(i*3)%10], benchWords[(i*5)%10])
	}
	large.WriteString(`],"nextPage":"bmV4dC1wYWdlLXRva2Vu"}`)

	descriptor := protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto)
	text, err := protojson.Marshal(descriptor)
	require.NoError(t, err)
	generated := newSample(t, "generated", descriptor.ProtoReflect().Descriptor(), text)
	generated.generated = func() proto.Message { return &descriptorpb.FileDescriptorProto{} }
	return []sample{
		newSample(t, "small", md("Station"), []byte(small)),
		newSample(t, "medium", md("Report"), []byte(medium.String())),
		newSample(t, "large", md("Archive"), []byte(large.String())),
		generated,
	}
}

// cpuTime is what the process has used, the collector's share included.
func cpuTime() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

func measure(b *testing.B, name string, bytes int, f func() error) {
	b.Run(name, func(b *testing.B) {
		b.SetBytes(int64(bytes))
		b.ReportAllocs()
		start := cpuTime()
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
	})
}

func BenchmarkJSONToWire(b *testing.B) {
	for _, s := range samples(b) {
		scratch, buf := &codec.Scratch{}, make([]byte, 0, 1<<20)
		measure(b, s.name+"/codec", len(s.text), func() error {
			_, err := s.codec.AppendWire(buf, s.text, scratch, nil)
			return err
		})
		through := func(fresh func() proto.Message) func() error {
			return func() error {
				m := fresh()
				if err := protojson.Unmarshal(s.text, m); err != nil {
					return err
				}
				_, err := proto.Marshal(m)
				return err
			}
		}
		measure(b, s.name+"/dynamicpb", len(s.text), through(func() proto.Message { return dynamicpb.NewMessage(s.md) }))
		if s.generated != nil {
			measure(b, s.name+"/generated", len(s.text), through(s.generated))
		}
	}
}

func BenchmarkWireToJSON(b *testing.B) {
	for _, s := range samples(b) {
		scratch, buf := &codec.Scratch{}, make([]byte, 0, 1<<20)
		measure(b, s.name+"/codec", len(s.text), func() error {
			_, err := s.codec.AppendJSON(buf, s.wire, scratch)
			return err
		})
		through := func(fresh func() proto.Message) func() error {
			return func() error {
				m := fresh()
				if err := proto.Unmarshal(s.wire, m); err != nil {
					return err
				}
				_, err := protojson.Marshal(m)
				return err
			}
		}
		measure(b, s.name+"/dynamicpb", len(s.text), through(func() proto.Message { return dynamicpb.NewMessage(s.md) }))
		if s.generated != nil {
			measure(b, s.name+"/generated", len(s.text), through(s.generated))
		}
	}
}

// nested is a leaf of 4 MiB below n boxes, as JSON and on the wire.
func nested(t testing.TB, md protoreflect.MessageDescriptor, n int) sample {
	t.Helper()
	leaf := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("0123456789abcdef"), 1<<18))
	text := strings.Repeat(`{"inner":`, n) + `{"content":"` + leaf + `"}` + strings.Repeat(`}`, n)
	return newSample(t, fmt.Sprint(n), md, []byte(text))
}

func nestedSamples(t testing.TB) (flat, deep sample) {
	t.Helper()
	box := samples(t)[0].md.ParentFile().Messages().ByName("Box")
	return nested(t, box, 0), nested(t, box, 99)
}

func BenchmarkNested(b *testing.B) {
	flat, deep := nestedSamples(b)
	for _, s := range []sample{flat, deep} {
		scratch, buf := &codec.Scratch{}, make([]byte, 0, 16<<20)
		measure(b, "JSONToWire/levels="+s.name, len(s.text), func() error {
			_, err := s.codec.AppendWire(buf, s.text, scratch, nil)
			return err
		})
		measure(b, "WireToJSON/levels="+s.name, len(s.text), func() error {
			_, err := s.codec.AppendJSON(buf, s.wire, scratch)
			return err
		})
	}
}
