package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// Archive is one parsed file.
type Archive struct {
	Sessions []*Session
	// Files are for all sessions.
	Files []txtar.File
}

// Session is one row: a gateway's settings and a list of exchanges.
type Session struct {
	ID string
	// Files are for this session only.
	Files []txtar.File

	Rules []string // text format of google.api.HttpRule, with a name in front
	Route string
	// More are further settings of the default configuration, as YAML: of its
	// listener, its route, its upstream, and of the file itself.
	More map[string][]string
	// REST are upstreams of HTTP beside the scripted one, Functions those of clouds.
	REST      []REST
	Functions []Function
	// Env are the environment variables that the gateway has.
	Env        map[string]string
	Logs       bool // an exchange says something of the access log
	Down       bool
	Reflects   string // "", v1, v1alpha
	LoadFails  []string
	EachFails  string // what each rule alone makes the gateway say
	RawAnswers bool   // an exchange needs an upstream that is not a gRPC server
	Exchanges  []*Exchange
}

// Own reports whether the session cannot share a gateway with others.
func (s *Session) Own() bool {
	return len(s.Rules) > 0 || s.Route != "" || len(s.More) > 0 || len(s.Env) > 0 || s.Logs || s.Down || s.Reflects != "" || s.LoadFails != nil || s.EachFails != "" || s.RawAnswers || len(s.REST) > 0 || len(s.Functions) > 0 || len(s.Files) > 0
}

// REST is an upstream of HTTP, and what it does.
type REST struct{ Name, Kind string }

// Share is how many of several requests an upstream may answer.
type Share struct {
	Name        string
	Least, Most int
}

// Exchange is one request, what the upstream sees and says, and the answer.
type Exchange struct {
	Line int

	// Command is a shell command instead of a request, Output what it prints.
	Command, Output string
	// Call is a gRPC request instead of an HTTP one: the method and messages.
	Call     string
	Messages []string

	RequestLine string
	Header      []string
	Body        string
	Leaves      bool

	// Times is how often the request is sent if that is not once, and Shares who answers.
	Times  int
	Shares []Share
	// Took is how long the answer takes at least.
	Took time.Duration
	// Outages begin before the request is sent.
	Outages []string
	// Again is how long it is sent again and again; nil is not at all.
	Again *Again
	// Calls is what the exchange says of calls of AWS Lambda; nil is nothing.
	Calls *Calls
	// Issued is how many tokens of Google there were in the session so far; -1 if
	// nothing is said of them.
	Issued int

	Upstream Upstream
	// Log is what the line of the access log has, as JSON; NoLog are the fields that
	// it does not have.
	Log   string
	NoLog []string

	// Status is that of HTTP, or of gRPC for a call; Answered says that it was given.
	Status   int
	Answered bool
	Want     []string // header lines, or "no NAME"
	WantBody *Body
	SoFar    []string
	Aborted  bool
}

// Upstream is what the upstream sees and says in one exchange.
type Upstream struct {
	Mentioned bool
	Got       []string // METHOD JSON, or wire HEX
	GotHeader []string // header lines, or "no NAME"
	// Deadline is the longest time that the call may have left when it arrives;
	// negative for none at all.
	Deadline  time.Duration
	Cancelled bool
	// StopsWithin, if not zero, is how many bytes the upstream can send at most
	// while the client reads nothing.
	StopsWithin int
	Steps       []Step
	HTTP        *HTTPAnswer
}

// Step is one thing that the upstream does.
type Step struct {
	Kind  string // message, wire, header, trailer, status, detail, wait, hang, flood
	Value string
}

// HTTPAnswer is the answer of a server that is not a gRPC server.
type HTTPAnswer struct {
	Status          int
	Header, Trailer []string
	Body            string
}

// Body is what the body of an answer must be.
type Body struct {
	Kind string // json, includes, text
	Text string
}

var (
	idPattern = regexp.MustCompile(`^[A-Z]+-?[0-9]+(-[a-z0-9]+)?$`)
	restKind  = regexp.MustCompile(`^(pets|echo|refuses|hangs|answers (?:[0-9]{3}|as asked)|streams|things|fails [0-9]+ times with [0-9]{3})$`)
	share     = regexp.MustCompile(`^ *([a-z]+) ([0-9]+)(?:…([0-9]+))?$`)
	times     = regexp.MustCompile(`^answers ([0-9]+) times$`)
	repeat    = regexp.MustCompile(`\$\{repeat ([0-9]+) ("(?:[^"\\]|\\.)*")\}`)
)

