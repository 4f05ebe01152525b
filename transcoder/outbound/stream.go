package outbound

import (
	"bytes"
	"errors"
	"io"

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
	var s split.Splitter
	s.Reset(split.ByFirst, r.MaxJSONBytes)
	for {
		element, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			return ok
		case err != nil:
			return r.broken(err, "answered with what is no stream of JSON: %v", err)
		case element != nil:
			if st := r.element(element); st.Code != 0 {
				return st
			}
			continue
		}
		n, err := r.res.Body.Read(s.Space())
		s.Add(n)
		switch {
		case errors.Is(err, io.EOF):
			s.End()
		case err != nil:
			return r.cut(err)
		}
	}
}

// element gives one message on, or ends the stream if it is an error.
func (r *reading) element(json []byte) rpc.Status {
	if inner, is := r.failure(json); is {
		return r.told(inner)
	}
	return r.giveJSON(json)
}

// failure is the error in an element of a stream that has nothing else: as this gateway
// and grpc-gateway end streams that fail.
func (r *reading) failure(json []byte) (inner []byte, is bool) {
	if r.answer.field != nil || r.answer.message.FieldByName([]byte("error")) != nil {
		return nil, false
	}
	return errorMember(json)
}

// errorMember is the value of the member error of an object whose first it is. If it is
// not the only one, the value is no JSON.
func errorMember(json []byte) (value []byte, is bool) {
	rest, is := bytes.CutPrefix(bytes.TrimLeft(json, " \t\r\n"), []byte(`{`))
	if !is {
		return nil, false
	}
	rest, is = bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"error"`))
	if !is {
		return nil, false
	}
	rest, is = bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`:`))
	return bytes.TrimSuffix(bytes.TrimRight(rest, " \t\r\n"), []byte(`}`)), is
}

const readSize = 8 << 10

// events reads server-sent events.
func (r *reading) events() rpc.Status {
	var s frame.Splitter
	s.Reset(frame.Events)
	r.in = r.in[:0]
	end := false
	for {
		for {
			p, n := s.Next(r.in, end)
			if n == 0 {
				break
			}
			if p.IsMessage {
				if st := r.event(&p); st.Code != 0 {
					return st
				}
			}
			r.in = r.in[:copy(r.in, r.in[n:])]
		}
		if end {
			return ok
		}
		if len(r.in) > r.MaxJSONBytes {
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
	if isErrorEvent(p.Raw) {
		return r.told(p.Message)
	}
	return r.element(p.Message)
}

// isErrorEvent reports whether the type of an event is error.
func isErrorEvent(raw []byte) bool {
	for line := range bytes.FieldsFuncSeq(raw, func(c rune) bool { return c == '\n' || c == '\r' }) {
		if name, value, _ := bytes.Cut(line, []byte(":")); string(name) == "event" {
			return string(bytes.TrimPrefix(value, []byte(" "))) == "error"
		}
	}
	return false
}

// chunks gives bytes on as they come.
func (r *reading) chunks() rpc.Status {
	contentType := r.res.Header.Get("Content-Type")
	size := min(32<<10, r.MaxMessageBytes/2)
	if cap(r.in) < size {
		r.in = make([]byte, size)
	}
	for first := true; ; first = false {
		n, err := r.res.Body.Read(r.in[:size])
		if n > 0 || first && errors.Is(err, io.EOF) {
			msg := rpc.NewBufferFor(n + 64)
			msg.B = r.answer.appendFile(msg.B, contentType, r.in[:n])
			contentType = ""
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
