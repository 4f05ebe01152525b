// Package rewrite makes the path and the host that an upstream gets, or that a
// client is sent to, of those that a request came with.
//
// What decides about a request and what is served must be the same thing, so no
// text of a request is ever decoded on its way into the new path: what a variable
// has captured, or a regular expression has left, is put in escaped, as it came.
// An escaped slash stays one, and nothing becomes a separator, a query or a step
// upwards by being moved. What could not be kept from that is refused ([Rule.AppendPath]).
//
// It is pure: text in, text out, and whatever can be known of a rule is checked
// when it is compiled.
package rewrite

import (
	"fmt"
	"regexp"
	"strings"
)

// Spec is what a route asks for. At most one of Path, Prefix and Regex is set;
// without any of them the path stays.
type Spec struct {
	// Path is the new path, with variables in braces: /api/{name}/pages/{rest}. It
	// begins with a slash. A variable without text takes one of the slashes around it
	// with it: /api/{rest}/x without a rest is /api/x. At the end it does so unless
	// the path that came ends in a slash.
	Path string
	// Prefix stands for what the match has taken of the path. It begins with a slash,
	// or is empty, which is the same as "/": what was taken is then removed. Where it
	// meets the rest of the path there is one slash, not two.
	Prefix *string
	Regex  *Regex
	// Host is the new host, perhaps with a port, with variables in braces. A variable
	// is no more than a part of a label there: it must have text, of letters, digits,
	// hyphens and underscores.
	Host string
}

// Regex replaces all that fits a regular expression (RE2).
type Regex struct {
	// Pattern is searched for in the path, decoded once, but for escaped slashes, which
	// are %2F. It may fit any part of it; ^ and $ tie it to the ends.
	Pattern string
	// Substitution stands for each match. {0} in it is all of the match, {1} and {name}
	// are groups; one that took no part is empty. Where it meets the rest of the path
	// there is one slash, not two.
	Substitution string
}

// Vars are the variables of one request.
type Vars interface {
	// Captured is the text of variable i, counted as in the names that [Compile] was
	// given: escaped, as it is in the path that came.
	Captured(i int) string
}

// Error is a mistake in a [Spec].
type Error struct {
	// Field is where it is: path, prefix, regex.pattern, regex.substitution or host.
	Field string
	// Offset is where in its text, in bytes.
	Offset  int
	Message string
}

func (e *Error) Error() string { return e.Field + ": " + e.Message }

// Rule is a compiled [Spec]. It is immutable and safe for any goroutine. A nil Rule
// changes nothing.
type Rule struct {
	path text
	// prefix is without a slash at its end, if that is not all there is; matched is
	// without one in any case.
	prefix, matched string
	regexp          *regexp.Regexp
	substitution    text
	host            text
	sort            sort
}

// sort is how a rule makes the path.
type sort uint8

const (
	keeping sort = iota
	filling
	prefixing
	replacing
)

// Compile checks a spec and makes a rule of it. vars are the names of the variables
// that the match captures; matched is the text that Prefix replaces, empty if the
// match has none: decoded once, but for escaped slashes, which are %2F or %2f. An
// error is an [*Error].
func Compile(spec Spec, vars []string, matched string) (*Rule, error) {
	r := new(Rule)
	if err := r.compilePath(&spec, vars, matched); err != nil {
		return nil, err
	}
	if spec.Host == "" {
		return r, nil
	}
	var err error
	r.host, err = parseHost(spec.Host, vars)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Rule) compilePath(spec *Spec, vars []string, matched string) error {
	var set []string
	if spec.Path != "" {
		set = append(set, "path")
	}
	if spec.Prefix != nil {
		set = append(set, "prefix")
	}
	if spec.Regex != nil {
		set = append(set, "regex")
	}
	if len(set) > 1 {
		return &Error{Field: set[1], Message: fmt.Sprintf("there is %s already: want one of path, prefix and regex", set[0])}
	}
	switch {
	case spec.Path != "":
		r.sort = filling
		return r.compileText(spec.Path, vars)
	case spec.Prefix != nil:
		r.sort = prefixing
		return r.compilePrefix(*spec.Prefix, matched)
	case spec.Regex != nil:
		r.sort = replacing
		return r.compileRegex(spec.Regex)
	}
	return nil
}

func (r *Rule) compileText(in string, vars []string) error {
	if in[0] != '/' {
		return &Error{Field: "path", Message: fmt.Sprintf("want a slash at the beginning of %q", in)}
	}
	var err error
	if r.path, err = parseText("path", in, vars); err != nil {
		return err
	}
	return wellFormed("path", in, r.path.sample())
}

