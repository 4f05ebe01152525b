package reply

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"golang.org/x/net/http/httpguts"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// Respond is an answer. At most one of Body and Program is set.
type Respond struct {
	// Status is 200 to 599; zero is 200.
	Status int
	// Header is the header. Without a content type the body is text/plain, or what it
	// is as the value of a program.
	Header http.Header
	Body   []byte
	// Program has no variables. Its value is the body ([transform.Expression.Body]).
	// What may be read and made for it is as Programs says, and Programs.Refuse answers
	// if it fails; nothing of both is used without a program.
	Program  *jq.Program
	Programs transform.Options
}

// respond is a compiled [Respond].
type respond struct {
	status int
	// header is in canonical form, without the content type.
	header      []field
	contentType string
	// bodiless is that answers with this status never have a body.
	bodiless bool
	body     []byte
	length   []string
	program  *transform.Expression
	options  transform.Options
}

// field is one name of a header with its values, which nobody appends to.
type field struct {
	name   string
	values []string
}

var _ route.Handler = (*respond)(nil)

// NewRespond makes a handler that gives an answer.
func NewRespond(o Respond) (route.Handler, error) {
	h := &respond{status: o.Status, body: o.Body, options: o.Programs}
	if h.status == 0 {
		h.status = http.StatusOK
	}
	if h.status < 200 || h.status > 599 {
		return nil, fmt.Errorf("status %d: want 200 to 599", h.status)
	}
	h.bodiless = h.status == http.StatusNoContent || h.status == http.StatusResetContent || h.status == http.StatusNotModified
	if h.bodiless && (len(o.Body) > 0 || o.Program != nil) {
		return nil, fmt.Errorf("an answer with status %d has no body", h.status)
	}
	if len(o.Body) > 0 && o.Program != nil {
		return nil, fmt.Errorf("there are two bodies: want a text or a program")
	}
	if err := h.take(o.Header); err != nil {
		return nil, err
	}
	if o.Program == nil {
		if h.contentType == "" && len(h.body) > 0 {
			h.contentType = textType
		}
		h.length = []string{strconv.Itoa(len(h.body))}
		return h, nil
	}
	var err error
	h.program, err = transform.NewExpression(o.Program, o.Programs)
	return h, err
}

const textType = "text/plain; charset=utf-8"

// take takes the header over.
func (h *respond) take(header http.Header) error {
	for name, values := range header {
		canonical := http.CanonicalHeaderKey(name)
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("%q is no name of a header", name)
		}
		if framing[canonical] {
			return fmt.Errorf("header %q is up to the gateway", name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("header %q: %q is no value of a header", name, v)
			}
		}
		switch {
		case len(values) == 0:
		case canonical == "Content-Type":
			h.contentType = values[0]
		default:
			h.header = append(h.header, field{canonical, slices.Clip(slices.Clone(values))})
		}
	}
	return nil
}

// framing are headers of one connection, and those that say where a message ends.
var framing = map[string]bool{
	"Connection": true, "Content-Length": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true,
}

// Serve implements [route.Handler].
func (h *respond) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	if h.program == nil {
		route.LeaveBody(w, r)
		h.write(w, r, h.body, h.contentType, h.length)
		return
	}
	if !h.program.ReadsBody() {
		route.LeaveBody(w, r)
	}
	err := h.program.Body(w, r, x, h.contentType, func(data []byte, typed string) {
		h.write(w, r, data, typed, []string{strconv.Itoa(len(data))})
	})
	if err != nil {
		h.options.Refuse(w, r, x, err)
	}
}

// write writes the answer. What is in the header already, of handlers around this one,
// stays beside what is put there.
func (h *respond) write(w http.ResponseWriter, r *http.Request, data []byte, contentType string, length []string) {
	header := w.Header()
	for i := range h.header {
		f := &h.header[i]
		if before := header[f.name]; len(before) > 0 {
			header[f.name] = slices.Concat(before, f.values)
		} else {
			header[f.name] = f.values
		}
	}
	if contentType != "" {
		header["Content-Type"] = []string{contentType}
	}
	if h.bodiless {
		w.WriteHeader(h.status)
		return
	}
	header["Content-Length"] = length
	w.WriteHeader(h.status)
	if r.Method != http.MethodHead && len(data) > 0 {
		// A failure means that nobody is there to be told.
		_, _ = w.Write(data)
	}
}
