package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// Bodies of type multipart/form-data (RFC 7578). The standard library finds the
// parts; what they may be is decided here, and what they set by the plan.

const (
	multipartType = "multipart/form-data"
	// maxBoundary is that of RFC 2046, section 5.1.1.
	maxBoundary = 70
	// maxPartHead bounds what is before the content of a part, in bytes: its
	// headers, and before the first one what no reader has to look at.
	maxPartHead = 16 << 10
)

// boundary is that of a body which is to be read as a multipart form, empty if it
// is not. It is an error if the rule's body can be none.
func (l *rule) boundary(r *http.Request) (string, *rpc.Error) {
	if !l.settings.Multipart || !l.plan.TakesBody() || !strings.EqualFold(mediaType(r.Header), multipartType) {
		return "", nil
	}
	if !l.plan.TakesParts() {
		return "", rpc.Errorf(rpc.UnsupportedMediaType,
			"the body of this path is neither a file nor a message with fields, which is what a form could set: send application/json")
	}
	_, parameters, err := mime.ParseMediaType(r.Header["Content-Type"][0])
	if err != nil {
		return "", &rpc.Error{Reason: rpc.InvalidBody, Message: "the content-type of the form is malformed", Cause: err}
	}
	if boundary := parameters["boundary"]; isBoundary(boundary) {
		return boundary, nil
	}
	return "", rpc.Errorf(rpc.InvalidBody, "the content-type of the form needs a boundary, of 1 to %d of the characters that RFC 2046 allows", maxBoundary)
}

// isBoundary reports whether text can be a boundary: bchars of RFC 2046, section
// 5.1.1.
func isBoundary(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("'()+_,-./:=? ", c) >= 0:
		default:
			return false
		}
	}
	return len(text) > 0 && len(text) <= maxBoundary && text[len(text)-1] != ' '
}

// formReader reads the parts of one multipart form, as they come.
type formReader struct {
	parts *multipart.Reader
	gate  gate
	// n is the number of the part at hand, from 1, most that of the last one that
	// may be.
	n, most int
	allowed patterns
	// ended says that the last part has been read.
	ended bool
}

// begin makes f ready for another form.
func (f *formReader) begin(body io.Reader, boundary string, most int, allowed patterns) {
	*f = formReader{gate: gate{body: body}, most: most, allowed: allowed}
	f.parts = multipart.NewReader(&f.gate, boundary)
}

// next gives the head of the next part, and its content, which must be read to its
// end before another one; it is nil behind the last part. An error that is no
// *[rpc.Error] is that of the body.
func (f *formReader) next() (head plan.Part, content io.Reader, err error) {
	if f.ended {
		return head, nil, nil
	}
	f.gate.open(maxPartHead)
	part, err := f.parts.NextRawPart()
	f.gate.closed = false
	if err == io.EOF { // and not one that wraps it, before the last boundary
		f.ended = true
		return head, nil, nil
	}
	f.n++
	switch {
	case err != nil:
		return head, nil, f.fault(err)
	case f.n > f.most:
		return head, nil, rpc.Errorf(rpc.InvalidBody, "the form has more than %d parts", f.most)
	}
	head, refused := f.head(part.Header)
	if refused != nil {
		return head, nil, refused
	}
	return head, part, nil
}

