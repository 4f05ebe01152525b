package validate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
)

// view is b as a string without copying it. It lives no longer than a check.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// sized are the rules about lengths of strings, and what they say.
var sized = []struct {
	op            op
	rule, message string
	get           func(*pv.StringRules) (uint64, bool)
}{
	{opLen, "len", "must be %d characters", func(r *pv.StringRules) (uint64, bool) { return r.GetLen(), r.HasLen() }},
	{opMinLen, "min_len", "must be at least %d characters", func(r *pv.StringRules) (uint64, bool) { return r.GetMinLen(), r.HasMinLen() }},
	{opMaxLen, "max_len", "must be at most %d characters", func(r *pv.StringRules) (uint64, bool) { return r.GetMaxLen(), r.HasMaxLen() }},
	{opLenBytes, "len_bytes", "must be %d bytes", func(r *pv.StringRules) (uint64, bool) { return r.GetLenBytes(), r.HasLenBytes() }},
	{opMinBytes, "min_bytes", "must be at least %d bytes", func(r *pv.StringRules) (uint64, bool) { return r.GetMinBytes(), r.HasMinBytes() }},
	{opMaxBytes, "max_bytes", "must be at most %d bytes", func(r *pv.StringRules) (uint64, bool) { return r.GetMaxBytes(), r.HasMaxBytes() }},
}

func (p place) stringChecks(r *pv.StringRules) []check {
	var checks []check
	for _, s := range sized {
		if n, ok := s.get(r); ok {
			checks = append(checks, check{op: s.op, id: "string." + s.rule, message: fmt.Sprintf(s.message, n), n: n})
		}
	}
	add := func(has bool, op op, rule, message, s string) {
		if has {
			checks = append(checks, check{op: op, id: "string." + rule, message: message, s: s})
		}
	}
	add(r.HasConst(), opEqual, "const", fmt.Sprintf("must equal `%s`", r.GetConst()), r.GetConst())
	if r.HasPattern() {
		if re := p.pattern("string", r.GetPattern()); re != nil {
			checks = append(checks, check{op: opPattern, id: "string.pattern",
				message: fmt.Sprintf("does not match regex pattern `%s`", r.GetPattern()), re: re})
		}
	}
	add(r.HasPrefix(), opPrefix, "prefix", fmt.Sprintf("does not have prefix `%s`", r.GetPrefix()), r.GetPrefix())
	add(r.HasSuffix(), opSuffix, "suffix", fmt.Sprintf("does not have suffix `%s`", r.GetSuffix()), r.GetSuffix())
	add(r.HasContains(), opContains, "contains", fmt.Sprintf("does not contain substring `%s`", r.GetContains()), r.GetContains())
	add(r.HasNotContains(), opNotContains, "not_contains", fmt.Sprintf("contains substring `%s`", r.GetNotContains()), r.GetNotContains())
	checks = append(checks, listChecks("string", r.GetIn(), r.GetNotIn())...)
	return append(checks, formatChecks(r)...)
}

func listChecks(name string, in, not []string) []check {
	var checks []check
	if len(in) > 0 {
		checks = append(checks, check{op: opOneOf, id: name + ".in", message: "must be in list " + showStrings(in), strs: in})
	}
	if len(not) > 0 {
		checks = append(checks, check{op: opNoneOf, id: name + ".not_in", message: "must not be in list " + showStrings(not), strs: not})
	}
	return checks
}

// pattern compiles a regular expression; nil if it is none.
func (p place) pattern(name, text string) *regexp.Regexp {
	re, err := regexp.Compile(text)
	if err != nil {
		p.problem("rule %s.pattern: %v", name, err)
	}
	return re
}

