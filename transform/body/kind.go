package body

import "strings"

// Kind is what a body is read as, and written as.
type Kind uint8

// The kinds of bodies.
const (
	JSON Kind = iota
	Form
	Multipart
	Text
	Bytes
)

var kindNames = [...]string{JSON: "JSON", Form: "form", Multipart: "multipart", Text: "text", Bytes: "bytes"}

// String is the kind's name in prose: "form".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// As is what the configuration says a body is (body_as).
type As uint8

// Auto goes by the content type; the others do not look at it.
const (
	Auto As = iota
	AsJSON
	AsText
	AsBytes
)

// KindOf is the kind of a body that is to be read. By content type (Auto):
// application/json, text/json, everything in +json, and NDJSON, each line of which
// is a body of its own; application/x-www-form-urlencoded; multipart/form-data;
// text/*, XML, JavaScript, YAML and GraphQL as text. Without a content type it is
// JSON if first, the beginning of the body, begins as JSON does or has nothing but
// white space. Anything else is a [*KindError].
func KindOf(contentType string, as As, first []byte) (Kind, error) {
	switch as {
	case AsJSON:
		return JSON, nil
	case AsText:
		return Text, nil
	case AsBytes:
		return Bytes, nil
	}
	if contentType == "" {
		if beginsJSON(first) {
			return JSON, nil
		}
		return 0, &KindError{}
	}
	kind, ok := kindOfType(mediaType(contentType))
	if !ok {
		return 0, &KindError{ContentType: contentType}
	}
	return kind, nil
}

// KindFor is the kind as which a value that a program made is written under a
// content type: that of [KindOf]. Under one that says nothing a string is text,
// and without a content type every other value is JSON.
func KindFor(contentType string, as As, v any) Kind {
	if contentType == "" && as == Auto {
		if _, ok := v.(string); ok {
			return Text
		}
		return JSON
	}
	kind, err := KindOf(contentType, as, nil)
	if err != nil {
		return Text
	}
	return kind
}

func beginsJSON(first []byte) bool {
	for _, c := range first {
		switch c {
		case ' ', '\t', '\n', '\r':
			continue
		case '{', '[', '"', '-', 't', 'f', 'n':
			return true
		}
		return c-'0' <= 9
	}
	return true
}

// mediaType is a content type without parameters, in lower case. Nothing is
// allocated for one that is in lower case already.
func mediaType(contentType string) string {
	name, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.Trim(name, " \t"))
}

// Lines reports whether a body of this content type is NDJSON: a body of its own in
// each line.
func Lines(contentType string) bool { return isLines(mediaType(contentType)) }

func isLines(name string) bool {
	switch name {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines":
		return true
	}
	return false
}

// Events reports whether a body of this content type is a stream of server-sent
// events.
func Events(contentType string) bool { return mediaType(contentType) == "text/event-stream" }

func kindOfType(name string) (kind Kind, ok bool) {
	switch name {
	case "application/json", "text/json":
		return JSON, true
	case "application/x-www-form-urlencoded":
		return Form, true
	case "multipart/form-data":
		return Multipart, true
	case "application/xml", "application/javascript", "application/x-javascript", "application/ecmascript",
		"application/yaml", "application/x-yaml", "application/graphql":
		return Text, true
	}
	switch {
	case strings.HasSuffix(name, "+json"), isLines(name):
		return JSON, true
	case strings.HasPrefix(name, "text/"), strings.HasSuffix(name, "+xml"), strings.HasSuffix(name, "+yaml"):
		return Text, true
	}
	return 0, false
}
