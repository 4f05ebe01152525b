package rest

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// firstRead is how much room a body gets before anything of it has come: what
// a Content-Length promises costs nothing to promise.
const firstRead = 64 << 10

// readBody reads the whole body into k.body, at most limit bytes of it. A body
// that the rule does not want is read as well, and thrown away: only at its end
// does net/http notice over HTTP/1 that the other side has left.
//
// It must have come by the time until, if that is not zero. When it has not, or
// is refused, the time stays set: net/http reads on before it answers.
func (k *work) readBody(w http.ResponseWriter, r *http.Request, x *route.Exchange, limit int, wanted bool, until time.Time) *rpc.Error {
	k.body = k.body[:0]
	if r.Body == nil || r.ContentLength == 0 {
		return nil
	}
	control := http.NewResponseController(w)
	// Not every ResponseWriter can do it: then the connection's own limits do.
	_ = control.SetReadDeadline(until)
	if err := k.readAll(w, r, x, limit, wanted); err != nil {
		return err
	}
	// From now on the connection is only watched for the client's leaving.
	_ = control.SetReadDeadline(time.Time{})
	return nil
}

func (k *work) readAll(w http.ResponseWriter, r *http.Request, x *route.Exchange, limit int, wanted bool) *rpc.Error {
	if !wanted {
		// It is not inflated: nothing comes of it.
		if r.ContentLength > int64(limit) {
			return tooLarge(limit)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r.Body, int64(limit)+1))
		x.RequestBytes += n
		if err != nil {
			return unreadable(r, err)
		}
		if n > int64(limit) {
			return tooLarge(limit)
		}
		return nil
	}
	coding, err := contentCoding(r.Header)
	if err != nil {
		w.Header()["Accept-Encoding"] = acceptedCodings
		return err
	}
	if coding != "" {
		return k.readCompressed(r, x, coding, limit)
	}
	if r.ContentLength > int64(limit) {
		return tooLarge(limit)
	}
	if n := int(r.ContentLength); n > 0 {
		k.body = slices.Grow(k.body, min(n+1, firstRead))
	}
	fault := k.fill(r.Body, limit)
	x.RequestBytes += int64(len(k.body))
	if errors.Is(fault, errTooLong) {
		return tooLarge(limit)
	}
	if fault != nil {
		return unreadable(r, fault)
	}
	return nil
}

// fill reads body to its end, at most limit bytes of it, into k.body.
func (k *work) fill(body io.Reader, limit int) error {
	for {
		if len(k.body) == cap(k.body) {
			k.body = slices.Grow(k.body, max(len(k.body), 4<<10))
		}
		// One byte more than allowed shows that there is more.
		n, err := body.Read(k.body[len(k.body):min(cap(k.body), limit+1)])
		k.body = k.body[:len(k.body)+n]
		switch {
		case len(k.body) > limit:
			return errTooLong
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

func tooLarge(limit int) *rpc.Error {
	return rpc.Errorf(rpc.RequestTooLarge, "the body is larger than %d bytes", limit)
}

// unreadable is the error of a body that stops before its end.
func unreadable(r *http.Request, err error) *rpc.Error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return rpc.Errorf(rpc.DeadlineExceeded, "the deadline passed before the request was complete")
	}
	var most *http.MaxBytesError
	if errors.As(err, &most) {
		return tooLarge(int(most.Limit))
	}
	// The context may end after the body: over HTTP/2 nothing else is an error of
	// reading but that the stream has ended, or broken.
	if r.ProtoMajor >= 2 || r.Context().Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return &rpc.Error{Reason: rpc.ClientClosed, Message: "the body was cut short", Cause: err}
	}
	return &rpc.Error{Reason: rpc.InvalidRequest, Message: "the body cannot be read", Cause: err}
}

// checkMedia refuses a body that does not claim to be JSON. No claim will do,
// and so does the one that curl makes for whatever it is given.
func checkMedia(h http.Header) *rpc.Error {
	media := mediaType(h)
	switch {
	case media == "",
		strings.EqualFold(media, "application/json"),
		strings.EqualFold(media, formType),
		strings.EqualFold(media, "text/json"),
		hasSuffixFold(media, "+json"):
		return nil
	}
	return rpc.Errorf(rpc.UnsupportedMediaType, "content-type %q is not supported: send application/json", media)
}

const formType = "application/x-www-form-urlencoded"

// mediaType is the media type of a body without its parameters, "" if it has
// none.
func mediaType(h http.Header) string {
	values := h["Content-Type"]
	if len(values) == 0 {
		return ""
	}
	media, _, _ := strings.Cut(values[0], ";")
	return strings.TrimSpace(media)
}

// form reports whether the body is to be read as a form. It is an error if the
// rule's body can be none.
func (l *rule) form(r *http.Request) (bool, *rpc.Error) {
	if !l.settings.FormBodies || r.ContentLength == 0 || !l.plan.TakesBody() || l.plan.TakesHTTPBody() || !strings.EqualFold(mediaType(r.Header), formType) {
		return false, nil
	}
	if !l.plan.TakesForm() {
		return false, rpc.Errorf(rpc.UnsupportedMediaType,
			"the body of this path is no message with fields, which is what a form could set: send application/json")
	}
	return true, nil
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) > len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
