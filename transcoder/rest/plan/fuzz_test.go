package plan_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// fuzzRules have between them every way to bind: they take any query and body.
var fuzzRules = []string{
	"GET /v1/things/n", "PATCH /v1/body/n", "POST /v1/star/sub/n", "GET /v1/nested/n", "GET /v1/users/n",
	"POST /v1/bodies/oneof/n", "PATCH /v1/bodies/sub/n", "GET /v1/old/n", "POST /v1/rep/n",
	"POST /v1/star/user/n", "POST /v1/star/chosen/n", "POST /v1/star/i64/1", "GET /v1/int/1",
}

// requirePath demands that a message has what the path of its request says, and
// that nothing else of the request has taken that back.
func requirePath(t *testing.T, fx *fixture, rule *rule, r *plan.Request, m proto.Message) {
	t.Helper()
	alone := &plan.Request{Path: r.Path, Captures: r.Captures}
	s := new(plan.Scratch)
	wire, err := rule.plan.Bind(nil, alone, s)
	if err != nil {
		return // it lacks what is required
	}
	want := dynamicpb.NewMessage(rule.input)
	require.NoError(t, proto.UnmarshalOptions{Resolver: fx.types}.Unmarshal(wire, want))
	bound, _ := rule.plan.Explain(alone, s)
	require.NotEmpty(t, bound)
	for _, b := range bound {
		at, has := want.ProtoReflect(), m.ProtoReflect()
		for name := range strings.SplitSeq(b.Field, ".") {
			fd := at.Descriptor().Fields().ByJSONName(name)
			require.Equal(t, at.Has(fd), has.Has(fd), "%s", b.Field)
			if fd.Message() == nil {
				require.True(t, at.Get(fd).Equal(has.Get(fd)), "%s: %v", b.Field, has.Get(fd))
				break
			}
			at, has = at.Get(fd).Message(), has.Get(fd).Message()
		}
	}
}

// requireFurther binds the body of r as that of a message behind the first one, as
// JSON and serialized. What the path binds has the path's value in it, or none if
// the body has none either; a body that says something else is refused, or
// overruled.
func requireFurther(t *testing.T, fx *fixture, rule *rule, r *plan.Request, overruled bool) {
	t.Helper()
	s := new(plan.Scratch)
	head := &plan.Request{Path: r.Path, Captures: r.Captures, Body: r.Body}
	// The first message of a path without a query is told the same.
	_, first := rule.plan.Bind(nil, head, s)
	wire, err := rule.plan.BindFurther(nil, head, s)
	if !lacks(first) && !lacks(err) {
		require.Equal(t, first, err)
	}
	if err == nil {
		said, err := rule.free.BindFurther(nil, &plan.Request{Body: r.Body}, s)
		requireHeld(t, fx, rule, head, said, err, wire, overruled)
	}
	if !rule.plan.TakesWire() {
		return
	}
	if wire, err = rule.plan.BindFurtherWire(nil, head, s); err == nil {
		said, err := rule.free.BindFurtherWire(nil, &plan.Request{Body: r.Body}, s)
		requireHeld(t, fx, rule, head, said, err, wire, overruled)
	}
}

// lacks reports whether an error is about required fields, which the path may have.
func lacks(err error) bool {
	var pe *plan.Error
	return errors.As(err, &pe) && pe.Place == plan.InMessage
}