func (p place) bytesChecks(r *pv.BytesRules) []check {
	var checks []check
	length := func(has bool, op op, rule, message string, n uint64) {
		if has {
			checks = append(checks, check{op: op, id: "bytes." + rule, message: fmt.Sprintf(message, n), n: n})
		}
	}
	part := func(has bool, op op, rule, message string, b []byte) {
		if has {
			checks = append(checks, check{op: op, id: "bytes." + rule, message: fmt.Sprintf(message, b), s: string(b)})
		}
	}
	part(r.HasConst(), opEqual, "const", "must be %x", r.GetConst())
	length(r.HasLen(), opLenBytes, "len", "must be %d bytes", r.GetLen())
	length(r.HasMinLen(), opMinBytes, "min_len", "must be at least %d bytes", r.GetMinLen())
	length(r.HasMaxLen(), opMaxBytes, "max_len", "must be at most %d bytes", r.GetMaxLen())
	if r.HasPattern() {
		if re := p.pattern("bytes", r.GetPattern()); re != nil {
			// The pattern is about characters, and other bytes are none.
			checks = append(checks, check{op: opPattern, id: "bytes.pattern",
				message: fmt.Sprintf("must match regex pattern `%s`", r.GetPattern()), re: re, valid: utf8.ValidString})
		}
	}
	part(r.HasPrefix(), opPrefix, "prefix", "does not have prefix %x", r.GetPrefix())
	part(r.HasSuffix(), opSuffix, "suffix", "does not have suffix %x", r.GetSuffix())
	part(r.HasContains(), opContains, "contains", "does not contain %x", r.GetContains())
	checks = append(checks, listChecks("bytes", stringsOf(r.GetIn()), stringsOf(r.GetNotIn()))...)
	for _, f := range []struct {
		on    bool
		rule  string
		what  string
		sizes []uint64
	}{
		{r.GetIp(), "ip", "IP address", []uint64{4, 16}},
		{r.GetIpv4(), "ipv4", "IPv4 address", []uint64{4}},
		{r.GetIpv6(), "ipv6", "IPv6 address", []uint64{16}},
		{r.GetUuid(), "uuid", "UUID", []uint64{16}},
	} {
		if f.on {
			checks = append(checks, notEmpty("bytes."+f.rule, f.what),
				check{op: opSize, id: "bytes." + f.rule, message: "must be a valid " + f.what, set: f.sizes})
		}
	}
	return checks
}

func stringsOf(list [][]byte) []string {
	var out []string
	for _, b := range list {
		out = append(out, string(b))
	}
	return out
}

// notEmpty is the rule that goes with every format but those of which the empty
// string is one.
func notEmpty(id, what string) check {
	return check{op: opNotEmpty, id: id + "_empty", message: "value is empty, which is not a valid " + what}
}

// textHolds reports whether a string or bytes keep a rule.
func (c *check) textHolds(s string) bool {
	switch c.op {
	case opEqual:
		return s == c.s
	case opLen:
		return uint64(utf8.RuneCountInString(s)) == c.n
	case opMinLen:
		// No string has more characters than bytes, nor fewer than a fourth.
		return uint64(len(s)) >= c.n && (uint64(len(s))/utf8.UTFMax >= c.n || uint64(utf8.RuneCountInString(s)) >= c.n)
	case opMaxLen:
		return uint64(len(s)) <= c.n || uint64(utf8.RuneCountInString(s)) <= c.n
	case opLenBytes:
		return uint64(len(s)) == c.n
	case opMinBytes:
		return uint64(len(s)) >= c.n
	case opMaxBytes:
		return uint64(len(s)) <= c.n
	case opPattern:
		return (c.valid == nil || c.valid(s)) && c.re.MatchString(s)
	case opPrefix:
		return strings.HasPrefix(s, c.s)
	case opSuffix:
		return strings.HasSuffix(s, c.s)
	case opContains:
		return strings.Contains(s, c.s)
	case opNotContains:
		return !strings.Contains(s, c.s)
	case opOneOf:
		return slices.Contains(c.strs, s)
	case opNoneOf:
		return !slices.Contains(c.strs, s)
	case opNotEmpty:
		return s != ""
	case opSize:
		return s == "" || slices.Contains(c.set, uint64(len(s)))
	default: // opFormat
		return s == "" && !c.empty || c.valid(s)
	}
}
