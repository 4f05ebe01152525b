package outbound

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Streams of some services have their messages in wrappers. An element is
//
//	{"result": {…}}    a message, from servers of grpc-gateway
//	{"error": {…}}     the status that ends the stream, from these and from this gateway
//
// Both are recognized where they can be nothing else: in an object with that one member
// alone, which no message has as a field. To ignore them as unknown fields would make
// empty messages of them, and OK of an error.

// wrappers are those that elements of an answer may have.
type wrappers struct{ result, failure bool }

// wrappersOf are those that no value of the field or, if that is nil, of the message can
// be taken for.
func wrappersOf(output *codec.Message, field *codec.Field) wrappers {
	m := output
	if field != nil {
		switch {
		case field.Map():
			return wrappers{}
		case field.Repeated() || field.Message() == nil:
			// Never an object.
			return wrappers{true, true}
		}
		m = field.Message()
	}
	switch m.FullName() {
	case "google.protobuf.Struct", "google.protobuf.Value":
		return wrappers{}
	}
	return wrappers{m.FieldByName([]byte("result")) == nil, m.FieldByName([]byte("error")) == nil}
}

// unwrap is the JSON of the message in an element of a stream. It is false if the
// element is an error.
func (r *reading) unwrap(element []byte) (message []byte, ok bool) {
	w := r.answer.wrappers
	if w.result {
		if result, is := onlyMember(element, `"result"`); is {
			r.inWrappers = true
			return result, true
		}
	}
	// Where all messages have a wrapper, so does an error, whatever fields they have.
	if w.failure || r.inWrappers {
		if failure, is := onlyMember(element, `"error"`); is && isError(failure) {
			return nil, false
		}
	}
	return element, true
}

// isError reports whether the value of a member says that there is an error: null, false
// and empty text say that there is none.
func isError(value []byte) bool {
	return value[0] == '{' || value[0] == '"' && len(value) > len(`""`)
}

// onlyMember is the value of the one member that an object has, if that is its name, in
// quotes. Whether the value is JSON is for others to see.
func onlyMember(object []byte, name string) (value []byte, is bool) {
	rest := object
	for _, token := range [...]string{"{", name, ":"} {
		if rest, is = bytes.CutPrefix(withoutSpace(rest), []byte(token)); !is {
			return nil, false
		}
	}
	rest, is = bytes.CutSuffix(bytes.TrimRight(rest, space), []byte("}"))
	if rest = bytes.Trim(rest, space); !is || len(rest) == 0 || !isOneValue(rest) {
		return nil, false
	}
	return rest, true
}

const space = " \t\r\n"

func withoutSpace(text []byte) []byte { return bytes.TrimLeft(text, space) }

// isOneValue reports whether there is no comma between values in a text, and no end of
// what is around it.
func isOneValue(text []byte) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return false
			}
		case ',':
			if depth == 0 {
				return false
			}
		}
	}
	return true
}
