package view

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// ErrQuery is the error for a query that cannot be read.
var ErrQuery = errors.New("malformed query: a percent sign without two hexadecimal digits behind it")

// Buffer is memory for the inputs of programs, one after the other. Its zero value
// is empty.
type Buffer struct {
	in, headers map[string]any
	// lent says that an input may still be of use.
	lent bool
}

// most is how many members an object may have that is used again.
const most = 64

// Take gives the memory of the last input back. Nothing may have anything of it any
// more but the strings in it.
func (b *Buffer) Take() {
	if len(b.headers) > most {
		b.headers = nil
	}
	clear(b.in)
	clear(b.headers)
	b.lent = false
}

// Kept is the buffer without an input that was not given back.
func (b *Buffer) Kept() Buffer {
	if b.lent {
		return Buffer{}
	}
	return *b
}

// Input is what the program sees of h, with this body. It has no more than what
// the program reads. Nobody else has it, nor its headers and its query.
func (v *View) Input(h *Head, body any) (map[string]any, error) {
	return v.InputIn(new(Buffer), h, body)
}

// InputIn is [View.Input] in memory that is used again, once it is given back.
func (v *View) InputIn(b *Buffer, h *Head, body any) (map[string]any, error) {
	if b.lent {
		*b = Buffer{}
	}
	b.lent = true
	if b.in == nil {
		b.in = make(map[string]any, len(v.input))
	}
	in := b.in
	for i := range v.input {
		m := &v.input[i]
		switch m.key {
		case "body":
			in["body"] = body
		case "headers":
			if b.headers == nil {
				b.headers = make(map[string]any, len(m.names))
			}
			h.headers(b.headers, m.names)
			in["headers"] = b.headers
		default:
			value, err := h.value(m)
			if err != nil {
				return nil, err
			}
			in[m.key] = value
		}
	}
	return in, nil
}

// value is what a program sees of one member, the body excepted.
func (h *Head) value(m *member) (any, error) {
	switch m.key {
	case "method":
		return h.Method, nil
	case "scheme":
		return h.Scheme, nil
	case "host":
		return h.Host, nil
	case "path":
		return h.Path, nil
	case "query":
		return queryValue(h.RawQuery)
	case "headers":
		all := make(map[string]any, len(h.Header))
		h.headers(all, m.names)
		return all, nil
	case "vars":
		vars := make(map[string]any, len(h.Vars))
		for _, v := range h.Vars {
			vars[v.Name] = v.Text
		}
		return vars, nil
	case "client":
		names := make([]any, len(h.Names))
		for i, name := range h.Names {
			names[i] = name
		}
		return map[string]any{"address": h.Address, "names": names}, nil
	case "route":
		if h.Route == "" {
			return nil, nil
		}
		return h.Route, nil
	case "status":
		return h.Status, nil
	case "error":
		if h.Error == nil {
			return nil, nil
		}
		return map[string]any{
			"code": h.Error.Code, "status": h.Error.Status, "reason": h.Error.Reason, "message": h.Error.Message,
		}, nil
	}
	panic("view: no member " + m.key)
}

// headers puts those with names into an object, or all if names is nil.
func (h *Head) headers(into map[string]any, names []name) {
	if names == nil {
		for canonical, values := range h.Header {
			if key := lowerName(canonical); len(values) > 0 && !hidden(key) && !h.hides(key) {
				into[key] = list(values)
			}
		}
		return
	}
	for i := range names {
		n := &names[i]
		// A name that is not in lower case is the name of no header.
		if values := h.Header[n.canonical]; len(values) > 0 && n.lower == n.key && !n.hidden && !h.hides(n.key) {
			into[n.key] = list(values)
		}
	}
}

// list is one value, or an array of several.
func list(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// connection are headers that belong to one connection (RFC 9110, section 7.6.1),
// frame a message, or have a member of their own. Programs neither see nor set
// them.
var connection = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true, "te": true, "trailer": true,
	"transfer-encoding": true, "upgrade": true, "content-length": true, "host": true,
}

// trailers begins what a http.Header has of trailers ([http.TrailerPrefix]): those
// are no headers.
const trailers = "trailer:"

// hidden reports whether a header, by its name in lower case, is never for programs.
func hidden(key string) bool { return connection[key] || strings.HasPrefix(key, trailers) }

// hides reports whether it is not with this head.
func (h *Head) hides(key string) bool {
	if h.RPC && (key == "content-type" || strings.HasPrefix(key, "grpc-")) {
		return true
	}
	for _, nominated := range h.Header["Connection"] {
		for option := range strings.SplitSeq(nominated, ",") {
			if strings.EqualFold(strings.TrimSpace(option), key) {
				return true
			}
		}
	}
	return false
}

// lowerName is the name of a header in lower case; for the usual ones without an
// allocation.
func lowerName(canonical string) string {
	if lower, ok := usual[canonical]; ok {
		return lower
	}
	return strings.ToLower(canonical)
}

var usual = func() map[string]string {
	m := make(map[string]string)
	for key := range strings.FieldsSeq(`accept accept-charset accept-encoding accept-language accept-ranges age allow
		authorization cache-control connection content-disposition content-encoding content-language content-length
		content-location content-range content-type cookie date etag expect expires forwarded from if-match
		if-modified-since if-none-match if-unmodified-since last-event-id last-modified link location origin pragma
		range referer retry-after sec-fetch-dest sec-fetch-mode sec-fetch-site server set-cookie
		strict-transport-security te trailer traceparent tracestate transfer-encoding upgrade user-agent vary via
		www-authenticate x-dragoman-error x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id`) {
		m[http.CanonicalHeaderKey(key)] = key
	}
	return m
}()

// pair is one parameter of a query, as it is written and as it reads.
type pair struct{ raw, key, value string }

// parseQuery reads a query (WHATWG URL, section 5.1), but refuses what it cannot.
func parseQuery(raw string) ([]pair, error) {
	var pairs []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		k, err := url.QueryUnescape(key)
		if err != nil {
			return nil, ErrQuery
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return nil, ErrQuery
		}
		pairs = append(pairs, pair{raw: part, key: k, value: v})
	}
	return pairs, nil
}

func queryValue(raw string) (map[string]any, error) {
	pairs, err := parseQuery(raw)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(pairs))
	for _, p := range pairs {
		switch before := out[p.key].(type) {
		case nil:
			out[p.key] = p.value
		case string:
			out[p.key] = []any{before, p.value}
		case []any:
			out[p.key] = append(before, p.value)
		}
	}
	return out, nil
}

// whole is the value of a member with everything in it, whatever the program
// reads.
func (h *Head) whole(key string) (any, error) {
	return h.value(&member{key: key, paths: jq.Paths{All: true}})
}
