package http

import (
	"fmt"
	"net/url"
	"strings"
)

// setTarget makes the transport send the path of u as RawPath has it, byte for byte.
// Left alone it would escape Path again where RawPath has a byte that should have been
// escaped, and then %2F becomes a slash: the upstream would see another path than the
// one that was matched. Bytes that no request line can have are escaped.
func setTarget(u *url.URL) error {
	u.Opaque = ""
	raw := u.RawPath
	if raw == "" {
		return nil // Path says it all
	}
	if !strings.HasPrefix(raw, "/") {
		return fmt.Errorf("path %q does not begin with a slash", raw)
	}
	raw = printable(raw)
	if !strings.HasPrefix(raw, "//") {
		u.Opaque = raw
		return nil
	}
	// As Opaque this would be sent with the scheme in front of it, and what comes after
	// the slashes would be a host.
	raw = escape(raw, func(c byte) bool { return strings.IndexByte(`"<>\^`+"`{|}", c) < 0 })
	path, err := url.PathUnescape(raw)
	if err != nil {
		return fmt.Errorf("path %q: %w", raw, err)
	}
	u.Path, u.RawPath = path, raw
	return nil
}

// printable is raw with those bytes escaped that would end a path, or a line.
func printable(raw string) string {
	return escape(raw, func(c byte) bool { return c > ' ' && c < 0x7f && c != '?' && c != '#' })
}

// escape is s with the bytes escaped that may not stand as they are.
func escape(s string, may func(byte) bool) string {
	n := 0
	for i := range len(s) {
		if !may(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	out := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; may(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return string(out)
}
