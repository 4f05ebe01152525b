package scenario

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/azuretest"
	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

// What the emulators of clouds have; scenarios/README.md tells it.
const (
	account    = "123456789012"
	other      = "210987654321"
	webToken   = "web-identity-token"
	briefLife  = 3 * time.Second
	foreverSTS = 1 << 30 // calls that fail

	// givenAudience is one that the front doors of Google's functions take beside their URL.
	givenAudience = "https://audience.example.com"
)

// clouds are the emulators, each started when a session first needs it, and then
// shared: they end with t.
type clouds struct {
	t   *testing.T
	aws *lambdatest.Service
	// first is how many calls there were before the session, issued how many tokens.
	first  int
	issued int32

	google *googletest.Google
	// functions is the program behind all doors of Google's, keyFile the key of an account.
	functions *googletest.Function
	keyFile   string

	entra *azuretest.Entra
}

// lambda is the emulator of AWS Lambda.
func (c *clouds) lambda() *lambdatest.Service {
	if c.aws != nil {
		return c.aws
	}
	role := func(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }
	var functions []lambdatest.Function
	for _, name := range []string{"big", "body", "bytes", "context", "echo", "fail", "panic", "sleep", "stream", "text", "upper"} {
		functions = append(functions, lambdatest.Function{Name: name, Versions: []string{"1"}, Aliases: map[string]string{"live": "1"}})
	}
	c.aws = lambdatest.Start(c.t, lambdatest.Options{
		// An account has functions of the same names as another.
		Functions: append(functions,
			lambdatest.Function{Name: "busy", Handler: "echo", Concurrency: -1},
			lambdatest.Function{Name: "hasty", Handler: "sleep", Timeout: 100 * time.Millisecond},
			lambdatest.Function{Name: "upper", Account: other},
		),
		Roles: []lambdatest.Role{
			{ARN: role(account, "gateway"), WebIdentityTokens: []string{webToken}},
			{ARN: role(account, "brief"), WebIdentityTokens: []string{webToken}, Lifetime: briefLife},
			{ARN: role(account, "echoes"), Functions: []string{"echo"}},
			{ARN: role(other, "caller"), Trusts: []string{role(account, "gateway")}, ExternalID: "partner-7", Functions: []string{"upper"}},
		},
		Log: io.Discard,
	})
	return c.aws
}

// env starts what a session needs, and says where it is.
func (c *clouds) env(t *testing.T, s *Session) map[string]string {
	env := make(map[string]string)
	if slices.ContainsFunc(s.Functions, func(f Function) bool { return f.Cloud == "lambda" }) {
		c.lambda() // builds its functions
	}
	for _, f := range s.Functions {
		switch f.Cloud {
		case "lambda":
			aws := c.lambda()
			token := filepath.Join(t.TempDir(), "token")
			require.NoError(t, os.WriteFile(token, []byte(webToken), 0o600))
			env["LAMBDA"], env["STS"], env["WEB_TOKEN"] = aws.URL, aws.STSURL, token
			env["AWS_KEY"], env["AWS_SECRET"] = aws.Credentials.AccessKeyID, aws.Credentials.SecretAccessKey
		case "google":
			noLogin(t)
			env[strings.ToUpper(f.Name)] = c.door(t, f.Does)
			env["GOOGLE_KEY"] = c.keyFile
		case "azure":
			env[strings.ToUpper(f.Name)] = c.app(t, f.Does)
		}
	}
	return env
}

// door starts the front door of a function of Google's, of a generation, and says where
// it is called.
func (c *clouds) door(t *testing.T, generation string) string {
	t.Helper()
	if c.google == nil {
		c.google = googletest.Start(c.t)
		c.functions = googletest.StartFunction(c.t, os.Args[0], "", functionsOf+"=google")
		c.keyFile = c.google.KeyFile(c.t)
		// The library looks once whether there is a metadata server.
		c.t.Setenv("GCE_METADATA_HOST", c.google.Host())
		c.t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	}
	path := ""
	if generation == "gen 1" {
		path = "/hello"
	}
	return googletest.StartDoor(t, c.google, path, c.functions, givenAudience).URL
}