// requireHeld compares what became of a body, wire, with what it says where nothing
// is bound.
func requireHeld(t *testing.T, fx *fixture, rule *rule, head *plan.Request, said []byte, err error, wire []byte, overruled bool) {
	t.Helper()
	unmarshal := proto.UnmarshalOptions{Resolver: fx.types, AllowPartial: true}
	free, got, want := dynamicpb.NewMessage(rule.input), dynamicpb.NewMessage(rule.input), dynamicpb.NewMessage(rule.input)
	if lacks(err) {
		return // it is overruled by what it lacks
	}
	require.NoError(t, err)
	if unmarshal.Unmarshal(wire, got) != nil {
		return // nobody can read it
	}
	require.NoError(t, unmarshal.Unmarshal(said, free))
	s := new(plan.Scratch)
	path, err := rule.plan.Bind(nil, &plan.Request{Path: head.Path, Captures: head.Captures}, s)
	if err != nil {
		return
	}
	require.NoError(t, unmarshal.Unmarshal(path, want))
	bound, _ := rule.plan.Explain(&plan.Request{Path: head.Path, Captures: head.Captures}, s)
	require.NotEmpty(t, bound)
	for _, b := range bound {
		free, got, want := free.ProtoReflect(), got.ProtoReflect(), want.ProtoReflect()
		for name := range strings.SplitSeq(b.Field, ".") {
			fd := got.Descriptor().Fields().ByJSONName(name)
			if oneof := fd.ContainingOneof(); oneof != nil && got.WhichOneof(oneof) != nil {
				require.Equal(t, fd.Name(), got.WhichOneof(oneof).Name())
			}
			if !overruled {
				require.Equal(t, free.Has(fd), got.Has(fd), "%s", b.Field)
			}
			if fd.Message() == nil {
				if got.Has(fd) {
					require.True(t, want.Get(fd).Equal(got.Get(fd)), "%s: %v", b.Field, got.Get(fd))
				}
				if free.Has(fd) {
					require.Equal(t, want.Has(fd), got.Has(fd), "%s", b.Field)
				}
				break
			}
			free, got, want = free.Get(fd).Message(), got.Get(fd).Message(), want.Get(fd).Message()
		}
	}
}

// FuzzBind checks that no request makes Bind panic, that what it accepts is a
// message, and that the same request gives the same again, whatever the scratch
// was used for before. Its body is that of a further message of a stream, too.
func FuzzBind(f *testing.F) {
	for _, query := range []string{
		"", "i32=1&rs=a&rs=b", "sub.name=a+b&sub.tags=%41", "user_id=a&email=b", "a%zz=1", "sub..=1;", "key=1&&$alt",
		"node.a.a.leaf=1", "ts=2020-01-02T03:04:05%2B01:00", "by=_-8&mask=fooBar,b", "old.grp.out=1&shape=9", "inner.must=1",
	} {
		f.Add(uint8(0), query, "n", []byte(nil))
		f.Add(uint8(1), query, "a%2Fb", []byte(`{"name":"s","size":3}`))
	}
	f.Add(uint8(2), "", "p", []byte(`{"sub":{"name":"p"},"any":{"@type":"type.googleapis.com/t.v1.Sub","size":3}}`))
	f.Add(uint8(5), "user_id=1", "%FF", []byte(`"x"`))
	f.Add(uint8(8), "", "%", []byte(`["x"]`))
	// Messages behind the first one, as JSON and serialized.
	for _, body := range []string{
		`{"name":"n","i32":2}`, `{"name":"o"}`, `{"sub":{"name":"n"}}`, `{"sub":{"name":"o","size":1}}`, `{"email":"o"}`, `{"chosen":{"name":"n"}}`, `{"i64":"1"}`,
		"\x0a\x01n\x10\x02", "\x0a\x01o", "\x52\x03\x0a\x01n\x52\x03\x0a\x01o", "\xd2\x01\x01o\xca\x01\x01n", "\xda\x01\x03\x0a\x01n", "\x18\x81\x00", "\x18\x00",
	} {
		for which := range uint8(len(fuzzRules)) {
			f.Add(which, "", "n", []byte(body))
			f.Add(which, "", "1", []byte(body))
		}
	}
	fx := newFixture(f)
	used := new(plan.Scratch)
	f.Fuzz(func(t *testing.T, which uint8, query, segment string, body []byte) {
		rule, r := fx.find(t, fuzzRules[int(which)%len(fuzzRules)], "")
		r.RawQuery, r.Body = query, body
		// The value takes the place of the template's own last segment.
		start := r.Captures[0].Start
		r.Path = r.Path[:start] + segment
		r.Captures[0].End = len(r.Path)

		requireFurther(t, fx, rule, r, false)
		first, err := rule.plan.Bind(nil, r, new(plan.Scratch))
		second, again := rule.plan.Bind(nil, r, used)
		require.Equal(t, err, again)
		require.Equal(t, first, second)
		if err != nil {
			var pe *plan.Error
			require.ErrorAs(t, err, &pe)
			return
		}
		m := dynamicpb.NewMessage(rule.input)
		require.NoError(t, proto.UnmarshalOptions{Resolver: fx.types}.Unmarshal(first, m))
		requirePath(t, fx, rule, r, m)
	})
}