// Parse reads an archive.
func Parse(data []byte) (*Archive, error) {
	out := &Archive{}
	byID := make(map[string]*Session)
	for _, f := range txtar.Parse(data).Files {
		id, name, nested := strings.Cut(f.Name, "/")
		switch {
		case nested && byID[id] != nil:
			byID[id].Files = append(byID[id].Files, txtar.File{Name: name, Data: f.Data})
		case idPattern.MatchString(f.Name):
			if byID[f.Name] != nil {
				return nil, fmt.Errorf("%s: the session is there twice", f.Name)
			}
			s, err := parseSession(f.Name, string(f.Data))
			if err != nil {
				return nil, err
			}
			byID[s.ID] = s
			out.Sessions = append(out.Sessions, s)
		default:
			out.Files = append(out.Files, f)
		}
	}
	return out, nil
}

// line is one logical line: continuations are part of it.
type line struct {
	number int
	text   string
}

func parseSession(id, text string) (*Session, error) {
	var lines []line
	output := false // lines after a command belong to it
	for i, raw := range strings.Split(text, "\n") {
		number := i + 1
		switch {
		case output && raw != "" && !strings.HasPrefix(raw, "$ "):
			last := &lines[len(lines)-1]
			last.text += "\n" + raw
		case raw == "" || strings.HasPrefix(raw, "#"):
			output = false
		case strings.HasPrefix(raw, " ") || strings.HasPrefix(raw, "\t"):
			if len(lines) == 0 {
				return nil, fmt.Errorf("%s:%d: nothing to continue", id, number)
			}
			lines[len(lines)-1].text += "\n" + raw
		default:
			output = strings.HasPrefix(raw, "$ ")
			lines = append(lines, line{number, raw})
		}
	}
	p := &parser{session: &Session{ID: id}}
	for _, l := range lines {
		text, err := expand(l.text)
		if err == nil {
			err = p.line(l.number, text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %q: %w", id, l.number, firstLine(l.text), err)
		}
	}
	for _, x := range p.session.Exchanges {
		if !x.Answered && !x.Leaves && x.Command == "" && x.Upstream.StopsWithin == 0 {
			return nil, fmt.Errorf("%s:%d: the exchange says nothing of the answer", id, x.Line)
		}
	}
	return p.session, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// expand replaces each ${repeat N "text"}.
func expand(s string) (string, error) {
	var failed error
	s = repeat.ReplaceAllStringFunc(s, func(m string) string {
		parts := repeat.FindStringSubmatch(m)
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			failed = err
		}
		text, err := strconv.Unquote(parts[2])
		if err != nil {
			failed = err
		}
		return strings.Repeat(text, n)
	})
	return s, failed
}

type parser struct {
	session *Session
	x       *Exchange
	inBody  bool // after the empty > line
	inWant  bool // after the empty < line
}

func (p *parser) start(number int) *Exchange {
	p.x = &Exchange{Line: number, Issued: -1}
	p.session.Exchanges = append(p.session.Exchanges, p.x)
	p.inBody, p.inWant = false, false
	return p.x
}

var requestLine = regexp.MustCompile(`^[A-Za-z]+ \S*( HTTP/1\.0)?$`)

func (p *parser) line(number int, text string) error {
	switch {
	case strings.HasPrefix(text, "$ "):
		x := p.start(number)
		x.Command, x.Output, _ = strings.Cut(text[2:], "\n")
		return nil
	case strings.HasPrefix(text, "call "):
		x := p.start(number)
		method, messages, _ := strings.Cut(text[5:], ":")
		x.Call, x.Messages = method, strings.Fields(messages)
		return nil
	case strings.HasPrefix(text, "> ") && !p.inBody && requestLine.MatchString(text[2:]):
		p.start(number).RequestLine = text[2:]
		return nil
	}
	if p.x == nil {
		return p.setting(text)
	}
	x := p.x
	switch {
	case text == ">":
		p.inBody = true
	case strings.HasPrefix(text, ">> "):
		raw, err := strconv.Unquote(text[3:])
		if err != nil {
			return err
		}
		x.Body += raw
	case strings.HasPrefix(text, "> "):
		if !p.inBody {
			x.Header = append(x.Header, text[2:])
			break
		}
		if x.Body != "" {
			x.Body += "\n"
		}
		x.Body += text[2:]
	case text == "client leaves":
		x.Leaves = true
	case strings.HasPrefix(text, "took at least "):
		var err error
		x.Took, err = time.ParseDuration(strings.TrimPrefix(text, "took at least "))
		return err
	case outages[text]:
		x.Outages = append(x.Outages, text)
	case strings.HasPrefix(text, "again "):
		return x.again(strings.TrimPrefix(text, "again "))
	case strings.HasPrefix(text, "google issued "):
		var err error
		x.Issued, err = strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(text, "google issued "), " tokens"))
		return err
	case strings.HasPrefix(text, "lambda "):
		p.inBody = false
		return x.lambda(strings.TrimPrefix(text, "lambda "))
	case strings.HasPrefix(text, "shares of "):
		return x.shares(strings.TrimPrefix(text, "shares of "))
	case text == "<":
		p.inWant = true
	case strings.HasPrefix(text, "< "):
		p.inBody = false
		return p.want(text[2:])
	case strings.HasPrefix(text, "log has: "), strings.HasPrefix(text, "log has no: "):
		p.inBody = false
		p.log(text)
	case strings.HasPrefix(text, "upstream "):
		p.inBody = false
		x.Upstream.Mentioned = true
		return p.upstream(text[len("upstream "):])
	default:
		return fmt.Errorf("not a directive")
	}
	return nil
}

