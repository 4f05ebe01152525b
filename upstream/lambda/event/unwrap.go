package event

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	jsonType  = "application/json"
	textType  = "text/plain; charset=utf-8"
	bytesType = "application/octet-stream"
)

// Unwrap reads what a function has returned as the answer to a request, into out, of
// which nothing stays. The limit of payload is whoever reads it from the service; depth
// and the size of the header are limited here. An error says what is wrong with the
// answer, for the operator.
//
// In Raw every JSON value is the body of an answer with status 200, and so it is in
// HTTP and APIGatewayV2 if it is no object with a statusCode; then an empty payload is
// an empty body. Everything else must be an object, and is read leniently, because
// functions are written in languages without types:
//
//   - statusCode may be missing or null, which is 200, a whole number or a string of one.
//   - Of headers, multiValueHeaders, cookies and body, null is as good as nothing.
//   - Values of headers may be numbers and booleans, which are printed; null, which is
//     left out; arrays, each element a value; objects, which are printed as JSON.
//     multiValueHeaders may have the same. Names that differ only in case are one: so
//     functions have sent several Set-Cookie before there was another way.
//   - Where both have a name, multiValueHeaders has it alone, except in APIGatewayV1: there
//     the value of headers comes last, unless it is one of the others, as API Gateway
//     does. Content-Type never has two values.
//   - cookies are Set-Cookie fields, in every format.
//   - body is text; any other value is printed as JSON. In APIGatewayV1 a missing body is
//     {}, as in Gloo, unless the status allows none.
//   - isBase64Encoded may be a string. Padding may be missing; what is not base64 is an
//     error.
//   - Without a Content-Type a body gets one: application/json if it was not text, and in
//     APIGatewayV1, as in a REST API; application/octet-stream if it was base64;
//     text/plain otherwise, as in an HTTP API.
//
// Fields for a single connection and Content-Length are left out. A header that cannot
// be sent is an error.
func Unwrap(format Format, payload []byte, out *Response) error {
	*out = Response{Status: http.StatusOK, Header: make(http.Header, 4)}
	inferred := format == Raw || format == HTTP || format == APIGatewayV2
	if inferred && len(payload) == 0 {
		return nil
	}
	var a answer
	if err := a.parse(payload); err != nil {
		return fmt.Errorf("the function's answer: %w", err)
	}
	if format == Raw || inferred && a.status == nil {
		out.Header["Content-Type"] = []string{jsonType}
		out.Body = payload
		return nil
	}
	if s := (scanner{data: payload}); s.peek() != '{' {
		return fmt.Errorf("the function's answer is %s, and must be an object with statusCode, headers and body", kindOf(s.raw()))
	}
	if err := a.head(format, out); err != nil {
		return err
	}
	return a.write(format, out)
}

// answer has the members of a function's answer, as they were written; nil is a missing
// one, and of several the last counts.
type answer struct{ status, headers, multi, cookies, body, base64 []byte }

// parse checks payload, and finds the members if it is an object.
func (a *answer) parse(payload []byte) error {
	return check(payload, func(name, value []byte) {
		switch string(unquote(name)) {
		case "statusCode":
			a.status = value
		case "headers":
			a.headers = value
		case "multiValueHeaders":
			a.multi = value
		case "cookies":
			a.cookies = value
		case "body":
			a.body = value
		case "isBase64Encoded":
			a.base64 = value
		}
	})
}

// head sets status and header of out.
func (a *answer) head(format Format, out *Response) (err error) {
	if out.Status, err = statusOf(a.status); err != nil {
		return err
	}
	h := header{fields: out.Header, left: maxHeader}
	if err := h.object("multiValueHeaders", a.multi, func(string) mode { return add }); err != nil {
		return err
	}
	var both []string
	for name := range out.Header {
		both = append(both, name)
	}
	err = h.object("headers", a.headers, func(name string) mode {
		switch {
		case !slices.Contains(both, name):
			return add
		case format == APIGatewayV1 && name != "Content-Type":
			return addNew
		}
		return leave
	})
	if err != nil {
		return err
	}
	if types := out.Header["Content-Type"]; len(types) > 1 {
		out.Header["Content-Type"] = types[len(types)-1:]
	}
	return h.value("cookies", "Set-Cookie", a.cookies, add)
}

// statusOf is the status that raw says.
func statusOf(raw []byte) (int, error) {
	if isNull(raw) {
		return http.StatusOK, nil
	}
	text := raw
	if raw[0] == '"' {
		text = bytes.TrimSpace(unquote(raw))
	}
	f, err := strconv.ParseFloat(string(text), 64)
	status := int(f)
	switch {
	case err != nil:
		return 0, fmt.Errorf("statusCode %s is no number", shorten(raw))
	case float64(status) != f || status < 200 || status > 599:
		return 0, fmt.Errorf("statusCode %s is no whole number from 200 to 599", shorten(raw))
	}
	return status, nil
}

// write sets the body of out, and its content type.
func (a *answer) write(format Format, out *Response) error {
	contentType := textType
	if format == APIGatewayV1 {
		contentType = jsonType
	}
	switch {
	case isNull(a.body):
		if a.body == nil && format == APIGatewayV1 && out.Status != http.StatusNoContent && out.Status != http.StatusNotModified {
			out.Body = []byte(`{}`)
		}
	case a.body[0] != '"':
		out.Body, contentType = a.body, jsonType
	case isTrue(a.base64):
		var err error
		if out.Body, err = decode(unquote(a.body)); err != nil {
			return fmt.Errorf("isBase64Encoded is true, and body is not base64: %w", err)
		}
		contentType = bytesType
	default:
		out.Body = unquote(a.body)
	}
	if len(out.Body) > 0 && len(out.Header["Content-Type"]) == 0 {
		out.Header["Content-Type"] = []string{contentType}
	}
	return nil
}

// decode decodes base64 with or without padding, into new bytes.
func decode(text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "=\r\n")
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, err := base64.RawStdEncoding.Decode(out, text)
	return out[:n], err
}

func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

func isTrue(raw []byte) bool {
	return len(raw) > 0 && (raw[0] == 't' || raw[0] == '"' && strings.EqualFold(string(unquote(raw)), "true"))
}

// kindOf names the type of a value.
func kindOf(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// shorten is enough of a value to recognize it by.
func shorten(raw []byte) []byte {
	const enough = 64
	if len(raw) <= enough {
		return raw
	}
	return append(slices.Clip(raw[:enough]), "..."...)
}
