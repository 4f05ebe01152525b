package event

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
)

// StreamType is the content type of a stream that begins with a prelude.
const StreamType = "application/vnd.awslambda.http-integration-response"

// maxPrelude is how many bytes a prelude may have: what a header may have, and as much
// for how it is written.
const maxPrelude = 2 * maxHeader

// preludeEnd is what stands between prelude and body. JSON has no such bytes.
const preludeEnd = "\x00\x00\x00\x00\x00\x00\x00\x00"

// Stream reads what InvokeWithResponseStream gives, chunk by chunk, wherever it was cut.
// A stream of type [StreamType] begins with a JSON object, which has statusCode, headers
// and cookies as for [Unwrap], and eight NUL bytes; what follows is the body:
//
//	{"statusCode":201,"headers":{"Content-Type":"text/html"}}\0\0\0\0\0\0\0\0<p>hello
//
// A stream of another type, or one whose first byte is no brace, is the body itself,
// with status 200. A body without a content type is application/octet-stream, as
// in function URLs.
type Stream struct {
	contentType string
	prelude     bool
	buf         []byte
	// seen is how many bytes of buf are known to be no end.
	seen int
}

// NewStream makes a Stream for a content type, that of the service's answer; empty if it
// told none.
func NewStream(contentType string) *Stream {
	return &Stream{contentType: contentType, prelude: contentType == StreamType}
}

// Next takes a chunk of the stream, which is not kept. Once head is true, out has status
// and header, body is the first of the body, perhaps nothing, and all chunks that follow
// are the rest of it: Next is not to be called again. body is valid as long as chunk is
// not changed.
func (s *Stream) Next(chunk []byte, out *Response) (body []byte, head bool, err error) {
	if !s.prelude {
		s.plain(out)
		return chunk, true, nil
	}
	if len(chunk) == 0 {
		return nil, false, nil
	}
	if len(s.buf) == 0 && chunk[0] != '{' {
		s.contentType = ""
		s.plain(out)
		return chunk, true, nil
	}
	// Whatever is beyond the limit is not copied, but for the bytes of the end.
	room := maxPrelude + len(preludeEnd) - len(s.buf)
	had := len(s.buf)
	s.buf = append(s.buf, chunk[:min(room, len(chunk))]...)
	i := bytes.IndexByte(s.buf[s.seen:], 0)
	if i < 0 {
		i = len(s.buf) - s.seen
	}
	end := s.seen + i
	s.seen = end
	if end > maxPrelude {
		return nil, false, fmt.Errorf("the prelude of the function's stream has more than %d bytes", maxPrelude)
	}
	zeros := s.buf[end:min(end+len(preludeEnd), len(s.buf))]
	if string(zeros) != preludeEnd[:len(zeros)] {
		return nil, false, errors.New("the prelude of the function's stream is not followed by eight zero bytes")
	}
	if len(zeros) < len(preludeEnd) {
		return nil, false, nil
	}
	if err := s.head(s.buf[:end], out); err != nil {
		return nil, false, err
	}
	return chunk[end+len(preludeEnd)-had:], true, nil
}

// End is to be called if the stream has ended before Next has found the head: out is an
// answer without a body, if there is one.
func (s *Stream) End(out *Response) error {
	if len(s.buf) > 0 {
		return errors.New("the function's stream ended in its prelude, before the eight zero bytes behind it")
	}
	s.contentType = ""
	s.plain(out)
	return nil
}

// plain is the head of a stream that has none.
func (s *Stream) plain(out *Response) {
	contentType := s.contentType
	if contentType == "" {
		contentType = bytesType
	}
	*out = Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}}
}

// head reads a prelude.
func (s *Stream) head(prelude []byte, out *Response) error {
	var a answer
	if err := a.parse(prelude); err != nil {
		return fmt.Errorf("the prelude of the function's stream: %w", err)
	}
	*out = Response{Header: make(http.Header, 4)}
	if err := a.head(APIGatewayV2, out); err != nil {
		return err
	}
	if len(out.Header["Content-Type"]) == 0 {
		out.Header["Content-Type"] = []string{bytesType}
	}
	return nil
}
