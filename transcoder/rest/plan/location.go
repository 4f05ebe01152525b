package plan

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Location is a template of a Location header, /v1/{name}, over one type of
// messages. It is immutable and safe for any goroutine.
type Location struct {
	// texts stand before, between and behind the values; there is one more.
	texts  []string
	values []*Value
}

// maxLocation bounds the header: values come from upstreams, and no client takes
// a longer one.
const maxLocation = 8 << 10

// NewLocation compiles a template: text of a URI in which {field} and
// {field.below} stand for fields of the message.
func NewLocation(c *codec.Codec, md protoreflect.MessageDescriptor, template string) (*Location, error) {
	l := &Location{}
	for rest := template; ; {
		text, after, found := strings.Cut(rest, "{")
		for i := range len(text) {
			if !uriText(text[i]) {
				return nil, fmt.Errorf("%q at byte %d cannot stand in a URI; percent-encode it", text[i:i+1], len(template)-len(rest)+i)
			}
		}
		l.texts = append(l.texts, text)
		if !found {
			return l, nil
		}
		path, after, found := strings.Cut(after, "}")
		if !found {
			return nil, fmt.Errorf("the brace at byte %d is never closed", len(template)-len(rest)+len(text))
		}
		v, err := NewValue(c, md, path, false)
		if err != nil {
			return nil, fmt.Errorf("variable %q: %w", path, err)
		}
		l.values = append(l.values, v)
		rest = after
	}
}

// Append appends the header's value for a serialized message: values are
// percent-encoded but for their slashes. ok is false, and nothing is appended, if
// a value is empty, if the header would be too long, or if a value's own slash
// would make another host of the path's beginning. The error is a *[codec.Error].
func (l *Location) Append(dst, wire []byte, s *Scratch) (out []byte, ok bool, err error) {
	out = append(dst, l.texts[0]...)
	for i, v := range l.values {
		s.text, ok, err = v.AppendText(s.text[:0], wire, s)
		if err != nil || !ok || len(s.text) == 0 {
			return dst, false, err
		}
		out = appendEscaped(out, s.text)
		out = append(out, l.texts[i+1]...)
		if len(out)-len(dst) > maxLocation {
			return dst, false, nil
		}
	}
	const authority = "//"
	made := string(out[len(dst):min(len(out), len(dst)+len(authority))])
	if made == authority && !strings.HasPrefix(l.texts[0], authority) {
		return dst, false, nil
	}
	return out, true, nil
}

// appendEscaped appends the value of a field as part of a path.
func appendEscaped(dst, value []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range value {
		if c == '/' || pathChar(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// pathChar reports whether c may stand in a segment of a path as it is (RFC
// 3986, section 3.3).
func pathChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}

// uriText reports whether c may stand in a URI outside variables.
func uriText(c byte) bool { return pathChar(c) || strings.IndexByte("/?#[]%", c) >= 0 }