func (r *Rule) compilePrefix(in, matched string) error {
	if matched == "" {
		return &Error{Field: "prefix", Message: "there is nothing to replace: it wants a match by prefix, exact or prefix_string"}
	}
	if in != "" && in[0] != '/' {
		return &Error{Field: "prefix", Message: fmt.Sprintf("want a slash at the beginning of %q", in)}
	}
	if i := strings.IndexByte(in, '{'); i >= 0 {
		return &Error{Field: "prefix", Offset: i, Message: "a prefix has no variables: want path for that, or %7B for a brace"}
	}
	t, err := parseText("prefix", in, nil)
	if err != nil {
		return err
	}
	r.prefix = t.sample()
	r.matched = strings.TrimSuffix(matched, "/")
	return wellFormed("prefix", in, "/"+strings.TrimPrefix(r.prefix, "/"))
}

// wellFormed reports what an operator's path has that no path may have.
func wellFormed(field, in, sample string) error {
	err := check(sample)
	if err == nil && strings.Contains(sample, "//") {
		err = errEmptySegment
	}
	if err != nil {
		return &Error{Field: field, Message: fmt.Sprintf("%q: %v", in, err)}
	}
	return nil
}

// RewritesPath reports whether there is a rule for the path.
func (r *Rule) RewritesPath() bool { return r != nil && r.sort != keeping }

// RewritesHost reports whether there is a rule for the host.
func (r *Rule) RewritesHost() bool { return r != nil && len(r.host) > 0 }

// AppendPath appends the new path for a request with this escaped path, as it came.
// vars may be nil if Compile was given no names. Without a rule for the path it is
// the path that came.
//
// What is appended is a valid escaped path (RFC 3986, section 3.3) that begins with
// one slash: bytes that may not be there unescaped are escaped. An error is the
// fault of the request, its text fit for the client: the new path would have an
// escape that is none, a control byte, a segment that is "." or ".." (escaped
// dots, escaped separators and parameters like those of "..;" are seen through),
// two slashes at its beginning, or would need a part of an escaped slash.
// dst is then returned as it came. Empty segments and escaped slashes that came are
// kept: whether they may come is for whoever has let the request in.
//
// It allocates nothing if dst has room, but for regular expressions.
func (r *Rule) AppendPath(dst []byte, path string, vars Vars) ([]byte, error) {
	out, err := r.appendPath(dst, path, vars)
	if err == nil {
		err = check(out[len(dst):])
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (r *Rule) appendPath(dst []byte, path string, vars Vars) ([]byte, error) {
	if r == nil {
		return appendPiece(dst, path)
	}
	switch r.sort {
	case filling:
		return r.fill(dst, path, vars)
	case prefixing:
		return r.replacePrefix(dst, path)
	case replacing:
		return r.replaceAll(dst, path)
	}
	return appendPiece(dst, path)
}

// fill appends the path of variables. bare is that the last one had no text.
func (r *Rule) fill(dst []byte, path string, vars Vars) ([]byte, error) {
	start, bare := len(dst), false
	for _, p := range r.path {
		if p.variable < 0 {
			literal := p.literal
			if bare && literal[0] == '/' && dst[len(dst)-1] == '/' {
				literal = literal[1:]
			}
			dst, bare = append(dst, literal...), false
			continue
		}
		text := vars.Captured(p.variable)
		if text == "" {
			bare = true
			continue
		}
		bare = false
		var err error
		if dst, err = appendPiece(dst, text); err != nil {
			return dst, err
		}
	}
	if end := len(dst) - 1; bare && end > start && dst[end] == '/' && !strings.HasSuffix(path, "/") {
		dst = dst[:end]
	}
	return dst, nil
}

// replacePrefix appends the path with another beginning.
func (r *Rule) replacePrefix(dst []byte, path string) ([]byte, error) {
	at, ok := behind(path, r.matched)
	if !ok {
		return dst, errNotMatched
	}
	rest, prefix := path[at:], r.prefix
	if strings.HasPrefix(rest, "/") {
		prefix = strings.TrimSuffix(prefix, "/")
	}
	start := len(dst)
	dst = append(dst, prefix...)
	if len(dst) == start && !strings.HasPrefix(rest, "/") {
		dst = append(dst, '/')
	}
	return appendPiece(dst, rest)
}

// AppendHost appends the new host, for which there must be a rule
// ([Rule.RewritesHost]). An error is the fault of the request, its text fit for the
// client; dst is then returned as it came.
func (r *Rule) AppendHost(dst []byte, vars Vars) ([]byte, error) {
	out := dst
	for _, p := range r.host {
		if p.variable < 0 {
			out = append(out, p.literal...)
			continue
		}
		text := vars.Captured(p.variable)
		if !isLabel(text) {
			return dst, errLabel
		}
		out = append(out, text...)
	}
	if len(out)-len(dst) > maxHost {
		return dst, errLabel
	}
	return out, nil
}

// Join puts a base path in front of a path, which is empty or begins with a slash,
// with one slash where they meet. An empty base, and "/", leave the path as it is.
func Join(base, path string) string {
	base = strings.TrimSuffix(base, "/")
	if base == "" {
		return path
	}
	return base + path
}
