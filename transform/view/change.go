package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Change is what a program changes. The zero value changes nothing.
type Change struct {
	// Method, Host and Path are empty, and Status is 0, where they stay.
	Method, Host, Path string
	Status             int
	// RawQuery counts if HasQuery is set.
	RawQuery string
	HasQuery bool
	// Headers are those that are set or removed, in the order of their names.
	Headers []HeaderChange
	// Body counts if HasBody is set; nil is no body.
	Body    any
	HasBody bool
	// Respond is the answer that is given in place of the upstream's.
	Respond *Answer
	// Log are fields for the access log.
	Log map[string]any
}

// HeaderChange sets a header, or removes it if there are no values. Name is in
// canonical form.
type HeaderChange struct {
	Name   string
	Values []string
}

// Answer is an answer of a program.
type Answer struct {
	Status  int
	Headers []HeaderChange
	Body    any
	HasBody bool
}

// Apply makes the header changes.
func Apply(h http.Header, changes []HeaderChange) {
	for _, c := range changes {
		if len(c.Values) == 0 {
			delete(h, c.Name)
		} else {
			h[c.Name] = c.Values
		}
	}
}

// Mistake is what is wrong with a result. It names the place, and shows no more
// than a piece of the value.
type Mistake struct{ Place, Message string }

func (e *Mistake) Error() string {
	if e.Place == "" {
		return e.Message
	}
	return e.Place + ": " + e.Message
}

func mistake(place, format string, args ...any) error {
	if len(place) > maxPlace {
		// It goes to the client, and may be the name of anything.
		place = strings.ToValidUTF8(place[:maxPlace], "") + "…"
	}
	return &Mistake{Place: place, Message: fmt.Sprintf(format, args...)}
}

// Read finds out what a result changes of h, of which the program was shown what
// [View.Input] tells. The error is a [*Mistake], or [ErrQuery] where only a part of
// a query is changed that cannot be read; then nothing is changed.
func (v *View) Read(result any, h *Head) (Change, error) {
	var c Change
	object, ok := result.(map[string]any)
	if !ok {
		return c, mistake("", "gives %s, not an object", show(result))
	}
	if v.writes.All {
		for _, key := range sortedKeys(object) {
			if err := v.read(&c, key, object[key], h); err != nil {
				return Change{}, err
			}
		}
		return c, nil
	}
	for key := range v.writes.Keys {
		value, given := object[key]
		if !given {
			continue
		}
		if err := v.read(&c, key, value, h); err != nil {
			return Change{}, err
		}
	}
	return c, nil
}

func (v *View) read(c *Change, key string, value any, h *Head) (err error) {
	switch key {
	case "method":
		c.Method, err = methodOf(value, h)
	case "host":
		c.Host, err = hostOf(value, h)
	case "path":
		c.Path, err = pathOf(value, h)
	case "query":
		c.RawQuery, c.HasQuery, err = v.queryOf(value, h)
	case "headers":
		c.Headers, err = v.headersOf(value, h)
	case "body":
		c.Body, c.HasBody = value, true
	case "status":
		if v.phase == Request {
			return v.unchangeable(key, value, h)
		}
		c.Status, err = statusOf("status", value)
	case "respond":
		if v.phase != Request {
			return mistake(key, "only a program for a request may answer it")
		}
		c.Respond, err = respondOf(value, h)
	case "log":
		c.Log, err = logOf(value)
	default:
		return v.unchangeable(key, value, h)
	}
	if err == nil && v.phase != Request && (c.Method != "" || c.Host != "" || c.Path != "" || c.HasQuery) {
		return v.unchangeable(key, value, h)
	}
	return err
}

// unchangeable refuses a member that no program may change, unless it is as it
// was.
func (v *View) unchangeable(key string, value any, h *Head) error {
	if !has(keys, key, v.phase) {
		return &Mistake{Message: unknownKey(key, v.phase).Error()}
	}
	was, err := h.whole(key)
	if err != nil || !reflect.DeepEqual(was, value) {
		return mistake(key, "cannot be changed")
	}
	return nil
}

func methodOf(value any, h *Head) (string, error) {
	method, ok := value.(string)
	switch {
	case !ok || !httpguts.ValidHeaderFieldName(method):
		return "", mistake("method", "%s is no HTTP method", show(value))
	case method == h.Method:
		return "", nil
	case method == http.MethodConnect:
		return "", mistake("method", "CONNECT is for proxies")
	case h.RPC:
		return "", mistake("method", "is POST for gRPC")
	}
	return method, nil
}

func hostOf(value any, h *Head) (string, error) {
	host, ok := value.(string)
	switch {
	case !ok || host == "" || len(host) > 255 || !httpguts.ValidHostHeader(host) || strings.ContainsAny(host, "/?#@ "):
		return "", mistake("host", "%s is no host", show(value))
	case host == h.Host:
		return "", nil
	case h.RPC:
		return "", mistake("host", "cannot be changed for gRPC")
	}
	return host, nil
}

