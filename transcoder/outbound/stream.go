package outbound

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/split"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/frame"
)

// stream reads the messages of an answer, each of which is given on when it is there.
func (r *reading) stream() rpc.Status {
	switch media := r.media(); {
	case r.answer.file:
		return r.chunks()
	case media == "text/event-stream":
		return r.events()
	case isJSON(media) || body.Lines(media):
		// Many a service calls lines application/json, too.
		return r.elements()
	default:
		return r.broken(nil, "answered with the content type %q, where JSON, NDJSON or server-sent events are wanted", media)
	}
}

// elements reads an array, or lines.
func (r *reading) elements() rpc.Status {
	s := &r.work.split
	s.Reset(split.ByFirst, r.MaxJSONBytes)
	for first := true; ; first = false {
		element, err := s.Next()
		switch {
		case element != nil:
			if st := r.element(element); st.Code != 0 {
				return st
			}
			continue
		case err == nil:
		case errors.Is(err, io.EOF):
			return ok
		case tooLarge(err):
			return r.tooLarge(r.MaxJSONBytes)
		default:
			return r.broken(err, "answered with what is no stream of JSON: %v", err)
		}
		n, err := r.read(s.Space(), first)
		s.Add(n)
		switch {
		case errors.Is(err, io.EOF):
			s.End()
		case err != nil:
			return r.cut(err)
		}
	}
}

// read reads some of the body into p; what is first is without a byte order mark.
func (r *reading) read(p []byte, first bool) (n int, err error) {
	if !first {
		return r.res.Body.Read(p)
	}
	for err == nil && n < len(mark) && bytes.HasPrefix(mark, p[:n]) {
		var more int
		more, err = r.res.Body.Read(p[n:])
		n += more
	}
	if bytes.HasPrefix(p[:n], mark) {
		n = copy(p, p[len(mark):n])
	}
	return n, err
}

// element gives one message on, or ends the stream if it is an error.
func (r *reading) element(json []byte) rpc.Status {
	message, is := r.unwrap(json)
	if !is {
		return r.told(json)
	}
	return r.giveJSON(message)
}

func tooLarge(err error) bool {
	var fault *split.Error
	return errors.As(err, &fault) && fault.TooLarge
}

const (
	readSize = 8 << 10
	// maxFields is what an event may have besides its message.
	maxFields = 4 << 10
)

// events reads server-sent events.
func (r *reading) events() rpc.Status {
	var s frame.Splitter
	s.Reset(frame.Events)
	r.in = r.in[:0]
	for end := false; ; {
		at := 0
		for {
			p, n := s.Next(r.in[at:], end)
			if n == 0 {
				break
			}
			at += n
			if p.IsMessage {
				if st := r.event(&p); st.Code != 0 {
					return st
				}
			}
		}
		if end {
			return ok
		}
		r.in = r.in[:copy(r.in, r.in[at:])]
		// The JSON has its own limit; an event is a little more.
		if len(r.in) > r.MaxJSONBytes+maxFields {
			return r.tooLarge(r.MaxJSONBytes)
		}
		if cap(r.in)-len(r.in) < readSize {
			r.in = append(r.in, make([]byte, max(readSize, len(r.in)))...)[:len(r.in)]
		}
		n, err := r.res.Body.Read(r.in[len(r.in):cap(r.in)])
		r.in = r.in[:len(r.in)+n]
		switch {
		case errors.Is(err, io.EOF):
			end = true
		case err != nil:
			return r.cut(err)
		}
	}
}

// event gives the message of one event on, or ends the stream if it is an error.
func (r *reading) event(p *frame.Piece) rpc.Status {
	if len(bytes.TrimSpace(p.Message)) == 0 {
		return ok
	}
	if len(p.Message) > r.MaxJSONBytes {
		return r.tooLarge(r.MaxJSONBytes)
	}
	if isErrorEvent(p.Raw) {
		return r.told(p.Message)
	}
	return r.element(p.Message)
}

var eventField = []byte("event")

// isErrorEvent reports whether the type of an event is error: the last that it has.
func isErrorEvent(raw []byte) (is bool) {
	// Few have a type at all, and this is looked for more quickly.
	if !bytes.Contains(raw, eventField) {
		return false
	}
	for line := range bytes.FieldsFuncSeq(raw, func(c rune) bool { return c == '\n' || c == '\r' }) {
		if name, value, _ := bytes.Cut(line, []byte(":")); string(name) == "event" {
			is = string(bytes.TrimPrefix(value, []byte(" "))) == "error"
		}
	}
	return is
}

// chunks gives bytes on as they come. The first message has the content type, so there
// is one even if there are no bytes.
func (r *reading) chunks() rpc.Status {
	contentType := r.res.Header.Get("Content-Type")
	size := max(min(32<<10, r.MaxMessageBytes/2), 1)
	if cap(r.in) < size {
		r.in = make([]byte, size)
	}
	for first := true; ; {
		n, err := r.res.Body.Read(r.in[:size])
		if n > 0 || first && errors.Is(err, io.EOF) && r.res.StatusCode != http.StatusNoContent {
			msg := rpc.NewBufferFor(n + 64)
			msg.B = r.answer.appendFile(msg.B, contentType, r.in[:n])
			contentType, first = "", false
			if st := r.give(msg); st.Code != 0 {
				return st
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return ok
		case err != nil:
			return r.cut(err)
		}
	}
}
