package validate

import (
	"net/netip"
	"regexp"
	"strings"

	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
)

// formats are the well-known formats of strings. The empty string is none of them,
// and has a rule of its own.
var formats = []struct {
	rule, what string
	on         func(*pv.StringRules) bool
	valid      func(string) bool
}{
	{"email", "email address", (*pv.StringRules).GetEmail, isEmail},
	{"hostname", "hostname", (*pv.StringRules).GetHostname, isHostname},
	{"ip", "IP address", (*pv.StringRules).GetIp, func(s string) bool { return isIP(s, 0) }},
	{"ipv4", "IPv4 address", (*pv.StringRules).GetIpv4, func(s string) bool { return isIP(s, 4) }},
	{"ipv6", "IPv6 address", (*pv.StringRules).GetIpv6, func(s string) bool { return isIP(s, 6) }},
	{"uri", "URI", (*pv.StringRules).GetUri, isURI},
	{"address", "hostname, or ip address", (*pv.StringRules).GetAddress, func(s string) bool { return isHostname(s) || isIP(s, 0) }},
	{"uuid", "UUID", (*pv.StringRules).GetUuid, isUUID},
	{"tuuid", "trimmed UUID", (*pv.StringRules).GetTuuid, func(s string) bool { return len(s) == 32 && all(s, hex) }},
	{"ip_with_prefixlen", "IP prefix", (*pv.StringRules).GetIpWithPrefixlen, func(s string) bool { return isPrefix(s, 0, false) }},
	{"ipv4_with_prefixlen", "IPv4 address with prefix length", (*pv.StringRules).GetIpv4WithPrefixlen, func(s string) bool { return isPrefix(s, 4, false) }},
	{"ipv6_with_prefixlen", "IPv6 address with prefix length", (*pv.StringRules).GetIpv6WithPrefixlen, func(s string) bool { return isPrefix(s, 6, false) }},
	{"ip_prefix", "IP prefix", (*pv.StringRules).GetIpPrefix, func(s string) bool { return isPrefix(s, 0, true) }},
	{"ipv4_prefix", "IPv4 prefix", (*pv.StringRules).GetIpv4Prefix, func(s string) bool { return isPrefix(s, 4, true) }},
	{"ipv6_prefix", "IPv6 prefix", (*pv.StringRules).GetIpv6Prefix, func(s string) bool { return isPrefix(s, 6, true) }},
	{"ulid", "ULID", (*pv.StringRules).GetUlid, isULID},
	{"protobuf_fqn", "fully-qualified Protobuf name", (*pv.StringRules).GetProtobufFqn, isFullName},
	{"protobuf_dot_fqn", "fully-qualified Protobuf name with a leading dot", (*pv.StringRules).GetProtobufDotFqn, func(s string) bool { return s[0] == '.' && isFullName(s[1:]) }},
}

func formatChecks(r *pv.StringRules) []check {
	if !r.HasWellKnown() {
		return nil
	}
	format := func(rule, what string, valid func(string) bool) []check {
		id := "string." + rule
		return []check{notEmpty(id, what), {op: opFormat, id: id, message: "must be a valid " + what, valid: valid}}
	}
	for _, f := range formats {
		if f.on(r) {
			return format(f.rule, f.what, f.valid)
		}
	}
	strict := !r.HasStrict() || r.GetStrict()
	switch {
	case r.GetUriRef():
		return []check{{op: opFormat, id: "string.uri_ref", message: "must be a valid URI Reference", valid: isURIReference, empty: true}}
	case r.GetHostAndPort():
		checks := format("host_and_port", "host (hostname or IP address) and port pair", isHostAndPort)
		checks[0].message = "value is empty, which is not a valid host and port pair"
		return checks
	case r.GetWellKnownRegex() == pv.KnownRegex_KNOWN_REGEX_HTTP_HEADER_NAME:
		valid := isLoose
		if strict {
			valid = headerName.MatchString
		}
		return format("well_known_regex.header_name", "HTTP header name", valid)
	case r.GetWellKnownRegex() == pv.KnownRegex_KNOWN_REGEX_HTTP_HEADER_VALUE:
		valid := isLoose
		if strict {
			valid = isHeaderValue
		}
		return []check{{op: opFormat, id: "string.well_known_regex.header_value", message: "must be a valid HTTP header value", valid: valid, empty: true}}
	}
	return nil
}

// headerName has + to . as a range, as validate.proto does, and so the comma.
var headerName = regexp.MustCompile("^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$")

