package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/net/http/httpguts"
)

// maxHeader is how many bytes the header of an answer may have, as RFC 9113, section
// 6.5.2 counts them. API Gateway allows 10 KiB.
const maxHeader = 64 << 10

// mode is what becomes of a value of a header.
type mode uint8

const (
	add mode = iota
	addNew
	leave
)

// header collects the fields of an answer.
type header struct {
	fields http.Header
	// left is how many bytes there may be more.
	left int
}

// object adds the members of an object as how says of their names.
func (h *header) object(what string, raw []byte, how func(name string) mode) error {
	if isNull(raw) {
		return nil
	}
	if raw[0] != '{' {
		return fmt.Errorf("%s is %s, and must be an object", what, kindOf(raw))
	}
	return members(raw, func(name, value []byte) error {
		if !httpguts.ValidHeaderFieldName(string(name)) {
			return fmt.Errorf("%s: %q is no name of a header", what, shorten(name))
		}
		canonical := http.CanonicalHeaderKey(string(name))
		if isConnection(canonical) {
			return nil
		}
		return h.value(what, canonical, value, how(canonical))
	})
}

// value adds what raw says to the values of name.
func (h *header) value(what, name string, raw []byte, m mode) error {
	if isNull(raw) || m == leave {
		return nil
	}
	if raw[0] == '[' {
		return elements(raw, func(element []byte) error {
			if element[0] == '[' {
				return fmt.Errorf("%s: %s has an array in an array", what, name)
			}
			return h.value(what, name, element, m)
		})
	}
	text := raw
	switch raw[0] {
	case '"':
		text = bytes.Trim(unquote(raw), " \t")
	case '{':
		var one bytes.Buffer
		if err := json.Compact(&one, raw); err != nil {
			return err // never: raw has been checked
		}
		text = one.Bytes()
	}
	value := string(text)
	if !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("%s: the value of %s has a control character", what, name)
	}
	if m == addNew && slices.Contains(h.fields[name], value) {
		return nil
	}
	if h.left -= len(name) + len(value) + 32; h.left < 0 {
		return fmt.Errorf("the header of the function's answer has more than %d bytes", maxHeader)
	}
	h.fields[name] = append(h.fields[name], value)
	return nil
}

// isConnection says whether a field is for one connection, or frames what the gateway
// frames itself (RFC 9110, section 7.6.1).
func isConnection(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}
