package jq

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"

	"github.com/itchyny/gojq"
)

// text is a value that must be a text. Its error does not show it: it may be a
// secret.
func text(function string, v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	return "", fmt.Errorf("%s: needs a string, and was given %s", function, kindOf(v))
}

// scalar is the text of a string, a number or a boolean, the number as JSON has it.
func scalar(function string, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool, int, float64, *big.Int:
		out, err := gojq.Marshal(v)
		return string(out), err
	}
	return "", fmt.Errorf("%s: needs a string, a number or a boolean, and was given %s", function, kindOf(v))
}

// kindOf is the kind of a value for an error, as in: an object.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	default:
		return "a number"
	}
}

// whole is a whole number that a float64 can tell from its neighbours.
func whole(v any) (int, bool) {
	f, ok := number(v)
	if !ok || f < -mostWhole || f > mostWhole || f != float64(int(f)) {
		return 0, false
	}
	return int(f), true
}

const mostWhole = 1 << 53

// floor is a number without what is behind its point.
func floor(v any) (int64, bool) {
	f, ok := number(v)
	return int64(f), ok && -mostWhole <= f && f <= mostWhole
}

// number is a number as a float64, if its text is not so long that to read it is
// work.
func number(v any) (float64, bool) {
	if n, ok := v.(json.Number); ok && len(n) > 64 {
		return 0, false
	}
	return gojq.ToFloat64(v)
}

// show is a value in an error, shortened.
func show(v any) string { return gojq.Preview(v) }

// base64url is RFC 4648, section 5, without padding.
func base64url(in any, _ []any) any {
	s, err := text("base64url", in)
	if err != nil {
		return err
	}
	return base64.RawURLEncoding.EncodeToString([]byte(s))
}

// base64urlDecode takes padding too.
func base64urlDecode(in any, _ []any) any {
	s, err := text("base64url_decode", in)
	if err != nil {
		return err
	}
	out, err := decode64url(s)
	if err != nil {
		return fmt.Errorf("base64url_decode: %w", err)
	}
	return out
}

// decode64url takes an encoding with its padding, or without it. Line ends are not
// part of the alphabet, whatever package base64 thinks.
func decode64url(s string) (string, error) {
	encoding := base64.RawURLEncoding
	if strings.HasSuffix(s, "=") {
		encoding = base64.URLEncoding
	}
	if at := strings.IndexAny(s, "\r\n"); at >= 0 {
		return "", fmt.Errorf("no base64url at byte %d", at)
	}
	out, err := encoding.DecodeString(s)
	if err != nil {
		var at base64.CorruptInputError
		if errors.As(err, &at) {
			return "", fmt.Errorf("no base64url at byte %d", int64(at))
		}
		return "", err
	}
	return string(out), nil
}

// urlencode is how forms write a value: a space as +, and all but letters, digits
// and - _ . ~ as %XX.
func urlencode(in any, _ []any) any {
	s, err := scalar("urlencode", in)
	if err != nil {
		return err
	}
	return url.QueryEscape(s)
}

func urldecode(in any, _ []any) any {
	s, err := text("urldecode", in)
	if err != nil {
		return err
	}
	out, err := url.QueryUnescape(s)
	if err != nil {
		return fmt.Errorf("urldecode: %w", err)
	}
	return out
}
