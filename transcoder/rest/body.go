package rest

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
)

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
			return coding.TooLarge(limit)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r.Body, int64(limit)+1))
		x.RequestBytes += n
		if err != nil {
			return coding.Unreadable(r, limit, err)
		}
		if n > int64(limit) {
			return coding.TooLarge(limit)
		}
		return nil
	}
	name, err := coding.Of(r.Header)
	if err != nil {
		w.Header()["Accept-Encoding"] = coding.Accepted
		return err
	}
	var travelled int64
	k.body, travelled, err = coding.Read(k.body, r, name, limit)
	x.RequestBytes += travelled
	return err
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
