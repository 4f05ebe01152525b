package plan

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// body makes r's body.
func (c *rule) body(r *Request, message []byte) error {
	switch {
	case c.raw != nil:
		return c.raw.body(r, message)
	case c.mode == wholeBody:
		return c.wholeJSON(r, message)
	case c.mode == fieldBody:
		var set bool
		var err error
		if r.json, set, err = c.field.AppendSetJSON(r.json, message, &r.codec); err != nil {
			return fromCodec(rpc.InvalidBody, "body", err)
		}
		if set {
			r.Body, r.ContentType = r.json, jsonType
		}
	}
	return nil
}

// wholeJSON makes r's body the JSON of what the path does not have.
func (c *rule) wholeJSON(r *Request, message []byte) error {
	var err error
	if c.rest != nil {
		if r.rest, err = c.rest.AppendCut(r.rest, message, &r.codec); err != nil {
			return fromCodec(rpc.InvalidBody, "body", err)
		}
		message = r.rest
		r.codec.Selected = c.rest
	}
	if r.json, err = c.input.AppendJSON(r.json, message, &r.codec); err != nil {
		return fromCodec(rpc.InvalidBody, "body", err)
	}
	r.Body, r.ContentType = r.json, jsonType
	return nil
}

// httpBody is a google.api.HttpBody that is the body: bytes of any media type, which
// go out as they are.
type httpBody struct {
	// parents lead to it; there are none if it is the whole message.
	parents           []*codec.Field
	contentType, data *codec.Field
}

const httpBodyName = "google.api.HttpBody"

// newHTTPBody is nil if m is no google.api.HttpBody.
func newHTTPBody(m *codec.Message, parents ...*codec.Field) *httpBody {
	if m == nil || m.FullName() != httpBodyName {
		return nil
	}
	fields := m.Descriptor().Fields()
	h := &httpBody{parents: parents}
	if fd := fields.ByName("content_type"); fd != nil && fd.Kind() == protoreflect.StringKind && !fd.IsList() {
		h.contentType = m.FieldByNumber(fd.Number())
	}
	if fd := fields.ByName("data"); fd != nil && fd.Kind() == protoreflect.BytesKind && !fd.IsList() {
		h.data = m.FieldByNumber(fd.Number())
	}
	if h.contentType == nil || h.data == nil {
		return nil // not Google's: a message like any other
	}
	return h
}

func (h *httpBody) body(r *Request, message []byte) error {
	media, err := codec.BytesValue(h.parents, h.contentType, message, &r.codec)
	if err != nil {
		return fromCodec(rpc.InvalidBody, "body", err)
	}
	for _, b := range media {
		// It becomes a header.
		if b < ' ' || b > '~' {
			return invalid(rpc.InvalidBody, h.name(), "is no media type",
				"field \""+h.name()+"\" is no media type: it has a character that a header cannot have")
		}
	}
	if r.Body, err = codec.BytesValue(h.parents, h.data, message, &r.codec); err != nil {
		return fromCodec(rpc.InvalidBody, "body", err)
	}
	if string(media) != r.media {
		r.media = string(media)
	}
	r.ContentType = r.media
	return nil
}

// name is the path of the field with the media type.
func (h *httpBody) name() string {
	name := h.contentType.Name()
	for _, parent := range h.parents {
		name = parent.Name() + "." + name
	}
	return name
}
