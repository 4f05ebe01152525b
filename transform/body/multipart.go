package body

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// The members of what stands for a part that is a file.
const (
	filenameKey    = "filename"
	contentTypeKey = "content_type"
	dataKey        = "data"
)

// partMemory is what reading a part takes beside its content, by estimate.
const partMemory = 1 << 10

const octetStream = "application/octet-stream"

// decodeMultipart reads multipart/form-data (RFC 7578).
func decodeMultipart(contentType string, data []byte, want jq.Paths, l Limits) (any, error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil, &SyntaxError{Offset: -1, Message: "the content type of the multipart body tells no boundary"}
	}
	f := fields{object: make(map[string]any)}
	memory := l.memory()
	reader := multipart.NewReader(bytes.NewReader(data), params["boundary"])
	var content bytes.Buffer
	for parts := 0; ; parts++ {
		part, err := reader.NextPart()
		if err == io.EOF && closed(data, params["boundary"]) { //nolint:errorlint // most bodies that were cut off have an EOF that is wrapped
			break
		}
		if err != nil {
			return nil, &SyntaxError{Offset: -1, Message: fmt.Sprintf("part %d of the multipart body: %v", parts, err)}
		}
		if parts >= l.parts() {
			return nil, &LimitError{Limit: LimitParts, Max: l.parts()}
		}
		content.Reset()
		if _, err := content.ReadFrom(part); err != nil {
			return nil, &SyntaxError{Offset: -1, Message: fmt.Sprintf("part %d of the multipart body: %v", parts, err)}
		}
		p, err := parsePart(part.Header)
		if err != nil {
			return nil, &SyntaxError{Offset: -1, Message: fmt.Sprintf("part %d of the multipart body: %v", parts, err)}
		}
		if memory -= partMemory; memory < 0 {
			return nil, &LimitError{Limit: LimitMemory, Max: l.Memory}
		}
		if !p.isFile() {
			text, err := decodeText(p.contentType, content.Bytes(), memory)
			if err != nil {
				if wrong, ok := err.(*SyntaxError); ok {
					return nil, &SyntaxError{Offset: -1, Message: fmt.Sprintf("field %q of the multipart body: %s", p.name, wrong.Message)}
				}
				return nil, &LimitError{Limit: LimitMemory, Max: l.Memory}
			}
			if wanted(want, p.name) {
				memory -= len(text)
				f.add(p.name, text)
			}
			continue
		}
		if !wanted(want, p.name) {
			continue
		}
		file := map[string]any{contentTypeKey: p.contentType}
		if p.hasFilename {
			file[filenameKey] = p.filename
		}
		if wantsData(want.At(p.name)) {
			if memory -= base64.StdEncoding.EncodedLen(content.Len()); memory < 0 {
				return nil, &LimitError{Limit: LimitMemory, Max: l.Memory}
			}
			file[dataKey] = base64.StdEncoding.EncodeToString(content.Bytes())
		}
		f.add(p.name, file)
	}
	if !want.Any() {
		return nil, nil
	}
	return f.value(), nil
}

// closed reports whether the last boundary of a body is the closing one. The
// reader does not tell a body that ends in the header of a part from a whole one.
func closed(data []byte, boundary string) bool {
	delimiter := []byte("--" + boundary)
	i := bytes.LastIndex(data, delimiter)
	return i >= 0 && bytes.HasPrefix(data[i+len(delimiter):], []byte("--"))
}

// wantsData reports whether the data of a file is asked for, be the file alone
// under its name or one of several.
func wantsData(want jq.Paths) bool {
	return want.All || wanted(want, dataKey) || want.Elements != nil && wanted(*want.Elements, dataKey)
}

// part is what the header of a part says.
type part struct {
	name, filename string
	hasFilename    bool
	// contentType is as it was sent; that of bytes for a file without one.
	contentType string
}

