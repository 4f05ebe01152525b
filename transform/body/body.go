// Package body turns the bytes of bodies into the values that jq programs work
// on, and back. The values are those that package transform/jq speaks of.
//
//	JSON       any value. A whole number of up to 18 digits is an int, every other
//	           number a json.Number with the text it came with, so that 1.0, 0.10
//	           and 12345678901234567890 leave as they came. Of members with one
//	           name the last counts.
//	form       an object: name → string, or an array of strings where the name
//	           occurs more than once.
//	multipart  an object too. A part is a string, or, if it has a file name or is
//	           not plain text, an object {filename, content_type, data}, data
//	           being base64.
//	text       a string.
//	bytes      a string: standard base64.
//
// Nothing here reads or waits: a body is complete, and what may become of it is
// bounded by [Limits] before memory is taken for it.
package body

import (
	"encoding/base64"
	"fmt"
	"math"
	"strings"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// Limits bound what a body may be and become. Zero is no bound where nothing else
// is said.
type Limits struct {
	// Bytes is how long a body may be that is read or written.
	Bytes int
	// Depth is how deep objects and arrays may nest, in what is read and in what is
	// written; zero and everything above is 10,000.
	Depth int
	// Memory is how many bytes the values of a body may take, by estimate.
	Memory int
	// Parts is how many parts a multipart body may have; zero is 1,000.
	Parts int
}

const (
	maxDepth     = 10_000
	defaultParts = 1000
)

func (l Limits) bytes() int {
	if l.Bytes <= 0 {
		return math.MaxInt
	}
	return l.Bytes
}

func (l Limits) depth() int {
	if l.Depth <= 0 {
		return maxDepth
	}
	return min(l.Depth, maxDepth)
}

func (l Limits) memory() int {
	if l.Memory <= 0 {
		return math.MaxInt
	}
	return l.Memory
}

func (l Limits) parts() int {
	if l.Parts <= 0 {
		return defaultParts
	}
	return l.Parts
}

// Decode reads a body. What want does not ask for is checked all the same, and is
// in the value as little as [jq.Paths] allows: members are missing, arrays are
// empty, and where Elements are asked for without anything below them they are
// null. Of forms, fields are missing, and the data of files.
//
// If want asks for nothing at all, the value is nil. The value shares no memory
// with data. The content type is needed for the boundary of a multipart body and
// for the charset of text.
//
// A body that is not what kind says is a [*SyntaxError], one beyond the limits a
// [*LimitError].
func Decode(kind Kind, contentType string, data []byte, want jq.Paths, l Limits) (any, error) {
	if len(data) > l.bytes() {
		return nil, &LimitError{Limit: LimitBytes, Max: l.Bytes, Offset: l.Bytes}
	}
	switch kind {
	case Form:
		return decodeForm(data, want, l)
	case Multipart:
		return decodeMultipart(contentType, data, want, l)
	case Text:
		text, err := decodeText(contentType, data, l.memory())
		if err != nil || !want.Any() {
			return nil, err
		}
		return text, nil
	case Bytes:
		if !want.Any() {
			return nil, nil
		}
		if base64.StdEncoding.EncodedLen(len(data)) > l.memory() {
			return nil, &LimitError{Limit: LimitMemory, Max: l.Memory}
		}
		return base64.StdEncoding.EncodeToString(data), nil
	default:
		return decodeJSON(data, want, l)
	}
}

// Append appends a value as a body. The kind is that of [KindFor] with this
// content type, or the one that the body was read as. The new content type is
// empty if the body has the one that was given; there is a new one
//
//   - where none was given: that of JSON or of plain text;
//   - for a value that is no string under a kind that is not JSON: that of JSON, as
//     which it is written. Objects under the kinds of forms stay forms;
//   - for a multipart body, which has a new boundary;
//   - for text with another charset than UTF-8, in which it is written.
//
// JSON is compact, with the names of members sorted. Numbers are written as jq
// does: NaN is null, an infinity the largest float64. What is not UTF-8 in a
// string becomes U+FFFD. In a form, an array is a name that occurs more than once,
// null is left out, and other scalars are their text. A string under the kind of
// forms is the text of a form, and no multipart body.
//
// A value that the kind cannot have is a [*ValueError], a body beyond the limits a
// [*LimitError]; dst is returned as it was with both.
func Append(dst []byte, kind Kind, contentType string, v any, l Limits) (out []byte, newContentType string, err error) {
	text, isText := v.(string)
	object, isObject := v.(map[string]any)
	switch {
	case kind == Form && isObject:
		out, err = appendForm(dst, object, l)
	case kind == Multipart && isObject:
		out, newContentType, err = appendMultipart(dst, object, l)
	case kind == Multipart && isText:
		err = &ValueError{Message: "a multipart body is made of an object, not of a string"}
	case kind == Bytes && isText:
		out, err = appendBytes(dst, text, l.bytes())
	case (kind == Text || kind == Form) && isText:
		out, newContentType, err = appendText(dst, contentType, text, l.bytes())
	default:
		out, err = appendJSON(dst, v, l)
		if kind != JSON || contentType == "" {
			newContentType = "application/json"
		}
	}
	if err != nil {
		return dst, "", err
	}
	return out, newContentType, nil
}

func appendBytes(dst []byte, text string, limit int) ([]byte, error) {
	padding := len(text) - len(strings.TrimRight(text, "="))
	if base64.StdEncoding.DecodedLen(len(text))-padding > limit {
		return nil, &LimitError{Limit: LimitBytes, Max: limit}
	}
	out, err := base64.StdEncoding.AppendDecode(dst, []byte(text))
	if err != nil {
		return nil, &ValueError{Message: fmt.Sprintf("a body of bytes is standard base64: %v", err)}
	}
	return out, nil
}
