package rest

import (
	"net/http"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/entity"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// entityTag gives answers to GET their entity tags (RFC 9110, section 8.8.3).
type entityTag struct {
	// field has the tag; nil if it is made of the answer's bytes.
	field *plan.Value
}

// maxTag bounds a tag that comes from a message.
const maxTag = 256

// newEntityTag is nil if the settings ask for no tags, or for a field that
// messages of this type do not have: one setting is for all methods of a route.
func newEntityTag(ep *transcoder.Endpoint, output protoreflect.MessageDescriptor) (*entityTag, error) {
	switch path := ep.Settings.ETag; path {
	case "":
		return nil, nil
	case "*":
		return &entityTag{}, nil
	default:
		if !hasField(output, path) {
			return nil, nil
		}
		v, err := plan.NewValue(ep.Codec, output, path, false)
		if err != nil {
			return nil, err
		}
		return &entityTag{field: v}, nil
	}
}

// hasField reports whether a path of proto names leads to a field.
func hasField(md protoreflect.MessageDescriptor, path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		if md == nil {
			return false
		}
		fd := md.Fields().ByName(protoreflect.Name(part))
		if fd == nil {
			return false
		}
		md = fd.Message()
	}
	return true
}

// set gives the answer its tag, and reports whether the client has it already.
// The upstream's own tag, in header or trailer, counts before any other.
func (e *entityTag) set(h http.Header, r *http.Request, x *route.Exchange, k *work, body []byte, policy *rpc.HeaderPolicy) (fresh bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	own := h["Etag"]
	if len(own) == 0 && policy.Passes("etag") {
		if tag := k.sink.trailer.Get("etag"); tag != "" {
			own = []string{tag}
			h["Etag"] = own
		}
	}
	if len(own) > 0 {
		// It is about the whole message: who has that, or another part, may lack the
		// part that is asked for.
		return k.want.Mask == nil && entity.NoneMatch(r.Header["If-None-Match"], own[0])
	}
	tag := e.make(k, body)
	if tag == "" {
		return false
	}
	h["Etag"] = []string{tag}
	if x.Reshaped && e.field == nil {
		x.Tag = tag
		return false
	}
	return entity.NoneMatch(r.Header["If-None-Match"], tag)
}

// make makes a tag, "" if there is nothing to make it of.
func (e *entityTag) make(k *work, body []byte) string {
	if e.field == nil {
		return entity.Tag(body)
	}
	if k.want.Mask != nil {
		// The field is about the whole message; a part of it is something else.
		return ""
	}
	text, ok, err := e.field.AppendText(nil, k.sink.message.B, &k.scratch)
	if !ok || err != nil || len(text) > maxTag {
		return ""
	}
	return quoteTag(string(text))
}

// quoteTag is text as an entity tag, which it may be already; "" if it has what
// cannot stand in one.
func quoteTag(text string) string {
	weak, inner := "", text
	if rest, ok := strings.CutPrefix(text, "W/"); ok && strings.HasPrefix(rest, `"`) {
		weak, inner = "W/", rest
	}
	if len(inner) >= 2 && inner[0] == '"' && inner[len(inner)-1] == '"' {
		inner = inner[1 : len(inner)-1]
	}
	if text == "" {
		return ""
	}
	for i := range len(inner) {
		if c := inner[i]; c <= ' ' || c == '"' || c > '~' {
			return ""
		}
	}
	return weak + `"` + inner + `"`
}
