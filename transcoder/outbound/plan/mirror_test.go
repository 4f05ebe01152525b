package plan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
	restplan "github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// A mirror is some rules both ways: what they make of a message, and the message again.
type mirror struct {
	*fixture
	descriptor protoreflect.MessageDescriptor
	there      *plan.Plan
	// back has for each rule a table of that rule alone, and its plan.
	back []reflection
}

type reflection struct {
	table *route.Table
	plan  *restplan.Plan
}

func newMirror(t testing.TB, input string, rules ...string) *mirror {
	t.Helper()
	m := &mirror{fixture: newFixture(t), there: newFixture(t).plan(t, input, rules...)}
	d, err := m.files.FindDescriptorByName(fullName(input))
	require.NoError(t, err)
	m.descriptor = d.(protoreflect.MessageDescriptor)
	for _, b := range bindings(t, rules...) {
		var r reflection
		r.table, err = route.Compile([]*route.Entry{{Method: b.Method, Template: b.Template}})
		require.NoError(t, err)
		r.plan, err = restplan.Compile(m.codec, m.descriptor, m.descriptor, &b, restplan.Options{
			MaxDepth: 200, MaxJSONBytes: 1 << 26, MaxQueryParameters: 1 << 20,
		})
		require.NoError(t, err)
		m.back = append(m.back, r)
	}
	return m
}

// parse reads a message as whoever is called by these rules may see it: what of it is set
// without saying anything, and what nobody knows, is lost on the way.
func (m *mirror) parse(wire []byte) (out *dynamicpb.Message, err error) {
	defer func() {
		// Of an entry of a map whose key comes again as what is none, dynamicpb makes a
		// panic.
		if r := recover(); r != nil {
			err = fmt.Errorf("dynamicpb: %v", r)
		}
	}()
	out = dynamicpb.NewMessage(m.descriptor)
	if err := (proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 200}).Unmarshal(wire, out); err != nil {
		return nil, err
	}
	prune(out)
	return out, nil
}

// prune removes messages without fields, and what JSON and bodies of bytes cannot say.
func prune(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.FullName() == "google.api.HttpBody.extensions":
			m.Clear(fd)
		case fd.Enum() != nil && fd.Enum().FullName() == "google.protobuf.NullValue":
			m.Set(fd, protoreflect.ValueOfEnum(0))
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				prune(v.Message())
				return true
			})
		case fd.IsMap() || fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				prune(v.List().Get(i).Message())
			}
		default:
			if prune(v.Message()); empty(v.Message()) {
				m.Clear(fd)
			}
		}
		return true
	})
}

func empty(m protoreflect.Message) bool {
	some := false
	m.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool {
		some = true
		return false
	})
	return !some
}

// reflect holds what comes back against what went there. It is false if nothing could.
func (m *mirror) reflect(t *testing.T, wire []byte) bool {
	t.Helper()
	want, err := m.parse(wire)
	if err != nil {
		return false
	}
	r := new(plan.Request)
	if m.there.Build(r, wire) != nil {
		return false
	}
	back := m.back[r.Binding]
	q, x := &route.Request{Method: r.Method, Path: string(r.Path)}, new(route.Exchange)
	require.Equal(t, route.Found, back.table.Match(q, x), "%s", show(r))
	request := &restplan.Request{Path: q.Path, RawQuery: string(r.RawQuery), Body: r.Body, ContentType: r.ContentType}
	for _, c := range x.Captures {
		request.Captures = append(request.Captures, restplan.Span(c))
	}
	bound, err := back.plan.Bind(nil, request, new(restplan.Scratch))
	require.NoError(t, err, "%s", show(r))
	got, err := m.parse(bound)
	require.NoError(t, err, "%s", show(r))
	if !proto.Equal(want, got) {
		t.Fatalf("%s\n%s", show(r), cmp.Diff(want, got, protocmp.Transform()))
	}
	return true
}

// mirrors are those of fuzzRules that have rules.
func mirrors(t testing.TB) []*mirror {
	var out []*mirror
	for _, r := range fuzzRules {
		if len(r.rules) > 0 {
			out = append(out, newMirror(t, r.input, r.rules...))
		}
	}
	return out
}

// TestMirror: package transcoder/rest/plan binds what is made of a message to that message.
func TestMirror(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i, m := range mirrors(t) {
		reflected := 0
		for range 1000 {
			msg := dynamicpb.NewMessage(m.descriptor)
			fill(r, msg, 4)
			wire, err := proto.Marshal(msg)
			require.NoError(t, err)
			if m.reflect(t, wire) {
				reflected++
			}
		}
		require.Greater(t, reflected, 100, "%s %v", fuzzRules[i].input, fuzzRules[i].rules)
	}
}

// FuzzMirror is TestMirror for messages as nobody writes them.
func FuzzMirror(f *testing.F) {
	all := mirrors(f)
	r := rand.New(rand.NewPCG(3, 4))
	for i, m := range all {
		for range 20 {
			msg := dynamicpb.NewMessage(m.descriptor)
			fill(r, msg, 3)
			wire, err := proto.Marshal(msg)
			require.NoError(f, err)
			f.Add(uint8(i), wire)
			f.Add(uint8(i), append(wire, wire...))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, wire []byte) { all[int(which)%len(all)].reflect(t, wire) })
}

// fill sets about a third of the fields, none deeper than depth.
func fill(r *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if r.IntN(3) > 0 || fd.Message() != nil && depth == 0 {
			continue
		}
		switch {
		case fd.IsMap():
			entries := m.Mutable(fd).Map()
			for range r.IntN(3) {
				key := scalar(r, fd.MapKey()).MapKey()
				if fd.MapValue().Message() == nil {
					entries.Set(key, scalar(r, fd.MapValue()))
					continue
				}
				fill(r, entries.Mutable(key).Message(), depth-1)
			}
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range r.IntN(3) {
				if fd.Message() == nil {
					list.Append(scalar(r, fd))
					continue
				}
				fill(r, list.AppendMutable().Message(), depth-1)
			}
		case fd.Message() != nil:
			fill(r, m.Mutable(fd).Message(), depth-1)
		default:
			m.Set(fd, scalar(r, fd))
		}
	}
}

func scalar(r *rand.Rand, fd protoreflect.FieldDescriptor) protoreflect.Value {
	texts := []string{"", "a", "shelves/1", "a/b/z", "a b", "%2F", "ä/中", "x:verb", `"\`, "a&b=c+d", "a_b"}
	n := []int64{0, 1, -1, math.MaxInt32, 77}[r.IntN(5)]
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(texts[r.IntN(len(texts))])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(strings.Repeat("\xff\x00~", r.IntN(3)) + texts[r.IntN(len(texts))]))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n != 0)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64([]float64{0, 1.5, -1e300, math.Inf(1), math.NaN(), math.Copysign(0, -1)}[r.IntN(6)])
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(n << 20)
	default:
		return protoreflect.ValueOfInt32(int32(n))
	}
}
