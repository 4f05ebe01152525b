package rest

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

const (
	// chunkMessage is how much memory a message of a file has that is sent on as it
	// comes, all but the first one: what a frame of HTTP/2 holds. One such message is
	// held here, and two more wait in the upstream.
	chunkMessage = 16 << 10
	// chunkBytes is how much of the file that is at most.
	chunkBytes = chunkMessage - 64
)

// upload are the messages of a body that is a google.api.HttpBody: each has what
// could be read of it at once. The media type, and what path and query bind, are in
// the first one, which there is even if the body is empty; by option path and query
// are in all of them. The rules of buf.validate are held against whole messages,
// not against those that are data alone.
type upload struct {
	*elements
	// room is what stands before the data of a whole chunk.
	room         int
	begun, ended bool
}

var _ messages = (*upload)(nil)

func newUpload(e *elements) *upload {
	return &upload{elements: e, room: len(e.plan.AppendHTTPBodyHead(nil, "", chunkBytes))}
}

// next implements [messages].
func (u *upload) next() (*rpc.Buffer, *rpc.Error) {
	if u.fault != nil || u.ended {
		return nil, u.fault
	}
	message := rpc.NewBufferFor(chunkMessage)
	first := !u.begun
	whole := first || u.settings.Stream.BindAll
	u.begun = true
	if whole {
		var fault error
		message.B, fault = u.plan.Bind(message.B, &u.request, &u.scratch)
		u.request.ContentType = ""
		if fault != nil {
			message.Release()
			return nil, badRequest(fault)
		}
	}
	if n := u.read(message); n == 0 && (u.fault != nil || !first) {
		message.Release()
		return nil, u.fault
	}
	if whole {
		if err := transcoder.Check(u.rules, message.B, &u.checks); err != nil {
			message.Release()
			return nil, err
		}
	}
	return message, nil
}

// read adds what comes next of the body to a message, without another copy, and
// returns how much it is: 0 at the end, or behind a fault.
func (u *upload) read(message *rpc.Buffer) int {
	mark := len(message.B)
	message.B = slices.Grow(message.B, u.room+chunkBytes)
	data := message.B[mark+u.room : mark+u.room+chunkBytes]
	n := 0
	for n == 0 && u.fault == nil && !u.ended {
		var err error
		if n, err = u.in.Read(data); err != nil {
			// What came before it counts.
			u.fault = u.in.fault(err)
			u.ended = u.fault == nil
		}
	}
	if n == 0 {
		return 0
	}
	// A shorter chunk has a shorter length before it.
	message.B = u.plan.AppendHTTPBodyHead(message.B, "", n)
	at := len(message.B)
	message.B = message.B[:at+n]
	copy(message.B[at:], data[:n])
	message.B = u.plan.AppendHTTPBodyTail(message.B)
	return n
}
