package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// answer says what the body of an answer is.
type answer struct {
	message *codec.Message
	// field is the one that the body is the value of; nil for the whole message.
	field  *codec.Field
	number protowire.Number
	// file says that it is a google.api.HttpBody, whose bytes are the body.
	file bool
	// wrappers are those that elements of a stream may have.
	wrappers wrappers
	// accept is what the upstream is asked for.
	accept []string
}

const httpBody = "google.api.HttpBody"

func newAnswer(output *codec.Message, field string, stream bool) (answer, error) {
	a := answer{message: output, accept: asJSON}
	if stream {
		a.accept = acceptMany
	}
	inner := output
	if field != "" {
		if a.field = output.FieldByName([]byte(field)); a.field == nil {
			return a, fmt.Errorf("response_body: %s has no field %q", output.FullName(), field)
		}
		a.number = a.field.Number()
		if inner = a.field.Message(); a.field.Repeated() || a.field.Map() {
			inner = nil
		}
	}
	a.wrappers = wrappersOf(output, a.field)
	if a.file = inner != nil && inner.FullName() == httpBody; a.file {
		a.accept = anything
	}
	return a, nil
}

// append appends the message of a body to dst.
func (a *answer) append(dst, json []byte, s *codec.Scratch) ([]byte, error) {
	if a.field != nil {
		return a.field.AppendWire(dst, json, s, nil)
	}
	return a.message.AppendWire(dst, json, s, nil)
}

// The fields of google.api.HttpBody.
const (
	fieldContentType = 1
	fieldData        = 2
)

// appendFile appends the message of a body that is bytes.
func (a *answer) appendFile(dst []byte, contentType string, data []byte) []byte {
	if a.field == nil {
		return appendHTTPBody(dst, contentType, data)
	}
	inner := appendHTTPBody(nil, contentType, data)
	return protowire.AppendBytes(protowire.AppendTag(dst, a.number, protowire.BytesType), inner)
}

func appendHTTPBody(dst []byte, contentType string, data []byte) []byte {
	if contentType != "" {
		// A header may have any bytes, a string may not.
		dst = protowire.AppendString(protowire.AppendTag(dst, fieldContentType, protowire.BytesType), strings.ToValidUTF8(contentType, "\uFFFD"))
	}
	if len(data) > 0 {
		dst = protowire.AppendBytes(protowire.AppendTag(dst, fieldData, protowire.BytesType), data)
	}
	return dst
}

// reading is an answer that is being read.
type reading struct {
	*method
	*work
	ctx    context.Context
	res    *http.Response
	sink   rpc.Sink
	answer *answer
	// more is what else is told of a failure.
	more rpc.Header
	// inWrappers says that a message of the stream was in one.
	inWrappers bool
	// unknown counts the fields that were left out.
	unknown int
}

// run reads the answer and tells how the call ended.
func (r *reading) run() (rpc.Status, rpc.Header) {
	md := transcoder.AppendAnswer(nil, r.res.Header, &everything)
	r.work.codec.MaxDepth, r.work.codec.MaxJSON = r.MaxDepth, r.MaxJSONBytes
	// A service may know more of a message than these descriptors do.
	r.work.codec.Parse = codec.Parse{IgnoreUnknown: true}
	if r.res.StatusCode < 200 || r.res.StatusCode > 299 {
		// As an answer of trailers alone.
		return r.refused(), md
	}
	if encoding := r.encoding(); encoding != "" {
		return r.broken(nil, "answered with the content encoding %q, which it was not asked for", encoding), nil
	}
	r.sink.Head(md)
	var st rpc.Status
	if r.Method.ServerStreaming {
		st = r.stream()
	} else {
		st = r.unary()
	}
	st.UnknownFields = r.unknown
	if st.Code != 0 {
		return st, r.more
	}
	return st, transcoder.AppendAnswer(nil, r.res.Trailer, &everything)
}

