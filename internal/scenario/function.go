package scenario

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Function is an upstream that is a function of a cloud, or an app of them.
type Function struct {
	Cloud, Name string // lambda, google or azure
	// Does is what it does: for lambda the name of its handler, for google its
	// generation, for azure the functions of the app with their levels.
	Does string
	// More are further settings of the upstream, as YAML.
	More  string
	Fault *Fault
}

// Fault is what goes wrong with a function's first calls.
type Fault struct {
	Kind   string // slow, throttled, fails or breaks
	Times  int
	Status int           // of those that fail
	Delay  time.Duration // of those that are slow
}

// Calls is what an exchange says of the calls of AWS Lambda.
type Calls struct {
	// Count is how many there are; -1 if nothing is said of it.
	Count int
	// Event, Part and Wire are the event of the last one: all of it, what it has, and
	// its bytes.
	Event, Part string
	Wire        *string
	// Header are lines about its header, or "no NAME".
	Header []string
	// Refused is the type of the error that the service answered with instead of
	// calling the function.
	Refused string
}

// Again says how long a request is sent again and again.
type Again struct {
	// While is the status that one more request follows.
	While int
	// Keys is how many keys calls of AWS Lambda are to be signed with.
	Keys int
}

// outages are the services that may be down from an exchange on, and what ends the
// life of temporary credentials.
var outages = map[string]bool{"sts is down": true, "google is down": true, "entra is down": true, "credentials expire": true}

var (
	handler   = regexp.MustCompile(`^[a-z]+$`)
	faultLine = regexp.MustCompile(`^(slow|throttled|fails|breaks) ([0-9]+) times(?: (?:for|with) ([0-9a-z]+))?$`)
	azureApp  = regexp.MustCompile(`^[a-z]+ (?:anonymous|function|admin)(?:, [a-z]+ (?:anonymous|function|admin))*( behind \S+)?$`)
)

// function reads what a function does: "echo", or "echo, slow 1 times for 2s".
func (s *Session) function(cloud, name, text string) error {
	text, more, _ := strings.Cut(text, "\n")
	f := Function{Cloud: cloud, Name: name, Does: text, More: more}
	if cloud == "lambda" {
		does, fault, ok := strings.Cut(text, ", ")
		f.Does = does
		if ok {
			var err error
			if f.Fault, err = parseFault(fault); err != nil {
				return err
			}
		}
		if !handler.MatchString(does) {
			return fmt.Errorf("%q is no handler", does)
		}
	}
	if cloud == "google" && text != "gen 1" && text != "gen 2" {
		return fmt.Errorf("%q is no generation", text)
	}
	if cloud == "azure" && !azureApp.MatchString(text) {
		return fmt.Errorf("%q is not NAME LEVEL, several with commas", text)
	}
	s.Functions = append(s.Functions, f)
	return nil
}

func parseFault(text string) (*Fault, error) {
	m := faultLine.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("%q is nothing that goes wrong", text)
	}
	f := &Fault{Kind: m[1]}
	var err error
	if f.Times, err = strconv.Atoi(m[2]); err != nil {
		return nil, err
	}
	switch {
	case f.Kind == "slow":
		f.Delay, err = time.ParseDuration(m[3])
	case f.Kind == "fails":
		f.Status, err = strconv.Atoi(m[3])
	case m[3] != "":
		err = errors.New("it says too much")
	}
	return f, err
}

// lambda reads what an exchange says of calls, after "lambda ".
func (x *Exchange) lambda(text string) error {
	if x.Calls == nil {
		x.Calls = &Calls{Count: -1}
	}
	key, value, colon := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	if n, ok := strings.CutSuffix(strings.TrimPrefix(key, "got "), " calls"); ok && !colon {
		var err error
		x.Calls.Count, err = strconv.Atoi(n)
		return err
	}
	switch key {
	case "got":
		x.Calls.Event = value
	case "got includes":
		x.Calls.Part = value
	case "got wire":
		raw, err := strconv.Unquote(value)
		x.Calls.Wire = &raw
		return err
	case "got header":
		x.Calls.Header = append(x.Calls.Header, value)
	case "got no header":
		x.Calls.Header = append(x.Calls.Header, "no "+value)
	case "refused":
		x.Calls.Refused = value
	default:
		return errors.New("not a directive about calls of AWS Lambda")
	}
	return nil
}

// again reads "while STATUS" or "until N keys".
func (x *Exchange) again(text string) error {
	x.Again = &Again{}
	if status, ok := strings.CutPrefix(text, "while "); ok {
		n, err := strconv.Atoi(status)
		x.Again.While = n
		return err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(text, "until "), " keys"))
	x.Again.Keys = n
	return err
}
