package header

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Error is what is wrong with one element of a list.
type Error struct {
	// Level is the index of the spec among those that were given to [Merge].
	Level int
	// Response says that it is about answers.
	Response bool
	// List is set, append or remove, and Index the element of it. Member is name,
	// value or jq; empty if it is the element.
	List   string
	Index  int
	Member string
	Err    error
}

// Field is the place as the configuration has it, within headers: request.set[0].name.
func (e *Error) Field() string {
	direction := "request"
	if e.Response {
		direction = "response"
	}
	out := fmt.Sprintf("%s.%s[%d]", direction, e.List, e.Index)
	if e.Member != "" {
		out += "." + e.Member
	}
	return out
}

func (e *Error) Error() string { return e.Field() + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

const (
	contentType = "Content-Type"
	date        = "Date"
)

// reserved are names, in canonical form, that nobody may change, and why.
var reserved = func() map[string]string {
	m := map[string]string{
		"Host":              "is not changed here: use rewrite: {host: …}",
		"Content-Length":    "cannot be changed: it follows from the body",
		"Transfer-Encoding": "cannot be changed: it frames the body",
		"Trailer":           "cannot be changed: it announces what comes behind the body",
		"Expect":            "cannot be changed: it belongs to one connection",
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Upgrade", "Http2-Settings"} {
		m[name] = "cannot be changed: it belongs to one connection"
	}
	for _, name := range []string{rpc.ErrorHeader, rpc.IgnoredHeader} {
		m[http.CanonicalHeaderKey(name)] = "cannot be changed: only the gateway says it"
	}
	return m
}()

// reservedPrefixes begin names, in canonical form, that nobody may change.
var reservedPrefixes = map[string]string{
	"Grpc-":          "cannot be changed: names that begin with grpc- belong to the calls of gRPC",
	"Sec-Websocket-": "cannot be changed: it belongs to the opening of a WebSocket",
}

// Check tells what speaks against changing a header, by its name in any case: nil if
// nothing does. It does not know of patterns.
func Check(name string) error {
	if strings.HasPrefix(name, ":") {
		return fmt.Errorf("%q is a pseudo header, which has no place among headers", name)
	}
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("%q is no name of a header", name)
	}
	canonical := http.CanonicalHeaderKey(name)
	why := reserved[canonical]
	for prefix, because := range reservedPrefixes {
		if strings.HasPrefix(canonical, prefix) {
			why = because
		}
	}
	if why != "" {
		return fmt.Errorf("%q %s", strings.ToLower(name), why)
	}
	return nil
}

// checkPattern is [Check] for the beginning of a pattern. What is reserved is not
// removed by one, so it may cover such names, but not these alone.
func checkPattern(prefix string) error {
	if !httpguts.ValidHeaderFieldName(prefix) {
		return fmt.Errorf("%q is no beginning of a header's name", prefix)
	}
	canonical := http.CanonicalHeaderKey(prefix)
	for reserved, because := range reservedPrefixes {
		if strings.HasPrefix(canonical, reserved) {
			return fmt.Errorf("%q %s", strings.ToLower(prefix)+"*", because)
		}
	}
	return nil
}

// takes reports whether a pattern removes a header.
func (p *pattern) takes(name string) bool {
	return p.covers(name) && !kept(name) && !slices.Contains(p.but, name)
}

func (p *pattern) covers(name string) bool {
	// Most names are told apart by their first letter; names are in any case.
	return len(name) >= len(p.prefix) && name[0]|' ' == p.prefix[0]|' ' && strings.EqualFold(name[:len(p.prefix)], p.prefix)
}

// kept reports whether no pattern removes a header: not what is reserved, nor what
// http.Header has of trailers, nor the content type.
func kept(name string) bool {
	if _, is := reserved[name]; is || name == contentType || strings.Contains(name, ":") {
		return true
	}
	for prefix := range reservedPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Check tells all that is wrong with a spec: an [*Error] each, joined.
func (s *Spec) Check() error {
	return errors.Join(append(s.Request.check(false), s.Response.check(true)...)...)
}

func (l *List) check(response bool) []error {
	var errs []error
	wrong := func(list string, i int, member string, err error) {
		errs = append(errs, &Error{Response: response, List: list, Index: i, Member: member, Err: err})
	}
	// in is the list that has a name.
	in := make(map[string]string)
	var patterns []pattern
	for i, name := range l.Remove {
		var err error
		canonical := http.CanonicalHeaderKey(name)
		if prefix, is := strings.CutSuffix(name, "*"); is {
			err = checkPattern(prefix)
			patterns = append(patterns, pattern{prefix: prefix})
		} else if err = Check(name); err == nil && canonical == contentType {
			err = fmt.Errorf("%q cannot be removed: a body without it is guessed at, so set it", name)
		}
		if err == nil && in[canonical] != "" {
			err = fmt.Errorf("%q is in the list twice", name)
		}
		if err != nil {
			wrong("remove", i, "", err)
		}
		in[canonical] = "remove"
	}
	values := func(list string, values []Value) {
		for i := range values {
			v := &values[i]
			canonical := http.CanonicalHeaderKey(v.Name)
			err := Check(v.Name)
			before := in[canonical]
			adds := list == "append"
			switch {
			case err != nil:
			case before == list && !adds:
				err = fmt.Errorf("%q is in the list twice", v.Name)
			case before != "" && before != list:
				err = fmt.Errorf("%q is in the list %s too: a name may be in one of them only", v.Name, before)
			case adds && canonical == contentType:
				err = fmt.Errorf("%q has one value: set it", v.Name)
			case adds && slices.ContainsFunc(patterns, func(p pattern) bool { return p.covers(canonical) }):
				err = fmt.Errorf("%q is removed by a pattern of the same level: set it instead", v.Name)
			}
			if err != nil {
				wrong(list, i, "name", err)
			}
			if in[canonical] == "" {
				in[canonical] = list
			}
			if v.Program != nil {
				err = checkProgram(v.Program)
				if err != nil {
					wrong(list, i, "jq", err)
				}
			} else if _, err = checkValue(canonical, v.Text); err != nil {
				wrong(list, i, "value", err)
			}
		}
	}
	values("set", l.Set)
	values("append", l.Append)
	return errs
}

// checkValue is a value as it is sent: white space around it means nothing.
func checkValue(name, value string) (string, error) {
	value = textproto.TrimString(value)
	if !httpguts.ValidHeaderFieldValue(value) {
		return "", errors.New("has a character that no header may have")
	}
	if strings.HasSuffix(name, "-Bin") {
		// For gRPC these are bytes, and a call with anything else cannot be made.
		for one := range strings.SplitSeq(value, ",") {
			if _, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(one), "=")); err != nil {
				return "", errors.New("is not base64, as values are whose names end in -bin")
			}
		}
	}
	return value, nil
}