// media is the media type of the answer, in lower case, without parameters.
func (r *reading) media() string {
	text := r.res.Header.Get("Content-Type")
	if text == "" || text == "application/json" {
		return text
	}
	media, _, err := mime.ParseMediaType(text)
	if err != nil {
		media, _, _ = strings.Cut(text, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	return media
}

// charset is for an error: what else it may be, if the answer says that it is not in
// UTF-8, as JSON has to be (RFC 8259, section 8.1).
func (r *reading) charset() string {
	_, parameters, err := mime.ParseMediaType(r.res.Header.Get("Content-Type"))
	name := parameters["charset"]
	if err != nil || name == "" || strings.EqualFold(name, "utf-8") {
		return ""
	}
	return fmt.Sprintf("; its charset is %q, where JSON is UTF-8", short(name))
}

// encoding is the coding of the body, empty for none.
func (r *reading) encoding() string {
	text := strings.ToLower(strings.TrimSpace(r.res.Header.Get("Content-Encoding")))
	if text == "identity" {
		return ""
	}
	return text
}

// isJSON reports whether a body of this media type may be JSON: without one it may.
func isJSON(media string) bool {
	return media == "" || media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

// unary reads the message of an answer that is one.
func (r *reading) unary() rpc.Status {
	limit := r.MaxJSONBytes
	if r.answer.file {
		limit = r.MaxMessageBytes
	}
	if st := r.readAll(limit); st.Code != 0 {
		return st
	}
	if r.answer.file && r.res.StatusCode != http.StatusNoContent {
		msg := rpc.NewBufferFor(len(r.in) + 64)
		msg.B = r.answer.appendFile(msg.B, r.res.Header.Get("Content-Type"), r.in)
		return r.give(msg)
	}
	// 204, and others without a body, are the empty message.
	json := bytes.TrimPrefix(r.in, mark)
	if len(bytes.TrimSpace(json)) == 0 {
		return r.give(rpc.NewBuffer())
	}
	if media := r.media(); !isJSON(media) {
		return r.broken(nil, "answered with the content type %q, where JSON is wanted", media)
	}
	return r.giveJSON(json)
}

// mark is the byte order mark, which some put before JSON, and which may be ignored there
// (RFC 8259, section 8.1).
var mark = []byte("\xEF\xBB\xBF")

// giveJSON gives the message of one JSON text.
func (r *reading) giveJSON(json []byte) rpc.Status {
	msg := rpc.NewBufferFor(len(json))
	var err error
	if msg.B, err = r.answer.append(msg.B, json, &r.work.codec); err != nil {
		msg.Release()
		return r.broken(err, "answered with what is no %s as JSON: %v%s", r.answer.message.FullName(), err, r.charset())
	}
	r.unknown += r.work.codec.Skipped
	return r.give(msg)
}

// give gives one message on.
func (r *reading) give(msg *rpc.Buffer) rpc.Status {
	if len(msg.B) > r.MaxMessageBytes {
		msg.Release()
		return r.tooLarge(r.MaxMessageBytes)
	}
	if err := r.sink.Message(msg); err != nil {
		return (&rpc.Error{Reason: rpc.ClientClosed, Message: "the call was given up", Cause: err}).Status()
	}
	return ok
}

// readAll reads the body into r.in.
func (r *reading) readAll(limit int) rpc.Status {
	r.in = r.in[:0]
	if n := r.res.ContentLength; n > int64(limit) {
		return r.tooLarge(limit)
	}
	for {
		if len(r.in) == cap(r.in) {
			r.in = append(r.in, make([]byte, max(4<<10, len(r.in)))...)[:len(r.in)]
		}
		n, err := r.res.Body.Read(r.in[len(r.in):cap(r.in)])
		r.in = r.in[:len(r.in)+n]
		switch {
		case len(r.in) > limit:
			return r.tooLarge(limit)
		case errors.Is(err, io.EOF):
			return ok
		case err != nil:
			return r.cut(err)
		}
	}
}

// cut is the status of an answer that ends before its end.
func (r *reading) cut(cause error) rpc.Status {
	var failure *upstream.Error
	switch {
	case r.ctx.Err() != nil:
		return (&rpc.Error{Reason: upstream.Ended(r.ctx), Message: fmt.Sprintf("upstream %q had no more time for its answer", r.Name), Cause: cause}).Status()
	case errors.As(cause, &failure):
		// A function tells in its answer that it has failed.
		var st rpc.Status
		st, r.more = r.failed(r.ctx, cause)
		// The answer had begun.
		st.NotSent = false
		return st
	}
	return (&rpc.Error{Reason: rpc.UpstreamUnreachable, Message: fmt.Sprintf("the answer of upstream %q was cut short", r.Name), Cause: cause}).Status()
}
