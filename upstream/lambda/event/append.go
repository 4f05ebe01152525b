package event

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrNotJSON says that a body is not JSON, and so can be no event. The client may send
// another; the operator may choose another format.
var ErrNotJSON = errors.New("the request body is not JSON, and the raw event is the body: send JSON, or use another event format")

// Append appends in as an event, which is one JSON value.
//
//   - Raw is the body, unchanged, and {} if there is none, which is what a function gets
//     that is invoked with nothing. The Invoke API takes JSON alone (its
//     InvalidRequestContentException), so what is not JSON in UTF-8 is [ErrNotJSON], the
//     only error of Append. It is not made a JSON string: then true and truth would come
//     as values of different types.
//   - Names of headers are in lower case, except in APIGatewayV1, which has them as
//     [http.Header] does. Host, Content-Length (if there is a body) and, except in HTTP,
//     X-Forwarded-For, -Proto and -Port are added if they are known and not there.
//   - Where a format has one value of a name, it is the last that was sent, except in
//     APIGatewayV2, which has all of them, joined with commas.
//   - Paths are as the client sent them in every format. An HTTP API of AWS decodes
//     rawPath, a function URL does not; decoded it could not be read again. The values of
//     pathParameters are decoded.
//   - Names and values of query parameters are decoded, except in ALB and ALBMulti: there
//     functions have to, at AWS as well. What cannot be decoded stays as it is.
//   - A body is text if its content type says so, it has no content coding, and it is
//     UTF-8; otherwise base64, and isBase64Encoded is true. Text for APIGatewayV2, ALB and
//     ALBMulti are text/* and application/json, javascript and xml; for HTTP and
//     APIGatewayV1, as for a REST API without binary media types, also forms, types that
//     end with +json or +xml, and bodies without a content type.
//   - What was not sent is null in APIGatewayV1, left out of APIGatewayV2, and empty in
//     the others, as at AWS.
//
// Bytes that are not UTF-8 become U+FFFD, except in the body. Append allocates dst, if
// it is too small, and a list each of headers and parameters. In Raw, and with a nil dst,
// the event is the body itself.
func Append(dst []byte, format Format, in *Request) ([]byte, error) {
	if format == Raw {
		return appendRaw(dst, in.Body)
	}
	w := writer{
		Request: in,
		lower:   format != APIGatewayV1,
		none:    `{}`,
		headers: pairs{list: headerPairs(format, in), fold: true},
		query:   pairs{list: queryPairs(in.RawQuery, format != ALB && format != ALBMulti)},
	}
	w.headers.sort()
	w.query.sort()
	if w.isText = isText(format, in); format == APIGatewayV1 {
		w.none = `null`
	}
	w.dst = slices.Grow(dst, w.size())
	switch format {
	case APIGatewayV1:
		w.v1()
	case APIGatewayV2:
		w.v2()
	case ALB, ALBMulti:
		w.alb(format == ALBMulti)
	default:
		w.http()
	}
	return w.dst, nil
}

func appendRaw(dst, body []byte) ([]byte, error) {
	if len(body) == 0 {
		return append(dst, "{}"...), nil
	}
	if !isJSON(body) {
		return dst, ErrNotJSON
	}
	if dst == nil {
		return body, nil
	}
	return append(dst, body...), nil
}

// writer writes one event.
type writer struct {
	*Request
	dst            []byte
	headers, query pairs
	// lower says that names of headers are written in lower case, none what stands for an
	// object without members.
	lower  bool
	none   string
	isText bool
}

// size is about as many bytes as the event will have.
func (w *writer) size() int {
	n := 1536 + 4*len(w.Path) + 3*len(w.RawQuery)
	if w.isText {
		n += len(w.Body) + bytes.Count(w.Body, []byte{'"'}) + bytes.Count(w.Body, []byte{'\\'}) + bytes.Count(w.Body, []byte{'\n'})
	} else {
		n += base64.StdEncoding.EncodedLen(len(w.Body))
	}
	for _, p := range w.headers.list {
		n += 2 * (len(p.name) + len(p.value) + 8)
	}
	return n
}

func (w *writer) raw(s string) { w.dst = append(w.dst, s...) }

func (w *writer) text(before, s string) {
	w.dst = appendString(append(w.dst, before...), s)
}

// body writes body and isBase64Encoded. A body that is empty is written as empty says,
// and left out if that is nothing.
func (w *writer) body(empty string) {
	switch {
	case len(w.Body) == 0:
		if empty != "" {
			w.raw(`,"body":`)
			w.raw(empty)
		}
		w.raw(`,"isBase64Encoded":false`)
	case w.isText:
		w.raw(`,"body":`)
		w.dst = appendString(w.dst, w.Body)
		w.raw(`,"isBase64Encoded":false`)
	default:
		w.raw(`,"body":"`)
		w.dst = base64.StdEncoding.AppendEncode(w.dst, w.Body)
		w.raw(`","isBase64Encoded":true`)
	}
}

// isText says whether the body of in goes into an event as it is.
func isText(format Format, in *Request) bool {
	if coding := in.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return false
	}
	contentType, _, _ := strings.Cut(in.Header.Get("Content-Type"), ";")
	contentType = strings.ToLower(strings.TrimSpace(contentType))
	text := strings.HasPrefix(contentType, "text/")
	switch contentType {
	case "application/json", "application/javascript", "application/xml":
		text = true
	case "", "application/x-www-form-urlencoded", "application/graphql", "application/x-ndjson":
		text = format == HTTP || format == APIGatewayV1
	}
	if format == HTTP || format == APIGatewayV1 {
		text = text || strings.HasSuffix(contentType, "+json") || strings.HasSuffix(contentType, "+xml")
	}
	return text && utf8.Valid(in.Body)
}
