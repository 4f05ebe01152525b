package rest

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// download is the framing of messages whose bodies are google.api.HttpBody: the
// bytes of one behind those of the other, as they come. The first message says
// what they are.
type download struct{}

var _ framing = download{}

// head implements [framing].
func (download) head(a *answering, h http.Header) {
	if h["Content-Type"] = a.media; a.media == nil {
		h["Content-Type"] = octetType
	}
	h[sniffHeader] = noSniff
}

// message implements [framing]. Much data is sent from where it is: only what is
// worth gathering is copied.
func (download) message(a *answering, wire []byte) *rpc.Error {
	if err := a.plan.ReadHTTPBody(&a.file, wire); err != nil {
		return a.unrenderable(err)
	}
	defer a.file.Reset() // the message is gone after this
	if !a.begun {
		var refused *rpc.Error
		if a.media, refused = a.fileType(a.file.ContentType); refused != nil {
			return refused
		}
	}
	data := a.file.Data
	if len(data) < flushAt {
		a.out = append(a.out, data...)
		return nil
	}
	if a.begin(); a.done {
		return nil
	}
	a.flush()
	a.send(data)
	a.idle.Touch()
	return nil
}

// end implements [framing].
func (download) end(*answering) {}

// fault implements [framing]: there is no place for an error among somebody's
// bytes.
func (download) fault(*answering, []byte) bool { return false }
