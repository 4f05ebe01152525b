package rest

import (
	"net/http"
	"strings"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Answers that are a google.api.HttpBody travel as they are. Their media type is
// chosen by the service, which may have it from somebody else; so browsers are
// told not to guess another one.

var (
	octetType = []string{octetStream}
	noSniff   = []string{"nosniff"}
)

// sniffHeader is in canonical form.
const sniffHeader = "X-Content-Type-Options"

// readFile reads the google.api.HttpBody that is the body of an answer into
// k.file, and gives its Content-Type.
func (l *rule) readFile(k *work, wire []byte) (media []string, refused *rpc.Error) {
	if err := l.plan.ReadHTTPBody(&k.file, wire); err != nil {
		return nil, l.unrenderable(err)
	}
	return l.fileType(k.file.ContentType)
}

// fileType is the Content-Type for what the upstream says that its bytes are.
func (l *rule) fileType(told []byte) ([]string, *rpc.Error) {
	media := octetType
	if len(told) > 0 {
		media = []string{string(told)}
		if !isMediaType(media[0]) {
			return nil, rpc.Errorf(rpc.UpstreamProtocol, "the content_type %.100q of the upstream's google.api.HttpBody is not a media type", media[0])
		}
	}
	if allowed := patterns(l.settings.ContentTypes); !allowed.allow(media[0]) {
		return nil, rpc.Errorf(rpc.UpstreamProtocol, "the content_type %.100q of the upstream's google.api.HttpBody is not allowed here: %s are",
			media[0], strings.Join(allowed, ", "))
	}
	return media, nil
}

// body makes the bytes of the answer to a unary call, and their Content-Type.
func (u *unary) body(k *work, h http.Header) ([]byte, []string, *rpc.Error) {
	wire := k.sink.message.B
	if u.plan.GivesHTTPBody() {
		media, refused := u.readFile(k, wire)
		if refused == nil {
			h[sniffHeader] = noSniff
		}
		return k.file.Data, media, refused
	}
	var err error
	if k.out, err = u.plan.Render(k.out[:0], wire, k.want, &k.scratch); err != nil {
		return nil, nil, u.unrenderable(err)
	}
	if u.settings.Pretty {
		body, refused := u.indented(k, k.out)
		return body, jsonType, refused
	}
	return k.out, jsonType, nil
}