// FuzzBindOptions is [FuzzBind] with all options on, for forms too. What is left out
// must be told in a header's worth of printable text.
func FuzzBindOptions(f *testing.F) {
	for _, query := range []string{
		"", "m[k]=v&m[%6B]=w&mi[1]=2", "st=%7B%22a%22:1%7D&val=[1,{}]&lv=1", "$alt=json%3Benum-encoding=int&xgafv=1&$fields=a(b)",
		"unknown=1&sub.unknown&a%2Cb%20=%zz&key=1", "name=q&email=e&chosen.size=1", "chosen.unknown=1&email=e", "color=rEd&i32=1",
	} {
		for which := range uint8(len(fuzzRules)) {
			f.Add(which, "", "0", []byte(`{"i64":5,"userId":"x","chosen":{"name":"y","name":"z"},"sub":{"name":"q"},"email":"e"}`), false)
			f.Add(which, query, "n", []byte(`{"nope":[{}],"size":1}`), false)
			f.Add(which, "", "a%2Fb", []byte(query), true)
		}
	}
	var fixtures []*fixture
	for _, unknown := range []plan.Unknown{plan.Report, plan.Capture, plan.Reject} {
		fixtures = append(fixtures, newFixtureWith(f, func(o *plan.Options) {
			o.UnknownQuery, o.UnknownFields = unknown, unknown
			o.Alt, o.ErrorFormat, o.Key, o.Partial = true, true, true, true
			o.FoldEnums, o.QueryMaps, o.QueryStructs, o.PathWins, o.PatchMask = true, true, true, true, "*"
		}))
	}
	used := new(plan.Scratch)
	f.Fuzz(func(t *testing.T, which uint8, query, segment string, body []byte, form bool) {
		fx := fixtures[int(which)/len(fuzzRules)%len(fixtures)]
		rule, r := fx.find(t, fuzzRules[int(which)%len(fuzzRules)], "")
		r.RawQuery, r.Body, r.Form = query, body, form && rule.plan.TakesForm()
		start := r.Captures[0].Start
		r.Path = r.Path[:start] + segment
		r.Captures[0].End = len(r.Path)

		requireFurther(t, fx, rule, r, true)
		fresh := new(plan.Scratch)
		first, err := rule.plan.Bind(nil, r, fresh)
		second, again := rule.plan.Bind(nil, r, used)
		require.Equal(t, err, again)
		require.Equal(t, first, second)
		require.Equal(t, string(fresh.Outcome.Ignored), string(used.Outcome.Ignored))
		require.Equal(t, string(fresh.Outcome.Captured), string(used.Outcome.Captured))
		require.LessOrEqual(t, len(used.Outcome.Ignored), plan.MaxIgnored)
		for _, text := range [][]byte{used.Outcome.Ignored, used.Outcome.Captured} {
			for _, c := range text {
				require.True(t, c >= ' ' && c < 0x7f, "%q", text)
			}
		}
		if err != nil {
			var pe *plan.Error
			require.ErrorAs(t, err, &pe)
			return
		}
		m := dynamicpb.NewMessage(rule.input)
		require.NoError(t, proto.UnmarshalOptions{Resolver: fx.types}.Unmarshal(first, m))
		bound, _ := rule.plan.Explain(r, used)
		require.NotEmpty(t, bound, "the path sets a field")
		requirePath(t, fx, rule, r, m)
	})
}