// shares reads N: NAME LEAST…MOST, several with commas.
func (x *Exchange) shares(text string) error {
	n, list, _ := strings.Cut(text, ":")
	var err error
	if x.Times, err = strconv.Atoi(n); err != nil {
		return err
	}
	for one := range strings.SplitSeq(list, ",") {
		m := share.FindStringSubmatch(one)
		if m == nil {
			return fmt.Errorf("%q is not NAME LEAST…MOST", one)
		}
		if m[3] == "" {
			m[3] = m[2]
		}
		s := Share{Name: m[1]}
		s.Least, _ = strconv.Atoi(m[2])
		s.Most, _ = strconv.Atoi(m[3])
		x.Shares = append(x.Shares, s)
	}
	return nil
}

func (p *parser) log(text string) {
	p.session.Logs = true
	if name, ok := strings.CutPrefix(text, "log has no: "); ok {
		p.x.NoLog = append(p.x.NoLog, name)
		return
	}
	p.x.Log = strings.TrimPrefix(text, "log has: ")
}

// ofPart is a setting of a part of the default configuration, ofFile one of the
// file.
var (
	ofPart = regexp.MustCompile(`^(listener|route|upstream) ([a-z_]+:)`)
	ofFile = regexp.MustCompile(`^(programs|jq|upstream_groups):`)
)

// setting reads what stands before the first exchange.
func (p *parser) setting(text string) error {
	s := p.session
	key, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	switch {
	case strings.HasPrefix(text, "rule "):
		s.Rules = append(s.Rules, strings.TrimPrefix(text, "rule "))
	case key == "route" && s.Route != "":
		s.Route += "\n" + value
	case key == "route":
		s.Route = strings.TrimPrefix(s.Route+"\n"+value, "\n")
	case key == "env":
		name, value, ok := strings.Cut(value, "=")
		if !ok {
			return fmt.Errorf("not NAME=value")
		}
		if s.Env == nil {
			s.Env = make(map[string]string)
		}
		s.Env[name] = value
	case text == "upstream is down":
		s.Down = true
	case key == "upstream reflects":
		s.Reflects = value
	case key == "load fails":
		want, err := strconv.Unquote(value)
		s.LoadFails = append(s.LoadFails, want)
		return err
	case key == "each rule fails":
		var err error
		s.EachFails, err = strconv.Unquote(value)
		return err
	case strings.HasPrefix(text, "rest "):
		if !restKind.MatchString(value) {
			return fmt.Errorf("%q is nothing that an upstream does", value)
		}
		s.REST = append(s.REST, REST{strings.TrimPrefix(key, "rest "), value})
	case strings.HasPrefix(text, "lambda "), strings.HasPrefix(text, "google "), strings.HasPrefix(text, "azure "):
		cloud, name, _ := strings.Cut(key, " ")
		return s.function(cloud, name, value)
	case key == "routes", key == "upstreams":
		s.more(key, text)
	case ofFile.MatchString(text):
		s.more("file", text)
	case ofPart.MatchString(text):
		part, rest, _ := strings.Cut(text, " ")
		s.more(part, rest)
	default:
		return fmt.Errorf("not a setting")
	}
	return nil
}