// head makes sense of the headers of a part.
func (f *formReader) head(h textproto.MIMEHeader) (part plan.Part, err *rpc.Error) {
	wrong := func(what string, values ...any) (plan.Part, *rpc.Error) {
		return part, rpc.Errorf(rpc.InvalidBody, "part %d of the form: "+what, append([]any{f.n}, values...)...)
	}
	for _, name := range [...]string{"Content-Disposition", "Content-Type", "Content-Transfer-Encoding"} {
		if len(h[name]) > 1 {
			return wrong("it has the header %q twice", strings.ToLower(name))
		}
	}
	disposition, parameters, fault := mime.ParseMediaType(h.Get("Content-Disposition"))
	name, named := parameters["name"]
	if fault != nil || disposition != "form-data" || !named {
		return wrong(`it needs a header content-disposition: form-data; name="…"`)
	}
	part = plan.Part{Name: name, Type: strings.TrimSpace(h.Get("Content-Type"))}
	part.FileName, part.File = parameters["filename"]
	if len(part.Type) >= len("multipart/") && strings.EqualFold(part.Type[:len("multipart/")], "multipart/") {
		return wrong("%.100q is itself of several parts, which no field can hold: send each as a part of the form", name)
	}
	if part.Type != "" && !isMediaType(part.Type) {
		return wrong("the content-type %.100q of %.100q is not a media type", part.Type, name)
	}
	switch encoding := strings.TrimSpace(h.Get("Content-Transfer-Encoding")); strings.ToLower(encoding) {
	case "", "7bit", "8bit", "binary":
	default:
		return wrong("the content-transfer-encoding %.100q of %.100q is not supported: send it as it is", encoding, name)
	}
	media := part.Type
	if media == "" {
		media = octetStream
	}
	part.Refused = part.File && !f.allowed.allow(media)
	return part, nil
}

// fault is what is wrong with the body around part n.
func (f *formReader) fault(err error) error {
	switch {
	case f.gate.err != nil:
		return f.gate.err
	case f.gate.over:
		return rpc.Errorf(rpc.InvalidBody, "part %d of the form: there are more than %d bytes before its content", f.n, maxPartHead)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &rpc.Error{Reason: rpc.InvalidBody, Cause: err, Message: "the form is not whole: the body ends without its last boundary, in or before part " + strconv.Itoa(f.n)}
	}
	return &rpc.Error{Reason: rpc.InvalidBody, Cause: err, Message: "part " + strconv.Itoa(f.n) + " of the form is malformed"}
}

// gate lets a body through, or only so many bytes of it. The standard library has
// a limit for the headers of a part, of 10 MiB.
type gate struct {
	body   io.Reader
	closed bool
	left   int
	// over says that more was asked for, err what stopped the body before its end.
	over bool
	err  error
}

// errClosed is the error of a gate that has let through what it was to.
var errClosed = errors.New("the part is too long")

// open lets n bytes through.
func (g *gate) open(n int) { g.closed, g.left = true, n }

func (g *gate) Read(p []byte) (int, error) {
	if g.closed {
		if g.left == 0 {
			g.over = true
			return 0, errClosed
		}
		p = p[:min(len(p), g.left)]
	}
	n, err := g.body.Read(p)
	g.left -= n
	if err != nil && err != io.EOF {
		g.err = err
	}
	return n, err
}

// readParts makes k.parts of k.body, a multipart form, whose memory has their
// contents from then on.
func (l *rule) readParts(k *work, boundary string) *rpc.Error {
	k.parts = emptied(k.parts)
	whole := k.body
	rest := bytes.NewReader(whole)
	var form formReader
	form.begin(rest, boundary, l.settings.MaxQueryParameters, l.settings.ContentTypes)
	// Contents are moved to the front of the body: what has been read of it is
	// always more than they are, by the boundaries and headers.
	kept := 0
	for {
		part, content, err := form.next()
		start := kept
		for err == nil && content != nil {
			var n int
			n, err = content.Read(whole[kept : len(whole)-rest.Len()])
			kept += n
		}
		if content != nil {
			if err == io.EOF {
				part.Data = whole[start:kept:kept]
				k.parts = append(k.parts, part)
				continue
			}
			err = form.fault(err)
		}
		var refused *rpc.Error
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused):
			return refused
		}
		return &rpc.Error{Reason: rpc.Internal, Message: "the form could not be read", Cause: err}
	}
}

// emptied is the memory of parts for those of another form, if they were not
// unusually many.
func emptied(parts []plan.Part) []plan.Part {
	const most = 100
	if cap(parts) > most {
		return nil
	}
	clear(parts)
	return parts[:0]
}