// noLogin hides what gcloud keeps in the user's folder while a session runs. The go command
// keeps things there too, so that what it builds has to be there before.
func noLogin(t *testing.T) {
	t.Helper()
	gatewaytest.Shell(t, "", "") // finds grpcurl
	t.Setenv("HOME", t.TempDir())
}

// app starts an app of Azure with functions as a session has them, and says where.
func (c *clouds) app(t *testing.T, text string) string {
	t.Helper()
	app := &azuretest.App{Levels: make(map[string]string), Keys: make(map[string]string), Host: "host-key", Master: "master-key"}
	list, resource, ok := strings.Cut(text, " behind ")
	for one := range strings.SplitSeq(list, ", ") {
		name, level, _ := strings.Cut(one, " ")
		app.Levels[name], app.Keys[name] = level, "key-of-"+name
	}
	if ok {
		app.Token = azuretest.TokenFor(resource)
		if c.entra == nil {
			c.entra = azuretest.StartEntra(c.t, false)
			c.t.Setenv("IDENTITY_ENDPOINT", c.entra.URL+"/identity")
			c.t.Setenv("IDENTITY_HEADER", c.entra.IdentityHeader)
		}
	}
	return azuretest.StartApp(t, app).URL
}

// begin makes things go wrong as the session says. What it returns makes them right.
func (c *clouds) begin(t *testing.T, s *Session) (end func()) {
	if c.google != nil {
		c.issued = c.google.Issued.Load()
	}
	if c.aws == nil {
		return c.restore
	}
	c.first = len(c.aws.Calls())
	for _, f := range s.Functions {
		if f.Fault != nil {
			c.aws.Inject(f.Fault.inject(f.Does))
		}
	}
	return func() {
		c.restore()
		left := c.aws.Forgive()
		if !t.Failed() {
			require.Zero(t, left, "calls that were to go wrong and did not come")
		}
	}
}

// restore ends outages.
func (c *clouds) restore() {
	if c.aws != nil {
		c.aws.FailSTS(0)
	}
	if c.google != nil {
		c.google.Down.Store(false)
	}
	if c.entra != nil {
		c.entra.Down.Store(false)
	}
}

// inject is the emulator's fault of a function.
func (f *Fault) inject(function string) lambdatest.Fault {
	var out lambdatest.Fault
	switch f.Kind {
	case "slow":
		out.Delay = f.Delay
	case "throttled":
		out = lambdatest.Throttled(2)
	case "fails":
		out = lambdatest.Broken()
		out.Status = f.Status
	case "breaks":
		out.Reset = true
	}
	out.Function, out.Times = function, f.Times
	return out
}

// outages begin before the request of x.
func (c *clouds) outages(x *Exchange) {
	for _, what := range x.Outages {
		switch what {
		case "sts is down":
			c.aws.FailSTS(foreverSTS)
		case "google is down":
			c.google.Down.Store(true)
		case "entra is down":
			c.entra.Down.Store(true)
		case "credentials expire":
			c.aws.Expire("")
		}
	}
}

// calls is how many calls there were.
func (c *clouds) calls() int {
	if c.aws == nil {
		return 0
	}
	return len(c.aws.Calls())
}

