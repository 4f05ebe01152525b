package google

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// maxEvent is how many bytes the data of a structured event may have: functions of the
// first generation take no more (Cloud Functions quotas).
const maxEvent = 10 << 20

// eventType is how the types of what has whole events in it begin.
const eventType = "application/cloudevents"

// event is how requests become events: CloudEvents 1.0 and its HTTP protocol binding.
type event struct {
	structured                 bool
	kind, source, subject      string
	escapedKind, escapedSource string
}

func newEvent(cfg *configpb.CloudEvent) *event {
	if cfg == nil {
		return nil
	}
	return &event{
		structured: cfg.GetMode() == "structured",
		kind:       cfg.GetType(), source: cfg.GetSource(), subject: cfg.GetSubject(),
		escapedKind: headerValue(cfg.GetType()), escapedSource: headerValue(cfg.GetSource()),
	}
}

// of makes an event of r, whose header may be changed, that goes to path.
func (e *event) of(r *http.Request, path string) *upstream.Error {
	about := aboutOf(r)
	for name := range r.Header {
		// The attributes are the gateway's, and a client may add none: extensions too
		// say how events are dealt with.
		if upstream.HeaderBegins(name, "Ce-") {
			delete(r.Header, name)
		}
	}
	// An event has one answer, and is not asked for in parts or if it has changed.
	for _, name := range [...]string{"Connection", "Upgrade", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		delete(r.Header, name)
	}
	r.Method = http.MethodPost
	path = cmp.Or(path, "/")
	r.URL = &url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: path, RawPath: path}
	if unescaped, err := url.PathUnescape(path); err == nil {
		r.URL.Path = unescaped
	}
	subject := cmp.Or(e.subject, about.Path)
	if e.structured {
		return e.structure(r, about, subject)
	}
	for _, value := range r.Header["Content-Type"] {
		// To whom the type says so the event is in the body, whatever the headers say (HTTP
		// protocol binding, section 3): with a type and a source of the client's own.
		if kind := strings.TrimSpace(value); len(kind) >= len(eventType) && strings.EqualFold(kind[:len(eventType)], eventType) {
			return refused(&rpc.Error{Reason: rpc.UnsupportedMediaType, Message: "the request is to be the data of an event, and is an event itself"})
		}
	}
	r.Header["Ce-Specversion"] = []string{"1.0"}
	r.Header["Ce-Id"] = []string{headerValue(about.RequestID)}
	r.Header["Ce-Type"] = []string{e.escapedKind}
	r.Header["Ce-Source"] = []string{e.escapedSource}
	r.Header["Ce-Subject"] = []string{headerValue(subject)}
	r.Header["Ce-Time"] = []string{timeOf(about)}
	return nil
}

// aboutOf is what is known of r, of which there is at least what an event must have.
func aboutOf(r *http.Request) upstream.About {
	var about upstream.About
	if known := upstream.AboutOf(r.Context()); known != nil {
		about = *known
	}
	about.RequestID = cmp.Or(about.RequestID, rand.Text())
	about.Path = cmp.Or(about.Path, r.URL.EscapedPath(), "/")
	if about.Time.IsZero() {
		about.Time = time.Now()
	}
	return about
}

func timeOf(about upstream.About) string { return about.Time.UTC().Format(time.RFC3339Nano) }

// structure makes the body of r an event in JSON.
func (e *event) structure(r *http.Request, about upstream.About, subject string) *upstream.Error {
	data, failure := read(r)
	if failure != nil {
		return failure
	}
	contentType := r.Header.Get("Content-Type")
	attributes := struct {
		Version string `json:"specversion"`
		ID      string `json:"id"`
		Source  string `json:"source"`
		Type    string `json:"type"`
		Time    string `json:"time"`
		Subject string `json:"subject"`
		Content string `json:"datacontenttype,omitempty"`
	}{"1.0", about.RequestID, e.source, e.kind, timeOf(about), subject, contentType}
	body, err := marshal(attributes)
	if err == nil && len(data) > 0 {
		body, err = appendData(body[:len(body)-1], data, contentType)
	}
	if err != nil {
		return &upstream.Error{Reason: rpc.Internal, NotSent: true, Err: err}
	}
	delete(r.Header, "Content-Encoding")
	delete(r.Header, "Trailer")
	r.Header["Content-Type"] = []string{"application/cloudevents+json; charset=UTF-8"}
	r.Trailer, r.TransferEncoding = nil, nil
	r.ContentLength = int64(len(body))
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return nil
}

// read reads the body of r and closes it. What is compressed is inflated: no attribute
// of an event would say that it is.
func read(r *http.Request) ([]byte, *upstream.Error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	defer closeBody(r)
	name, failure := coding.Of(r.Header)
	if failure != nil {
		return nil, refused(failure)
	}
	if r.ContentLength > int64(maxEvent) {
		return nil, refused(coding.TooLarge(maxEvent))
	}
	data, _, failure := coding.Read(nil, r, name, maxEvent)
	switch {
	case failure == nil:
		return data, nil
	case r.Context().Err() != nil:
		return nil, &upstream.Error{Reason: upstream.Ended(r.Context()), NotSent: true, Err: failure}
	default:
		return nil, refused(failure)
	}
}

// refused is err of a body, which the client is told of.
func refused(err *rpc.Error) *upstream.Error {
	return &upstream.Error{Reason: err.Reason, NotSent: true, Message: err.Message, Err: err}
}

// appendData appends the member that has the data, and ends the object.
func appendData(body, data []byte, contentType string) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	text := utf8.Valid(data)
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		text = false
	}
	switch {
	case text && (contentType == "" || err == nil && isJSON(kind)) && json.Valid(data):
		// Without a type of its own the data of such an event is JSON.
		body = append(append(body, `,"data":`...), data...)
	case text && err == nil && strings.HasPrefix(kind, "text/"):
		quoted, err := marshal(string(data))
		if err != nil {
			return nil, err
		}
		body = append(append(body, `,"data":`...), quoted...)
	default:
		body = append(body, `,"data_base64":"`...)
		body = append(base64.StdEncoding.AppendEncode(body, data), '"')
	}
	return append(body, '}'), nil
}

func isJSON(kind string) bool {
	return kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json")
}

// marshal is v in JSON as it is: nobody puts events into HTML.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// headerValue is text as the HTTP protocol binding writes it into headers (section
// 3.1.3.2): space, quote, percent and all that is not printable ASCII are escaped, byte
// for byte in UTF-8.
func headerValue(text string) string {
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '%' }
	i := 0
	for i < len(text) && plain(text[i]) {
		i++
	}
	if i == len(text) {
		return text
	}
	out := append(make([]byte, 0, len(text)+16), text[:i]...)
	for _, c := range []byte(strings.ToValidUTF8(text[i:], "\ufffd")) {
		if plain(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return string(out)
}