func (s *Session) more(part, yaml string) {
	if s.More == nil {
		s.More = make(map[string][]string)
	}
	s.More[part] = append(s.More[part], yaml)
}

func (p *parser) want(text string) error {
	x := p.x
	if !x.Answered {
		n, err := strconv.Atoi(text)
		x.Status, x.Answered = n, true
		return err
	}
	if text == "aborted" {
		x.Aborted = true
		return nil
	}
	if !p.inWant {
		x.Want = append(x.Want, text)
		return nil
	}
	if rest, ok := strings.CutPrefix(text, "so far "); ok {
		x.SoFar = append(x.SoFar, rest)
		return nil
	}
	if x.WantBody != nil {
		x.WantBody.Text += "\n" + text
		return nil
	}
	x.WantBody = &Body{Kind: "json", Text: text}
	if rest, ok := strings.CutPrefix(text, "includes "); ok {
		x.WantBody = &Body{Kind: "includes", Text: rest}
	} else if rest, ok := strings.CutPrefix(text, "text "); ok {
		raw, err := strconv.Unquote(rest)
		x.WantBody = &Body{Kind: "text", Text: raw}
		return err
	}
	return nil
}

func (p *parser) upstream(text string) error {
	up := &p.x.Upstream
	switch text {
	case "waits":
		up.Steps = append(up.Steps, Step{Kind: "wait"})
		return nil
	case "hangs":
		up.Steps = append(up.Steps, Step{Kind: "hang"})
		return nil
	case "got no deadline":
		up.Deadline = -1
		return nil
	case "is cancelled":
		up.Cancelled = true
		return nil
	}
	key, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	if http, ok := strings.CutPrefix(key, "answers http"); ok {
		return p.http(strings.TrimSpace(http), value)
	}
	if m := times.FindStringSubmatch(key); m != nil {
		n, err := strconv.Atoi(m[1])
		for range n {
			up.Steps = append(up.Steps, Step{"message", value})
		}
		return err
	}
	switch key {
	case "got":
		up.Got = append(up.Got, value)
	case "got wire":
		up.Got = append(up.Got, "wire "+value)
	case "got header":
		up.GotHeader = append(up.GotHeader, value)
	case "got no header":
		up.GotHeader = append(up.GotHeader, "no "+value)
	case "got deadline within":
		d, err := time.ParseDuration(value)
		up.Deadline = d
		return err
	case "stops within":
		n, err := strconv.Atoi(value)
		up.StopsWithin = n
		return err
	case "answers forever":
		up.Steps = append(up.Steps, Step{"flood", value})
	case "answers":
		up.Steps = append(up.Steps, Step{"message", value})
	case "answers wire", "answers header", "answers trailer", "answers status", "answers detail":
		up.Steps = append(up.Steps, Step{strings.TrimPrefix(key, "answers "), value})
	default:
		return fmt.Errorf("not a directive about the upstream")
	}
	return nil
}

func (p *parser) http(key, value string) error {
	up := &p.x.Upstream
	if key == "" {
		n, err := strconv.Atoi(value)
		up.HTTP = &HTTPAnswer{Status: n}
		p.session.RawAnswers = true
		return err
	}
	if up.HTTP == nil {
		return fmt.Errorf("the http status comes first")
	}
	switch key {
	case "header":
		up.HTTP.Header = append(up.HTTP.Header, value)
	case "trailer":
		up.HTTP.Trailer = append(up.HTTP.Trailer, value)
	case "body":
		raw, err := strconv.Unquote(value)
		up.HTTP.Body += raw
		return err
	default:
		return fmt.Errorf("not a directive about an http answer")
	}
	return nil
}