// check compares the calls of an exchange, those after so many, with what it says.
func (c *clouds) check(t *testing.T, at string, x *Exchange, before int) {
	if x.Issued >= 0 {
		require.EqualValues(t, x.Issued, c.google.Issued.Load()-c.issued, "%s: tokens of Google", at)
	}
	want := x.Calls
	if want == nil {
		return
	}
	calls := c.aws.Calls()[before:]
	if want.Count >= 0 {
		require.Len(t, calls, want.Count, "%s: calls of AWS Lambda", at)
	}
	if len(calls) == 0 {
		require.Zero(t, want.Count, "%s: AWS Lambda was not called", at)
		return
	}
	last := calls[len(calls)-1]
	require.Equal(t, want.Refused, last.Refused, "%s: error of AWS Lambda", at)
	if want.Wire != nil {
		require.Equal(t, *want.Wire, string(last.Payload), "%s: event", at)
	}
	if want.Event != "" {
		diff := matchBody(&Body{Kind: "like", Text: want.Event}, last.Payload)
		require.Empty(t, diff, "%s: event", at)
	}
	if want.Part != "" {
		diff := matchBody(&Body{Kind: "includes", Text: want.Part}, last.Payload)
		require.Empty(t, diff, "%s: event", at)
	}
	diff := checkHeader(want.Header, last.Header)
	require.Empty(t, diff, "%s: call of AWS Lambda", at)
}

// keys is how many keys the session's calls were signed with.
func (c *clouds) keys() int {
	seen := make(map[string]bool)
	for _, call := range c.aws.Calls()[c.first:] {
		_, rest, _ := strings.Cut(call.Header.Get("Authorization"), "Credential=")
		key, _, _ := strings.Cut(rest, "/")
		seen[key] = true
	}
	return len(seen)
}

// again sends the request of x until it is enough. Each answer but the last one that
// ends a "while" must be as x says.
func (h *host) again(t *testing.T, at string, x *Exchange) {
	before := h.clouds.calls()
	for deadline := time.Now().Add(patience); ; {
		c := dial(t, h.gateway.Address)
		require.NoError(t, c.send(x), at)
		got, err := c.receive(x, nil)
		require.NoError(t, err, at)
		require.NoError(t, c.Close())
		if x.Again.While == 0 || got.StatusCode != x.Again.While {
			checkAnswer(t, at, x, got)
		}
		if x.Again.Keys > 0 && h.clouds.keys() >= x.Again.Keys || x.Again.While > 0 && got.StatusCode != x.Again.While {
			break
		}
		require.True(t, time.Now().Before(deadline), "%s: sent again in vain", at)
		time.Sleep(20 * time.Millisecond) // it is the passing of time that is tested
	}
	if x.Again.While >= http.StatusBadRequest {
		return
	}
	for _, call := range h.clouds.aws.Calls()[before:] {
		require.Empty(t, call.Refused, "%s: error of AWS Lambda", at)
	}
}

// functionConfig are the functions in the default configuration.
func (s *Session) functionConfig() string {
	var b strings.Builder
	for _, f := range s.Functions {
		fmt.Fprintf(&b, "- name: %s\n", f.Name)
		var kind []string
		var defaults [][2]string
		switch f.Cloud {
		case "lambda":
			kind = []string{"  aws_lambda:"}
			defaults = [][2]string{
				{"function", f.Does},
				{"region", lambdatest.DefaultRegion},
				{"endpoint", `"${LAMBDA}"`},
				{"credentials", `{static: {access_key_id: "${AWS_KEY}", secret_access_key: "${AWS_SECRET}"}}`},
			}
		case "google":
			kind = []string{"  google_function:"}
			defaults = [][2]string{{"url", `"${` + strings.ToUpper(f.Name) + `}"`}}
		case "azure":
			kind = []string{"  azure_function:"}
			defaults = [][2]string{{"url", `"${` + strings.ToUpper(f.Name) + `}"`}}
		}
		var more, own []string
		for _, line := range strings.Split(f.More, "\n") {
			line = strings.TrimPrefix(line, "  ")
			switch {
			case line == "":
			case strings.HasPrefix(line, "descriptors:"):
				own = append(own, "  "+line)
			default:
				more = append(more, "    "+line)
			}
		}
		for _, d := range defaults {
			if !slices.ContainsFunc(more, func(line string) bool { return strings.HasPrefix(line, "    "+d[0]+":") }) {
				kind = append(kind, "    "+d[0]+": "+d[1])
			}
		}
		for _, line := range slices.Concat(kind, more, own) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
