package plan_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// status serializes a google.rpc.Status with these details.
func status(t testing.TB, details ...proto.Message) []byte {
	t.Helper()
	st := &spb.Status{Code: 9, Message: "m"}
	for _, d := range details {
		a, err := anypb.New(d)
		require.NoError(t, err)
		st.Details = append(st.Details, a)
	}
	return marshal(t, st)
}

func TestShapes(t *testing.T) {
	f := newFixture(t)
	info := &errdetails.ErrorInfo{Reason: "NO_STOCK", Domain: "d"}
	bad := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: "a.b", Description: "want \"c\""}, {Field: "d", Description: "e", Reason: "f"},
	}}
	help := &errdetails.Help{Links: []*errdetails.Help_Link{{Url: "https://e/x"}, {Url: "https://e/y"}}}
	const infoJSON = `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"NO_STOCK","domain":"d"}`

	for _, c := range []struct {
		name string
		st   plan.Status
		want string
	}{
		{"google", plan.Status{Code: 9, Message: "m", HTTP: 400, Title: "Bad Request", Shape: plan.ShapeGoogle},
			`{"error":{"code":400,"message":"m","status":"FAILED_PRECONDITION","details":[]}}`},
		{"google with details", plan.Status{Details: status(t, info), HTTP: 400, Shape: plan.ShapeGoogle},
			`{"error":{"code":400,"message":"m","status":"FAILED_PRECONDITION","details":[` + infoJSON + `]}}`},
		{"google unknown code", plan.Status{Code: 77, HTTP: 500, Shape: plan.ShapeGoogle},
			`{"error":{"code":500,"message":"","status":"UNKNOWN","details":[]}}`},
		{"problem", plan.Status{Code: 9, Message: "m", HTTP: 400, Title: "Bad Request", Shape: plan.ShapeProblem},
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"m","code":"FAILED_PRECONDITION","details":[]}`},
		{"problem without a phrase", plan.Status{Code: 16, Message: "m", HTTP: 599, Shape: plan.ShapeProblem},
			`{"type":"about:blank","status":599,"detail":"m","code":"UNAUTHENTICATED","details":[]}`},
		{"problem with an ErrorInfo", plan.Status{Details: status(t, info), HTTP: 400, Shape: plan.ShapeProblem},
			`{"type":"about:blank","status":400,"detail":"m","code":"FAILED_PRECONDITION","reason":"NO_STOCK","details":[` + infoJSON + `]}`},
		{"problem with violations", plan.Status{Details: status(t, bad), HTTP: 400, Shape: plan.ShapeProblem},
			`{"type":"about:blank","status":400,"detail":"m","code":"FAILED_PRECONDITION","errors":[{"field":"a.b","detail":"want \"c\""},{"field":"d","detail":"e","reason":"f"}],` +
				`"details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"a.b","description":"want \"c\""},{"field":"d","description":"e","reason":"f"}]}]}`},
		{"problem with a link", plan.Status{Details: status(t, help), HTTP: 400, Shape: plan.ShapeProblem},
			`{"type":"https://e/x","status":400,"detail":"m","code":"FAILED_PRECONDITION",` +
				`"details":[{"@type":"type.googleapis.com/google.rpc.Help","links":[{"url":"https://e/x"},{"url":"https://e/y"}]}]}`},
		{"another message", plan.Status{Details: status(t), Instead: "n"}, `{"code":9,"message":"n","details":[]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, _ := f.find(t, thing, "")
			got := rule.plan.RenderStatus([]byte("kept"), &c.st, plan.Want{}, new(plan.Scratch))
			require.Equal(t, "kept"+c.want, string(got))
			require.True(t, json.Valid(got[4:]))
		})
	}
}

func TestAppendElement(t *testing.T) {
	for shape, c := range map[plan.Shape][2]string{
		plan.ShapeStatus:  {`{"code":5}`, `{"error":{"code":5}}`},
		plan.ShapeGoogle:  {`{"error":{"code":404}}`, `{"error":{"code":404}}`},
		plan.ShapeProblem: {`{"status":404}`, `{"error":{"status":404}}`},
	} {
		require.Equal(t, "["+c[1], string(shape.AppendElement([]byte("["), []byte(c[0]))))
	}
}

func TestReadDetails(t *testing.T) {
	retry := func(d *durationpb.Duration) []byte { return status(t, &errdetails.RetryInfo{RetryDelay: d}) }
	violation := func(f string) *errdetails.BadRequest {
		return &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: f}}}
	}
	for _, c := range []struct {
		name string
		in   []byte
		want plan.Details
	}{
		{"nothing", nil, plan.Details{}},
		{"no details", status(t), plan.Details{}},
		{"rubbish", []byte("\xff\xff"), plan.Details{}},
		{"delay", retry(&durationpb.Duration{Seconds: 2, Nanos: 500e6}), plan.Details{Retry: true, RetryDelay: 2500 * time.Millisecond}},
		{"no delay", retry(nil), plan.Details{}},
		{"delay of nothing", retry(&durationpb.Duration{}), plan.Details{Retry: true}},
		{"delay below zero", retry(&durationpb.Duration{Seconds: -5}), plan.Details{Retry: true}},
		{"delay that overflows", retry(&durationpb.Duration{Seconds: math.MaxInt64}),
			plan.Details{Retry: true, RetryDelay: time.Duration(math.MaxInt64/int64(time.Second)-2) * time.Second}},
		{"delay that overflows by its nanoseconds", retry(&durationpb.Duration{Seconds: math.MaxInt64, Nanos: math.MaxInt32}),
			plan.Details{Retry: true, RetryDelay: time.Duration(math.MaxInt64/int64(time.Second)-2)*time.Second + 999_999_999}},
		{"delay far below zero", retry(&durationpb.Duration{Seconds: math.MinInt64, Nanos: math.MinInt32}), plan.Details{Retry: true}},
		{"all violations", status(t, violation("a"), violation("b")), plan.Details{Violations: []plan.Violation{{Field: "a"}, {Field: "b"}}}},
		{"the first of the others", status(t,
			&errdetails.ErrorInfo{Reason: "A"}, &errdetails.ErrorInfo{Reason: "B"},
			&errdetails.Help{}, &errdetails.Help{Links: []*errdetails.Help_Link{{Url: "u"}}},
		), plan.Details{Reason: "A", Help: "u"}},
		{"languages", status(t, &errdetails.LocalizedMessage{Locale: "de", Message: "weg"}, &errdetails.LocalizedMessage{Locale: "en"}),
			plan.Details{Localized: []plan.Localized{{Locale: "de", Message: "weg"}, {Locale: "en"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := plan.ReadDetails(c.in)
			require.Equal(t, c.want, got)
			require.Positive(t, got.RetryDelay+time.Second, "it must be possible to round up")
		})
	}
	many := make([]proto.Message, 100)
	for i := range many {
		many[i] = &errdetails.LocalizedMessage{Locale: "de"}
	}
	require.Len(t, plan.ReadDetails(status(t, many...)).Localized, 64)
}