func pathOf(value any, h *Head) (string, error) {
	path, ok := value.(string)
	switch {
	case !ok:
		return "", mistake("path", "%s is no text", show(value))
	case path == h.Path:
		return "", nil
	case len(path) > maxTarget:
		return "", mistake("path", "has more than %d bytes", maxTarget)
	case !strings.HasPrefix(path, "/"):
		return "", mistake("path", "%s does not begin with a slash", show(value))
	case h.RPC:
		return "", mistake("path", "is the method for gRPC, and cannot be changed")
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '%':
			if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
				return "", mistake("path", "%s has a percent sign without two hexadecimal digits behind it", show(value))
			}
		case c == '?', c == '#':
			return "", mistake("path", "%s has a %q: a query goes into .query, and anything else is written as %%%02X", show(value), c, c)
		case c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0:
			return "", mistake("path", "%s has a character that must be escaped: use urlencode", show(value))
		}
	}
	return path, nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func statusOf(place string, value any) (int, error) {
	status, ok := integer(value)
	if !ok {
		return 0, mistake(place, "%s is no whole number", show(value))
	}
	if status < 200 || status > 599 {
		return 0, mistake(place, "%d is not from 200 to 599", status)
	}
	return status, nil
}

// integer is a number that is whole, and not so large that it can mean nothing
// here.
func integer(value any) (int, bool) {
	switch n := value.(type) {
	case int:
		return n, true
	case float64:
		if n == float64(int32(n)) {
			return int(n), true
		}
	case json.Number:
		if f, err := strconv.ParseFloat(string(n), 64); err == nil && f == float64(int32(f)) {
			return int(f), true
		}
	}
	return 0, false
}

// text is a scalar as a header or a query has it.
func text(value any) (string, bool) {
	switch s := value.(type) {
	case string:
		return s, true
	case json.Number:
		return string(s), true
	case bool:
		return strconv.FormatBool(s), true
	case int:
		return strconv.Itoa(s), true
	case float64:
		format := byte('g')
		if math.Abs(s) < 1e17 {
			format = 'f'
		}
		return strconv.FormatFloat(s, format, -1, 64), !math.IsNaN(s) && !math.IsInf(s, 0)
	case *big.Int:
		return s.String(), true
	}
	return "", false
}

// Texts are the values of a header for the result of an expression: one text, number
// or boolean, or an array of these; null is none. The error is a [*Mistake].
func Texts(value any) ([]string, error) {
	out, err := texts("", "", value)
	var wrong *Mistake
	if errors.As(err, &wrong) {
		wrong.Place = strings.TrimPrefix(wrong.Place, ".")
	}
	return out, err
}

// texts are one scalar or an array of them; null is none. It is the member with
// this key of a place.
func texts(place, key string, value any) ([]string, error) {
	if value == nil {
		return nil, nil
	}
	if s, ok := text(value); ok {
		return []string{s}, nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, mistake(place+"."+key, "%s is neither text, number, boolean nor an array of these", show(value))
	}
	out := make([]string, len(list))
	for i, v := range list {
		if out[i], ok = text(v); !ok {
			return nil, mistake(place+"."+key+"["+strconv.Itoa(i)+"]", "%s is neither text, number nor boolean", show(v))
		}
	}
	return out, nil
}

func respondOf(value any, h *Head) (*Answer, error) {
	if value == nil {
		return nil, nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, mistake("respond", "%s is not an object", show(value))
	}
	a := &Answer{Status: http.StatusOK}
	for _, key := range sortedKeys(object) {
		var err error
		switch value := object[key]; key {
		case "status":
			a.Status, err = statusOf("respond.status", value)
		case "headers":
			headers, ok := value.(map[string]any)
			if !ok && value != nil {
				return nil, mistake("respond.headers", "%s is not an object", show(value))
			}
			a.Headers, err = headerChanges("respond.headers", headers, &Head{RPC: h.RPC})
			a.Headers, err = fitting("respond.headers", a.Headers, err)
		case "body":
			a.Body, a.HasBody = value, value != nil
		default:
			err = mistake("respond", "%q is no key of an answer: the keys are body, headers, status", key)
		}
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

func logOf(value any) (map[string]any, error) {
	object, ok := value.(map[string]any)
	if !ok && value != nil {
		return nil, mistake("log", "%s is not an object", show(value))
	}
	return object, nil
}

// What a program may set of the head: more than servers take anyway. All of it may
// come from a body.
const (
	// maxHeader bounds the names and values of the headers that are set, maxTarget a
	// path and a query.
	maxHeader = 64 << 10
	maxTarget = 64 << 10
)

// fitting are changes, unless they set more than may be set.
func fitting(place string, changes []HeaderChange, err error) ([]HeaderChange, error) {
	size := 0
	for _, c := range changes {
		for _, value := range c.Values {
			size += len(c.Name) + len(value)
		}
	}
	if size > maxHeader {
		return nil, mistake(place, "sets more than %d bytes", maxHeader)
	}
	return changes, err
}

// maxShown bounds what a mistake shows of a value.
const maxShown = 40

// maxPlace bounds what a mistake says of its place.
const maxPlace = 100

// show is a value, or the beginning of one, for people.
func show(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		if len(v) > maxShown {
			v = strings.ToValidUTF8(v[:maxShown], "") + "…"
		}
		return strconv.Quote(v)
	}
	if s, ok := text(value); ok && len(s) <= maxShown {
		return s
	}
	return "a number"
}