func isLoose(s string) bool { return !strings.ContainsAny(s, "\x00\r\n") }

func isHeaderValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// set is a set of ASCII characters, by their codes.
type set [256]bool

// chars makes a set; a-z stands for a range.
func chars(spec string) *set {
	s := new(set)
	for i := 0; i < len(spec); i++ {
		last := spec[i]
		if i+2 < len(spec) && spec[i+1] == '-' {
			last = spec[i+2]
		}
		for c := spec[i]; c <= last; c++ {
			s[c] = true
		}
		if last != spec[i] {
			i += 2
		}
	}
	return s
}

// all reports whether s has no other characters.
func all(s string, of *set) bool {
	for i := range len(s) {
		if !of[s[i]] {
			return false
		}
	}
	return true
}

var (
	digits    = chars("0-9")
	hex       = chars("0-9a-fA-F")
	ldh       = chars("0-9a-zA-Z-")
	mailbox   = chars("0-9a-zA-Z.!#$%&'*+/=?^_`{|}~-")
	crockford = chars("0-9A-HJKMNP-TV-Za-hjkmnp-tv-z")
	word      = chars("0-9a-zA-Z_")
)

// isEmail is the syntax of HTML's input type=email.
func isEmail(s string) bool {
	at, of := 0, mailbox
	for at < len(s) && of[s[at]] {
		at++
	}
	return at > 0 && at < len(s) && s[at] == '@' && labels(s[at+1:])
}

// labels reports whether s is one or more labels of host names.
func labels(s string) bool {
	begin, of := 0, ldh
	for i := 0; i <= len(s); i++ {
		if i < len(s) && of[s[i]] {
			continue
		}
		if i < len(s) && s[i] != '.' || i == begin || i-begin > 63 || s[begin] == '-' || s[i-1] == '-' {
			return false
		}
		begin = i + 1
	}
	return true
}

// isHostname follows RFC 1123, with a dot at the end allowed; the last label must
// not be a number.
func isHostname(s string) bool {
	s = strings.TrimSuffix(s, ".")
	return len(s) <= 253 && labels(s) && !all(s[strings.LastIndexByte(s, '.')+1:], digits)
}

// isIP takes version 4, 6, or 0 for either. An IPv6 address may have a zone.
func isIP(s string, version int) bool {
	if host, zone, ok := strings.Cut(s, "%"); ok {
		// Cut off, since package netip keeps zones.
		a, ok := address(host, version)
		return ok && a.Is6() && zone != ""
	}
	_, ok := address(s, version)
	return ok
}

func address(s string, version int) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == "" && (version == 0 || a.Is4() == (version == 4))
}

// isPrefix takes an address with a prefix length; a strict one has no bits beyond it.
func isPrefix(s string, version int, strict bool) bool {
	host, length, ok := strings.Cut(s, "/")
	if !ok || length == "" || len(length) > 3 || !all(length, digits) || len(length) > 1 && length[0] == '0' {
		return false
	}
	a, ok := address(host, version)
	if !ok {
		return false
	}
	bits := 0
	for i := range len(length) {
		bits = 10*bits + int(length[i]-'0')
	}
	if bits > a.BitLen() {
		return false
	}
	if !strict {
		return true
	}
	raw := a.As16()
	b := raw[16-a.BitLen()/8:]
	for i := range b {
		if keep := min(max(bits-8*i, 0), 8); b[i]&(0xff>>keep) != 0 {
			return false
		}
	}
	return true
}

// isHostAndPort takes host:port; an IPv6 address is in brackets.
func isHostAndPort(s string) bool {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || !isPort(s[colon+1:]) {
		return false
	}
	host := s[:colon]
	if strings.HasPrefix(host, "[") {
		return strings.HasSuffix(host, "]") && isIP(host[1:len(host)-1], 6)
	}
	return isHostname(host) || isIP(host, 4)
}

func isPort(s string) bool {
	if s == "" || len(s) > 5 || !all(s, digits) || len(s) > 1 && s[0] == '0' {
		return false
	}
	return len(s) < 5 || s <= "65535"
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !hex[s[i]] {
				return false
			}
		}
	}
	return true
}

func isULID(s string) bool {
	return len(s) == 26 && s[0] >= '0' && s[0] <= '7' && all(s, crockford)
}

func isFullName(s string) bool {
	for {
		part, rest, more := strings.Cut(s, ".")
		if part == "" || digits[part[0]] || !all(part, word) {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}
