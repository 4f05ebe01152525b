package jq

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cookieIn finds a cookie in the value of Cookie headers (RFC 6265, section 5.4):
// null, a string or several. Of several with one name it is the first. Quotes around
// a value are no part of it; what a server wrote with %XX stays so.
func cookieIn(in any, args []any) any {
	name, err := text("cookie", args[0])
	if err != nil {
		return err
	}
	headers, ok := in.([]any)
	if !ok {
		headers = []any{in}
	}
	for _, v := range headers {
		if v == nil {
			continue
		}
		header, err := text("cookie", v)
		if err != nil {
			return err
		}
		for pair := range strings.SplitSeq(header, ";") {
			key, value, ok := strings.Cut(pair, "=")
			if !ok || strings.Trim(key, " \t") != name {
				continue
			}
			value = strings.Trim(value, " \t")
			if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
				value = value[1 : len(value)-1]
			}
			return value
		}
	}
	return nil
}

// cookieAttributes are what the third argument of set_cookie may have.
var cookieAttributes = []string{"path", "domain", "max_age", "expires", "secure", "http_only", "same_site"}

// setCookie is the value of a Set-Cookie header (RFC 6265, section 4.1).
func setCookie(_ any, args []any) any {
	name, err := text("set_cookie", args[0])
	if err != nil {
		return err
	}
	if name == "" || strings.ContainsFunc(name, notToken) {
		return fmt.Errorf("set_cookie: the name %s has characters that it cannot have", show(name))
	}
	value, err := scalar("set_cookie", args[1])
	if err != nil {
		return err
	}
	if strings.ContainsFunc(value, notCookie) {
		return fmt.Errorf("set_cookie: the value of %q has characters that it cannot have; encode it, as in $value | @uri", name)
	}
	var attributes map[string]any
	if len(args) > 2 && args[2] != nil {
		var ok bool
		if attributes, ok = args[2].(map[string]any); !ok {
			return fmt.Errorf("set_cookie: the attributes of %q are %s, and must be an object", name, kindOf(args[2]))
		}
	}
	text, err := attributesText(attributes)
	if err != nil {
		return fmt.Errorf("set_cookie: %q: %w", name, err)
	}
	return name + "=" + value + text
}

// attributesText is the attributes of a cookie as its header has them.
func attributesText(attributes map[string]any) (string, error) {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if !slices.Contains(cookieAttributes, name) {
			return "", fmt.Errorf("%s is no attribute; there are %s", show(name), strings.Join(cookieAttributes, ", "))
		}
	}
	var b strings.Builder
	for _, name := range cookieAttributes {
		v := attributes[name]
		if v == nil {
			continue
		}
		text, ok := attribute(name, v)
		if !ok {
			return "", fmt.Errorf("%s cannot be %s; %s", name, show(v), attributeAdvice[name])
		}
		b.WriteString(text)
	}
	if mode, _ := attributes["same_site"].(string); strings.EqualFold(mode, "None") && attributes["secure"] != true {
		// Browsers would drop the cookie.
		return "", errors.New(`same_site "None" needs secure: true`)
	}
	return b.String(), nil
}

var attributeAdvice = map[string]string{
	"path":      `it begins with / and has no semicolon`,
	"domain":    `it is a host name`,
	"max_age":   `it is a whole number of seconds`,
	"expires":   `it is in seconds since 1970, or as in "2030-01-02T15:04:05Z"`,
	"secure":    `it is true or false`,
	"http_only": `it is true or false`,
	"same_site": `it is "Strict", "Lax" or "None"`,
}

// attribute is one attribute as text, empty if there is nothing to write.
func attribute(name string, v any) (string, bool) {
	s, isText := v.(string)
	switch name {
	case "path":
		return "; Path=" + s, strings.HasPrefix(s, "/") && !strings.ContainsFunc(s, notPath)
	case "domain":
		// A dot before it has no meaning any more (section 5.2.3).
		s = strings.TrimPrefix(s, ".")
		return "; Domain=" + s, s != "" && len(s) < 254 && !strings.ContainsFunc(s, notHost)
	case "max_age":
		seconds, ok := whole(v)
		return "; Max-Age=" + strconv.Itoa(seconds), ok && !isText
	case "expires":
		at, ok := moment(v)
		return "; Expires=" + at.UTC().Format("Mon, 02 Jan 2006 15:04:05") + " GMT", ok
	case "same_site":
		for _, mode := range []string{"Strict", "Lax", "None"} {
			if strings.EqualFold(s, mode) {
				return "; SameSite=" + mode, true
			}
		}
		return "", false
	case "secure":
		return ifTrue(v, "; Secure")
	default:
		return ifTrue(v, "; HttpOnly")
	}
}

func ifTrue(v any, text string) (string, bool) {
	set, ok := v.(bool)
	if !set {
		text = ""
	}
	return text, ok
}

// moment is a time in seconds since 1970, or written as RFC 3339 has it, within
// what the format of the header can say.
func moment(v any) (time.Time, bool) {
	var at time.Time
	if s, ok := v.(string); ok {
		var err error
		if at, err = time.Parse(time.RFC3339, s); err != nil {
			return at, false
		}
	} else {
		seconds, ok := floor(v)
		if !ok {
			return at, false
		}
		at = time.Unix(seconds, 0)
	}
	// Section 5.1.1 takes no year before 1601, and the format has four digits.
	year := at.UTC().Year()
	return at, 1601 <= year && year <= 9999
}

func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
}

func notCookie(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`",;\`, r)
}

func notPath(r rune) bool { return r < ' ' || r >= 0x7f || r == ';' }

func notHost(r rune) bool {
	return r != '-' && r != '.' && (r < '0' || '9' < r) && (r|0x20 < 'a' || 'z' < r|0x20)
}