func parsePart(header textproto.MIMEHeader) (part, error) {
	var p part
	disposition, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if err != nil {
		return p, fmt.Errorf("content-disposition: %w", err)
	}
	name, ok := params["name"]
	if disposition != "form-data" || !ok {
		return p, errors.New("content-disposition is not form-data with a name")
	}
	switch encoding := strings.ToLower(header.Get("Content-Transfer-Encoding")); encoding {
	case "", "7bit", "8bit", "binary":
	default:
		return p, fmt.Errorf("content-transfer-encoding %q is not for forms (RFC 7578, section 4.7)", encoding)
	}
	p.name, p.contentType = name, header.Get("Content-Type")
	p.filename, p.hasFilename = params["filename"]
	if !utf8.ValidString(p.name) || !utf8.ValidString(p.filename) || !utf8.ValidString(p.contentType) {
		return p, errors.New("its header is not UTF-8")
	}
	if p.hasFilename && p.contentType == "" {
		p.contentType = octetStream
	}
	return p, nil
}

// isFile reports whether a part is shown as a file: text that is no file has
// nothing to say but its text, and may leave with a header of ours.
func (p *part) isFile() bool {
	return p.hasFilename || p.contentType != "" && mediaType(p.contentType) != "text/plain"
}

// appendMultipart appends a multipart body with a boundary of its own.
func appendMultipart(dst []byte, object map[string]any, l Limits) (out []byte, contentType string, err error) {
	buf := bytes.NewBuffer(dst)
	w := multipart.NewWriter(buf)
	most := len(dst) + l.bytes()
	if most < 0 {
		most = l.bytes()
	}
	err = eachField(object, func(name string, v any) error {
		header, content, ok, err := makePart(name, v)
		if !ok {
			return err
		}
		if len(content) > most-buf.Len() {
			return &LimitError{Limit: LimitBytes, Max: l.Bytes}
		}
		p, err := w.CreatePart(header)
		if err != nil {
			return err
		}
		_, err = p.Write(content)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	if buf.Len() > most {
		return nil, "", &LimitError{Limit: LimitBytes, Max: l.Bytes}
	}
	return buf.Bytes(), w.FormDataContentType(), nil
}

// makePart is the part that stands for a value; ok is false, perhaps without an
// error, if there is none.
func makePart(name string, v any) (header textproto.MIMEHeader, content []byte, ok bool, err error) {
	p := part{name: name}
	if file, isFile := v.(map[string]any); isFile {
		content, err = p.setFile(file)
	} else {
		var text string
		if text, ok, err = fieldText(name, v); !ok {
			return nil, nil, false, err
		}
		content = []byte(text)
	}
	if err != nil {
		return nil, nil, false, err
	}
	for _, text := range []string{p.name, p.filename, p.contentType} {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return nil, nil, false, p.wrong("a control character, or what is not UTF-8, in its name, file name or content type")
		}
	}
	disposition := `form-data; name="` + quoted.Replace(p.name) + `"`
	if p.hasFilename {
		disposition += `; filename="` + quoted.Replace(p.filename) + `"`
	}
	header = textproto.MIMEHeader{"Content-Disposition": {disposition}}
	if p.contentType != "" {
		header.Set("Content-Type", p.contentType)
	}
	return header, content, true, nil
}

// quoted escapes what has a meaning in the quotes of a header.
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// setFile takes over what an object says of a file.
func (p *part) setFile(file map[string]any) (content []byte, err error) {
	for _, key := range slices.Sorted(maps.Keys(file)) {
		text, ok := file[key].(string)
		if !ok {
			return nil, p.wrong(fmt.Sprintf("%q that is not a string", key))
		}
		switch key {
		case filenameKey:
			p.filename, p.hasFilename = text, true
		case contentTypeKey:
			p.contentType = text
			if _, _, err := mime.ParseMediaType(text); err != nil {
				return nil, p.wrong("a content_type that is none")
			}
		case dataKey:
			if content, err = base64.StdEncoding.DecodeString(text); err != nil {
				return nil, p.wrong(fmt.Sprintf("data that is not standard base64: %v", err))
			}
		default:
			return nil, p.wrong(fmt.Sprintf("%q, which a file does not have: it has filename, content_type and data", key))
		}
	}
	if p.contentType == "" {
		p.contentType = octetStream
	}
	return content, nil
}

func (p *part) wrong(what string) error {
	return &ValueError{Message: fmt.Sprintf("field %q of a multipart body has %s", p.name, what)}
}
