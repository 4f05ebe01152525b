package scenario

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	archive, err := Parse([]byte(`What it is about.

-- A01 --
rule One: get: "/a"
rest pets: fails 2 times with 503
lambda hello: echo, slow 1 times for 2s
  event: raw
  limits: {}
google first: gen 1
azure shop: hello function, purge admin
routes:
  - name: a
route: timeout: 1s
route transform:
  - when: .a
    request: .b
listener http: {cors: {}}
jq: {env: [A]}
env: A=b=c

# A comment.
> POST /a?${repeat 2 "x&"}y HTTP/1.0
> x-a: b
>
> {"a":
>   1}
>> "\xff"
upstream got: t.v1.Rules/One {"a":
  1}
upstream got no header: x-b
upstream got deadline within: 2s
upstream answers: {}
upstream answers 2 times: {"b": 1}
< 200
< x-c: d
< no x-d
<
< includes {"b":
<   1}
log has: {"a": 1}
log has no: b

> GET /a
sts is down
again until 2 keys
lambda got: {"a": 1}
lambda got includes: {"b": 2}
lambda got wire: "\x00"
lambda got header: x-a: b
lambda got no header: x-b
lambda got 2 calls
lambda refused: Type
google issued 3 tokens
< 200

> GET /a
again while 200
< 502

> GET /a
shares of 10: a 8…9, b 0
took at least 1s
< 200

$ echo a
a
b

call t.v1.Rules/One: 0a 0b
< 0
-- A01/dragoman.yaml --
own
-- shared.proto --
shared
`))
	require.NoError(t, err)
	require.Len(t, archive.Files, 1)
	require.Len(t, archive.Sessions, 1)
	s := archive.Sessions[0]
	require.True(t, s.Own())
	require.Equal(t, `One: get: "/a"`, s.Rules[0])
	require.Equal(t, "timeout: 1s", s.Route)
	require.Equal(t, map[string][]string{
		"route":    {"transform:\n  - when: .a\n    request: .b"},
		"listener": {"http: {cors: {}}"},
		"file":     {"jq: {env: [A]}"},
		"routes":   {"routes:\n  - name: a"},
	}, s.More)
	require.Equal(t, map[string]string{"A": "b=c"}, s.Env)
	require.True(t, s.Logs)
	require.Equal(t, "dragoman.yaml", s.Files[0].Name)
	require.Equal(t, []REST{{"pets", "fails 2 times with 503"}}, s.REST)
	require.Equal(t, []Function{
		{Cloud: "lambda", Name: "hello", Does: "echo", More: "  event: raw\n  limits: {}", Fault: &Fault{Kind: "slow", Times: 1, Delay: 2 * time.Second}},
		{Cloud: "google", Name: "first", Does: "gen 1"},
		{Cloud: "azure", Name: "shop", Does: "hello function, purge admin"},
	}, s.Functions)
	require.Len(t, s.Exchanges, 6)

	x := s.Exchanges[0]
	require.Equal(t, "POST /a?x&x&y HTTP/1.0", x.RequestLine)
	require.Equal(t, []string{"x-a: b"}, x.Header)
	require.Equal(t, "{\"a\":\n  1}\xff", x.Body)
	require.Equal(t, []string{"t.v1.Rules/One {\"a\":\n  1}"}, x.Upstream.Got)
	require.Equal(t, []string{"no x-b"}, x.Upstream.GotHeader)
	require.Equal(t, 2*time.Second, x.Upstream.Deadline)
	require.Equal(t, []Step{{"message", "{}"}, {"message", `{"b": 1}`}, {"message", `{"b": 1}`}}, x.Upstream.Steps)
	require.Equal(t, 200, x.Status)
	require.Equal(t, []string{"x-c: d", "no x-d"}, x.Want)
	require.Equal(t, &Body{Kind: "includes", Text: "{\"b\":\n  1}"}, x.WantBody)

	require.Equal(t, `{"a": 1}`, x.Log)
	require.Equal(t, []string{"b"}, x.NoLog)

	require.Equal(t, -1, x.Issued)

	x = s.Exchanges[1]
	require.Equal(t, 3, x.Issued)
	require.Equal(t, []string{"sts is down"}, x.Outages)
	require.Equal(t, &Again{Keys: 2}, x.Again)
	wire := "\x00"
	require.Equal(t, &Calls{Count: 2, Event: `{"a": 1}`, Part: `{"b": 2}`, Wire: &wire, Header: []string{"x-a: b", "no x-b"}, Refused: "Type"}, x.Calls)
	require.Equal(t, &Again{While: 200}, s.Exchanges[2].Again)

	require.Equal(t, 10, s.Exchanges[3].Times)
	require.Equal(t, []Share{{"a", 8, 9}, {"b", 0, 0}}, s.Exchanges[3].Shares)
	require.Equal(t, time.Second, s.Exchanges[3].Took)

	require.Equal(t, "echo a", s.Exchanges[4].Command)
	require.Equal(t, "a\nb", s.Exchanges[4].Output)
	require.Equal(t, []string{"0a", "0b"}, s.Exchanges[5].Messages)
	require.True(t, s.Exchanges[5].Answered)
}

// A line that nobody understands must not pass for one that was checked.
func TestParseErrors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"setting", "timeout: 1s\n", "not a setting"},
		{"env", "env: A\n", "not NAME=value"},
		{"rest", "rest a: sings\n", "nothing that an upstream does"},
		{"handler", "lambda a: it sings\n", "no handler"},
		{"fault", "lambda a: echo, sings 2 times\n", "nothing that goes wrong"},
		{"fault's end", "lambda a: echo, breaks 2 times with 500\n", "says too much"},
		{"generation", "google a: echo\n", "no generation"},
		{"tokens", "> GET /\ngoogle issued many tokens\n", "invalid syntax"},
		{"app", "azure a: hello\n", "not NAME LEVEL"},
		{"list", "azure a: hello function, \n", "not NAME LEVEL"},
		{"calls", "> GET /\nlambda got many calls\n", "invalid syntax"},
		{"lambda", "> GET /\nlambda saw: {}\n", "not a directive about calls"},
		{"again", "> GET /\nagain until noon\n", "invalid syntax"},
		{"shares", "> GET /\nshares of 2: a most\n", "not NAME LEAST…MOST"},
		{"part", "gateway transform: []\n", "not a setting"},
		{"directive", "> GET /\nupstream replies: {}\n", "not a directive about the upstream"},
		{"other", "> GET /\nclient stays\n", "not a directive"},
		{"status", "> GET /\n< OK\n", "invalid syntax"},
		{"quote", "> POST /\n>\n>> \"\\x\"\n", "invalid syntax"},
		{"continuation", "  {}\n", "nothing to continue"},
		{"http", "> GET /\nupstream answers http header: a: b\n", "comes first"},
		{"answer", "> GET /\nupstream answers: {}\n", "says nothing of the answer"},
		{"deadline", "> GET /\nupstream got deadline within: soon\n", "invalid duration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte("-- A01 --\n" + tt.in))
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "A01:")
		})
	}
	_, err := Parse([]byte("-- A01 --\n> GET /\n< 200\n-- A01 --\n> GET /\n< 200\n"))
	require.ErrorContains(t, err, "twice")
}
