package body

import (
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"
)

// decodeText is text in the charset of its content type, UTF-8 without one.
func decodeText(contentType string, data []byte, memory int) (string, error) {
	size := len(data)
	charset := charsetOf(contentType)
	latin1 := charset == "iso-8859-1" || charset == "latin1"
	switch {
	case latin1:
		for _, c := range data {
			if c >= utf8.RuneSelf {
				size++
			}
		}
	case charset != "utf-8" && charset != "us-ascii":
		return "", &SyntaxError{Offset: -1, Message: fmt.Sprintf(
			"text with charset %q cannot be read: send it as utf-8, us-ascii or iso-8859-1, or say body_as: BYTES", charset)}
	case !utf8.Valid(data):
		return "", &SyntaxError{Offset: invalidUTF8(data), Message: "the text is not UTF-8"}
	}
	if size > memory {
		return "", &LimitError{Limit: LimitMemory, Max: memory}
	}
	if !latin1 || size == len(data) {
		return string(data), nil
	}
	var b strings.Builder
	b.Grow(size)
	for _, c := range data {
		b.WriteRune(rune(c)) // the 256 characters of ISO-8859-1 are the first of Unicode
	}
	return b.String(), nil
}

// appendText appends text as UTF-8.
func appendText(dst []byte, contentType, text string, limit int) (out []byte, newContentType string, err error) {
	if len(text) > limit {
		return nil, "", &LimitError{Limit: LimitBytes, Max: limit}
	}
	if out = appendUTF8(dst, text); len(out)-len(dst) > limit {
		return nil, "", &LimitError{Limit: LimitBytes, Max: limit}
	}
	if contentType == "" {
		return out, "text/plain; charset=utf-8", nil
	}
	switch charsetOf(contentType) {
	case "utf-8":
		return out, "", nil
	case "us-ascii", "iso-8859-1", "latin1":
		if isASCII(text) {
			return out, "", nil
		}
	}
	name, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return out, "text/plain; charset=utf-8", nil
	}
	params["charset"] = "utf-8"
	return out, mime.FormatMediaType(name, params), nil
}

// appendUTF8 appends s with U+FFFD for each byte that is not UTF-8.
func appendUTF8(dst []byte, s string) []byte {
	if utf8.ValidString(s) {
		return append(dst, s...)
	}
	for _, r := range s {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// charsetOf is the charset that a content type tells, in lower case; utf-8 if it
// tells none.
func charsetOf(contentType string) string {
	if !strings.Contains(contentType, ";") {
		return "utf-8"
	}
	_, params, err := mime.ParseMediaType(contentType)
	charset := strings.ToLower(params["charset"])
	if err != nil || charset == "" || charset == "utf8" {
		return "utf-8"
	}
	return charset
}

// invalidUTF8 is where b, which is not UTF-8, stops being it.
func invalidUTF8(b []byte) int {
	i := 0
	for i < len(b) {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return i
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
