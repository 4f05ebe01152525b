package plan_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

func TestLocation(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ template, message, want string }{
		{"/v1/things", ``, "/v1/things"},
		{"/v1/{name}", `name: "shelves/1/books/2"`, "/v1/shelves/1/books/2"},
		{"/v1/{name}:x?y=%20#z", `name: "a b?c#d%é\r\n"`, "/v1/a%20b%3Fc%23d%25%C3%A9%0D%0A:x?y=%20#z"},
		{"/v1/{name}", `name: "a:b@c;d=e"`, "/v1/a:b@c;d=e"},
		{"/v1/{i64}/{sub.name}/{color}/{ts}", `i64: -5 sub { name: "s" } color: RED ts { seconds: 1 }`,
			"/v1/-5/s/RED/1970-01-01T00:00:01Z"},
		{"https://api.example.com/{name}", `name: "n"`, "https://api.example.com/n"},
		{"{name}", `name: "/v1/n"`, "/v1/n"},
		{"//host/{name}", `name: "n"`, "//host/n"},
		// No value, no place.
		{"/v1/{name}", ``, ""},
		{"/v1/{name}/{sub.name}", `name: "n"`, ""},
		{"/v1/{sub.name}", `sub {}`, ""},
		{"/v1/{opt}", `opt: ""`, ""},
		// Another host is not a place either.
		{"{name}", `name: "//evil.example"`, ""},
		{"/{name}", `name: "/evil.example"`, ""},
		{"/v1/{name}", `name: "` + strings.Repeat("x", 9000) + `"`, ""},
	} {
		t.Run(c.template, func(t *testing.T) {
			l, err := plan.NewLocation(f.codec, f.descriptor(t, "t.v1.Req"), c.template)
			require.NoError(t, err)
			got, ok, err := l.Append([]byte("kept"), f.wire(t, "t.v1.Req", c.message), new(plan.Scratch))
			require.NoError(t, err)
			require.Equal(t, c.want != "", ok)
			require.Equal(t, "kept"+c.want, string(got))
		})
	}
	l, err := plan.NewLocation(f.codec, f.descriptor(t, "t.v1.Req"), "/{sub.name}")
	require.NoError(t, err)
	_, ok, err := l.Append(nil, []byte("\x52\x05\x0a"), new(plan.Scratch))
	require.Error(t, err, "a message that is cut short")
	require.False(t, ok)
}

func TestWrongLocation(t *testing.T) {
	f := newFixture(t)
	for template, want := range map[string]string{
		"/v1/{nam}":           `variable "nam": t.v1.Req has no field "nam"; did you mean "name"?`,
		"/v1/{snakeName}":     `write "snake_name", its name in the .proto file`,
		"/v1/{sub.nam}":       `t.v1.Sub has no field "nam"; did you mean "name"?`,
		"/v1/{sub}":           `field "sub" of t.v1.Req is of type t.v1.Sub; it must be a scalar`,
		"/v1/{rs}":            `field "rs" of t.v1.Req is repeated; it must be a scalar`,
		"/v1/{m}":             `field "m" of t.v1.Req is a map`,
		"/v1/{subs.name}":     `field "subs" of t.v1.Req is repeated, and has no fields of its own`,
		"/v1/{name.x}":        `field "name" of t.v1.Req is not a message, and has no fields of its own`,
		"/v1/{}":              `t.v1.Req has no field ""`,
		"/v1/{name":           "the brace at byte 4 is never closed",
		"/v1/name}":           `"}" at byte 8 cannot stand in a URI`,
		"/v1 x":               `" " at byte 3 cannot stand in a URI`,
		"/{name}\r\nset: {x}": `"\r" at byte 7 cannot stand in a URI`,
	} {
		_, err := plan.NewLocation(f.codec, f.descriptor(t, "t.v1.Req"), template)
		require.ErrorContains(t, err, want, template)
	}
}

func TestNumber(t *testing.T) {
	f := newFixture(t)
	req := f.descriptor(t, "t.v1.Req")
	wire := f.wire(t, "t.v1.Req", `i32: 201 color: BLUE sub { size: 404 } u64: 18446744073709551615`)
	for path, want := range map[string]int64{"i32": 201, "color": 2, "sub.size": 404, "i64": 0, "oi32": 0, "chosen.size": 0} {
		v, err := plan.NewValue(f.codec, req, path, true)
		require.NoError(t, err, path)
		n, err := v.Number(wire, new(plan.Scratch))
		require.NoError(t, err, path)
		require.Equal(t, want, n, path)
	}
	v, err := plan.NewValue(f.codec, req, "u64", true)
	require.NoError(t, err)
	_, err = v.Number(wire, new(plan.Scratch))
	require.Error(t, err, "beyond int64")
	for _, path := range []string{"name", "ri", "b", "d", "sub", "iv"} {
		_, err := plan.NewValue(f.codec, req, path, true)
		require.ErrorContains(t, err, "it must be an integer or an enum", path)
	}
}

// FuzzLocation checks that no value of a message leaves the path that it stands
// in: what is made is one header of a URI that gives the value back.
func FuzzLocation(f *testing.F) {
	for _, s := range []string{"a", "a/b", "//x", "é %\r\n", "", "..", "?#"} {
		f.Add(s)
	}
	fx := newFixture(f)
	l, err := plan.NewLocation(fx.codec, fx.descriptor(f, "t.v1.Req"), "/v1/{name}:end")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, value string) {
		wire := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), value)
		got, ok, err := l.Append(nil, wire, new(plan.Scratch))
		if err != nil || !ok {
			return
		}
		u, err := url.Parse(string(got))
		require.NoError(t, err, "%q", got)
		require.Empty(t, u.Host)
		require.Empty(t, u.RawQuery)
		require.Equal(t, "/v1/"+value+":end", u.Path)
	})
}