// FuzzRenderStatus checks that whatever an upstream sends for a status becomes
// JSON of its shape, with all that the shape always has.
func FuzzRenderStatus(f *testing.F) {
	seed, err := proto.Marshal(&spb.Status{Code: 3, Message: "m", Details: []*anypb.Any{
		{TypeUrl: "type.googleapis.com/t.v1.Sub", Value: []byte("\x0a\x01x")}, {TypeUrl: "x/y", Value: []byte("z")},
		{TypeUrl: "x/google.rpc.ErrorInfo", Value: []byte("\x0a\x01r")},
		{TypeUrl: "x/google.rpc.BadRequest", Value: []byte("\x0a\x06\x0a\x01f\x12\x01\xff")},
		{TypeUrl: "x/google.rpc.Help", Value: []byte("\x0a\x03\x12\x01u")},
		{TypeUrl: "x/google.rpc.RetryInfo", Value: []byte("\x0a\x02\x08\x05")},
		{TypeUrl: "x/google.rpc.LocalizedMessage", Value: []byte("\x0a\x02de\x12\x01u")},
	}})
	require.NoError(f, err)
	f.Add(uint32(5), "message", seed, uint8(0))
	f.Add(uint32(1024), "\xff", seed[:7], uint8(1))
	f.Add(uint32(0), "", []byte("\x1a\x00\x1a\x02\x0a\x00"), uint8(2))
	f.Add(uint32(0), "\"", seed, uint8(2))
	f.Add(uint32(0), "\"", seed, uint8(1))
	fx := newFixture(f)
	used := new(plan.Scratch)
	f.Fuzz(func(t *testing.T, code uint32, message string, details []byte, which uint8) {
		rule, _ := fx.find(t, thing, "")
		st := &plan.Status{Code: code, Message: message, Details: details, HTTP: 400, Title: "T", Shape: plan.Shape(which % 3)}
		first := rule.plan.RenderStatus(nil, st, plan.Want{}, new(plan.Scratch))
		require.Equal(t, first, rule.plan.RenderStatus(nil, st, plan.Want{}, used))
		d := plan.ReadDetails(details)
		require.GreaterOrEqual(t, d.RetryDelay, time.Duration(0))

		var status struct {
			Code    *uint32
			Message *string
			Details []map[string]any
		}
		var google struct {
			Error struct {
				Code            int
				Message, Status *string
				Details         []map[string]any
			}
		}
		var problem struct {
			Type, Title, Detail, Code *string
			Status                    int
			Reason                    string
			Errors                    []map[string]string
			Details                   []map[string]any
		}
		into := [...]any{&status, &google, &problem}[st.Shape]
		require.NoError(t, json.Unmarshal(first, into), "%s", first)
		switch st.Shape {
		case plan.ShapeStatus:
			require.NotNil(t, status.Code)
			require.LessOrEqual(t, *status.Code, uint32(16))
			require.NotNil(t, status.Message)
			require.NotNil(t, status.Details)
		case plan.ShapeGoogle:
			require.Equal(t, 400, google.Error.Code)
			require.NotNil(t, google.Error.Message)
			require.NotEmpty(t, google.Error.Status)
			require.NotNil(t, google.Error.Details)
		case plan.ShapeProblem:
			require.Equal(t, 400, problem.Status)
			require.NotNil(t, problem.Type)
			require.NotNil(t, problem.Detail)
			require.NotEmpty(t, problem.Code)
			require.Len(t, problem.Errors, len(d.Violations))
			require.NotNil(t, problem.Details)
		}
		require.True(t, json.Valid(st.Shape.AppendElement(nil, first)))
	})
}
