package plan

import (
	"encoding/json"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// A multipart form (RFC 7578) sets fields as a form does, by the same names and
// with the same rules, but that a part says what it is:
//
//   - without a file name and with no type in particular it is text, like the
//     value of a parameter;
//   - of type application/json it is the value of its field as JSON: what a form
//     cannot say of messages, lists and maps;
//   - for a field of type bytes it is its bytes, as they are;
//   - with a file name it is the content of a google.api.HttpBody, or of bytes.
//
// Where the body is a file itself, a google.api.HttpBody or bytes, the form has
// that one part and its name says nothing.

// Part is one part of a multipart form.
type Part struct {
	// Name is the name of the part, Type its Content-Type, "" for none. Refused
	// says that a google.api.HttpBody may not have that type.
	Name, Type string
	Refused    bool
	// File says that the part has a file name, which FileName is; it may be empty.
	File     bool
	FileName string
	// Piece says that Data is a piece of the file, of which others are in other
	// messages: no list can take it.
	Piece bool
	Data  []byte
}

// JSON reports whether the part says that it is JSON.
func (a *Part) JSON() bool {
	media, _, _ := strings.Cut(a.Type, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// unchosen reports whether the part is what browsers send for a file that nobody
// has chosen.
func (a *Part) unchosen() bool { return a.File && a.FileName == "" && len(a.Data) == 0 }

// partUse is what a part is used as.
type partUse uint8

const (
	// useText is the value of a parameter.
	useText partUse = iota
	// useJSON is JSON for the whole field.
	useJSON
	// useBytes is the content of a field of type bytes.
	useBytes
	// useBody is that of a google.api.HttpBody.
	useBody
	// useFile is a file where none can be.
	useFile
)

func useOf(a *Part, f *codec.Field) partUse {
	switch {
	case a.Piece && (f.Repeated() || !f.Bytes() && !isHTTPBody(f)):
		return useFile
	case f.Bytes():
		return useBytes
	case a.File && isHTTPBody(f):
		return useBody
	case a.JSON():
		return useJSON
	case a.File:
		return useFile
	}
	return useText
}

// alone says of a file that comes in pieces where it cannot be.
func alone(a *Part) string {
	if a.Piece {
		return ", and in a stream of messages no list of them"
	}
	return ""
}

func isHTTPBody(f *codec.Field) bool {
	return f.Message() != nil && f.Message().FullName() == httpBodyName
}

// fileBody reports whether the body is a file itself, and of which field; of none
// if it is the whole message.
func (p *Plan) fileBody() (f *codec.Field, ok bool) {
	return p.body, p.rawBody != nil || p.mode == fieldBody && p.body.Bytes() && !p.body.Repeated()
}

// TakesParts reports whether the body may be a multipart form: it is a message
// with fields to set, or a file.
func (p *Plan) TakesParts() bool {
	_, file := p.fileBody()
	return file || p.TakesForm()
}

// appendParts binds a multipart form.
func (p *Plan) appendParts(dst []byte, parts []Part, s *Scratch) ([]byte, error) {
	p.begin(InBody, s)
	defer func() { s.part = nil }()
	s.mask = s.mask[:0]
	if f, ok := p.fileBody(); ok {
		return p.appendFileBody(dst, f, parts, s)
	}
	size := 0
	for i := range parts {
		var err error
		if dst, err = p.appendPart(dst, &parts[i], s); err != nil {
			return nil, err
		}
		if size += len(parts[i].Data); len(s.mask) > maskFactor*size+maskAllowance {
			return nil, errorf(InBody, "", "the field mask of the form is larger than %d bytes", maskFactor*size+maskAllowance)
		}
	}
	return dst, nil
}

// The mask of a form may be maskFactor times as long as its parts, and
// maskAllowance bytes more, as that of JSON.
const (
	maskFactor    = 4
	maskAllowance = 64 << 10
)

// appendFileBody appends the one part of a form where the body is field f, or the
// whole message if f is nil.
func (p *Plan) appendFileBody(dst []byte, f *codec.Field, parts []Part, s *Scratch) ([]byte, error) {
	var file *Part
	for i := range parts {
		switch a := &parts[i]; {
		case a.Name == charsetPart || a.unchosen():
		case !a.File && (f == nil || !f.Bytes()), file != nil:
			return nil, errorf(InBody, clip([]byte(a.Name)), "part %q: the body is one file, and nothing else can be set beside it", clip([]byte(a.Name)))
		default:
			file = a
		}
	}
	if file == nil {
		return nil, errorf(InBody, "", "the form has no file, which is what the body of this path is")
	}
	s.name = append(s.name[:0], file.Name...)
	s.chain = s.chain[:0]
	if f == nil {
		return appendHTTPBody(dst, p.input, file, s)
	}
	s.use = useOf(file, f)
	return p.appendFile(dst, f, file, s)
}

// charsetPart names the encoding of the others (RFC 7578, 4.6), which is UTF-8.
const charsetPart = "_charset_"

// appendPart binds one part like a parameter of a form.
func (p *Plan) appendPart(dst []byte, a *Part, s *Scratch) ([]byte, error) {
	if a.unchosen() {
		return dst, nil
	}
	s.part = a
	s.name = append(s.name[:0], a.Name...)
	if !utf8.Valid(s.name) {
		return nil, s.badParameter(s.name, "the name is not valid UTF-8")
	}
	if p.options.PathWins && p.overruled(s.name, InBody) {
		return dst, nil
	}
	if message, _ := p.top(InBody); a.Name == charsetPart && message.FieldByName(s.name) == nil {
		return dst, nil
	}
	field, err := p.find(s.name, s)
	if err != nil {
		return nil, err
	}
	if field == nil {
		p.leaveOut("", s)
		return dst, nil
	}
	switch s.use {
	case useJSON:
		return p.appendJSONPart(dst, field, a, s)
	case useBytes, useBody:
		return p.appendFile(dst, field, a, s)
	}
	if err := s.partText(a); err != nil {
		return nil, err
	}
	return p.appendText(dst, field, s)
}

// partText puts the text of a part into s.text.
func (s *Scratch) partText(a *Part) error {
	if a.Type != "" {
		_, parameters, err := mime.ParseMediaType(a.Type)
		if err != nil {
			return s.badParameter(s.name, fmt.Sprintf("the content-type %q of the part is malformed", clip([]byte(a.Type))))
		}
		switch charset := strings.ToLower(parameters["charset"]); charset {
		case "", "utf-8", "us-ascii":
		default:
			return s.badParameter(s.name, fmt.Sprintf("the charset %q is not supported: send UTF-8", clip([]byte(charset))))
		}
	}
	if !utf8.Valid(a.Data) {
		return s.badParameter(s.name, "the value is not valid UTF-8")
	}
	s.text = append(s.text[:0], a.Data...)
	return nil
}

// claimWhole notes that a part gives all of a field a value, what is in a message
// too. at is the node of its parent.
func (p *Plan) claimWhole(name []byte, at int32, field *codec.Field, s *Scratch) error {
	if child, _ := s.tree.look(at, field); child != 0 {
		switch {
		case s.tree.sets(s.tree[child].child, fromQuery):
			return s.badParameter(name, "another parameter has set a field in it")
		case s.use == useBody && s.tree.sets(s.tree[child].child, fromPath):
			return s.badParameter(name, "the path has set a field in it")
		case field.Map() && s.tree[child].origin == fromQuery:
			return s.badParameter(name, "the field is set twice")
		}
		s.listed = s.tree[child].origin == fromQuery
	} else {
		s.listed = false
	}
	if err := p.set(name, at, field, s); err != nil {
		return err
	}
	child, _ := s.tree.look(at, field)
	s.tree[child].whole = true
	return nil
}

// appendFile appends a field of type bytes, or a google.api.HttpBody, with the
// content of a part.
func (p *Plan) appendFile(dst []byte, field *codec.Field, a *Part, s *Scratch) ([]byte, error) {
	content := a.Data
	if s.use == useBody {
		var err error
		if s.json, err = appendHTTPBody(s.json[:0], field.Message(), a, s); err != nil {
			return nil, err
		}
		content = s.json
	}
	out, err := codec.AppendNestedRaw(dst, s.chain, field, content, &s.codec)
	if err != nil {
		return nil, fromCodec(InBody, string(s.name), err)
	}
	return out, nil
}

// appendHTTPBody appends the content of a google.api.HttpBody.
func appendHTTPBody(dst []byte, m *codec.Message, a *Part, s *Scratch) ([]byte, error) {
	var err error
	if a.Refused {
		shown := clip([]byte(a.Name))
		wrong := errorf(InType, shown, "form parameter %q: content-type %q is not allowed here", shown, clip([]byte(a.Type)))
		wrong.Description = fmt.Sprintf("content-type %q is not allowed here", clip([]byte(a.Type)))
		return nil, wrong
	}
	if a.Type != "" {
		if dst, err = m.FieldByName([]byte("content_type")).AppendText(dst, []byte(a.Type), &s.codec); err != nil {
			return nil, fromCodec(InBody, string(s.name), err)
		}
	}
	if len(a.Data) > 0 {
		if dst, err = codec.AppendNestedRaw(dst, nil, m.FieldByName([]byte("data")), a.Data, &s.codec); err != nil {
			return nil, fromCodec(InBody, string(s.name), err)
		}
	}
	return dst, nil
}

// appendJSONPart appends a field with the JSON of a part: as the codec would a
// body that has nothing but this field, so that what the path has bound in it is
// watched and names that it does not have are told with all of their path.
func (p *Plan) appendJSONPart(dst []byte, field *codec.Field, a *Part, s *Scratch) ([]byte, error) {
	// What is not one whole value could close the objects around it.
	if !json.Valid(a.Data) {
		_, err := field.AppendWire(nil, a.Data, &s.codec, nil)
		if err == nil {
			err = errorf(InBody, "", "the part is not JSON")
		}
		return nil, fromCodec(InBody, string(s.name), err)
	}
	before := s.wrap(p, field, a.Data)
	var bound *codec.Bound
	if p.watch != nil {
		bound = &s.bound
	}
	var err error
	if p.mode == fieldBody {
		dst, err = p.body.AppendWire(dst, s.json, &s.codec, bound)
	} else {
		dst, err = p.input.AppendWire(dst, s.json, &s.codec, bound)
	}
	if err != nil {
		return nil, s.inPart(err, before)
	}
	if p.parse.Record {
		s.Outcome.reportAll("body.", s.codec.Ignored)
	}
	if p.mask == nil || s.listed {
		return dst, nil
	}
	from := len(s.mask)
	if p.mode == fieldBody {
		s.mask, err = p.body.AppendMask(s.mask, s.json, nil, &s.codec)
	} else {
		s.mask, err = p.input.AppendMask(s.mask, s.json, nil, &s.codec)
	}
	if err != nil {
		return nil, s.inPart(err, before)
	}
	p.mask.filter(s, from)
	return dst, nil
}

// wrap puts into s.json an object with nothing but the field at hand, which has
// the value text, and returns how many bytes are before it.
func (s *Scratch) wrap(p *Plan, field *codec.Field, text []byte) (before int) {
	chain := s.chain
	if p.mode == fieldBody {
		chain = chain[1:]
	}
	out := s.json[:0]
	for _, f := range chain {
		out = append(AppendString(append(out, '{'), f.JSONName()), ':')
	}
	out = append(AppendString(append(out, '{'), field.JSONName()), ':')
	// One element of a list is given as itself, so that parts may be elements.
	element := field.Repeated() && !beginsWith(text, '[')
	if element {
		out = append(out, '[')
	}
	before = len(out)
	out = append(out, text...)
	if element {
		out = append(out, ']')
	}
	for range len(chain) + 1 {
		out = append(out, '}')
	}
	s.json = out
	return before
}

// beginsWith reports whether a JSON text begins with c.
func beginsWith(text []byte, c byte) bool {
	for _, b := range text {
		switch b {
		case ' ', '\t', '\r', '\n':
		default:
			return b == c
		}
	}
	return false
}

// inPart is an error of the codec about the JSON of a part, which has before
// bytes of our own in front of it.
func (s *Scratch) inPart(err error, before int) error {
	ce, ok := err.(*codec.Error)
	if !ok {
		return fromCodec(InBody, string(s.name), err)
	}
	shown := *ce
	if shown.Line > 0 && shown.Offset >= before {
		shown.Offset -= before
		if shown.Line == 1 {
			shown.Column -= utf8.RuneCount(s.json[:before])
		}
	}
	return &Error{
		Place: InBody, Field: shown.Path, Description: shown.Message,
		Message: fmt.Sprintf("form parameter %q: %s", clip(s.name), shown.Error()),
	}
}

// parts lists what the parts of a multipart form set.
func (e *explainer) parts(parts []Part) {
	s := e.s
	e.begin(InBody, s)
	defer func() { s.part = nil }()
	file, isFile := e.fileBody()
	for i := range parts {
		a := &parts[i]
		s.part = a
		s.name = append(s.name[:0], a.Name...)
		if a.unchosen() || isFile && a.Name == charsetPart {
			continue
		}
		if isFile {
			path := "the message"
			if file != nil {
				path = file.JSONName()
			}
			e.bound = append(e.bound, Bound{Field: path, Source: "form", From: clip(s.name), Value: a.text()})
			continue
		}
		if message, _ := e.top(InBody); a.Name == charsetPart && message.FieldByName(s.name) == nil {
			continue
		}
		if e.options.PathWins && e.overruled(s.name, InBody) {
			e.leftOut()
			continue
		}
		field, err := e.find(s.name, s)
		if err != nil {
			continue
		}
		if field == nil {
			e.leftOut()
			continue
		}
		path, value := fieldPath(s.chain, field), clipValue(a.Data)
		if field.Map() && s.use != useJSON {
			path += "[" + clipValue(s.key) + "]"
		}
		if a.File || s.use == useBytes {
			value = a.text()
		}
		if s.use == useJSON {
			s.codec.Parse.Record = true
			_, _ = e.appendJSONPart(nil, field, a, s) // which went well before
			for _, name := range s.codec.Ignored {
				e.ignored = append(e.ignored, "body."+name)
			}
		}
		e.bound = append(e.bound, Bound{Field: path, Source: "form", From: clip(s.name), Value: value})
	}
}

// text stands for the content of a part: <a.png, image/png, 17 bytes>.
func (a *Part) text() string {
	var words []string
	for _, word := range [...]string{a.FileName, a.Type} {
		if word != "" {
			words = append(words, clip([]byte(word)))
		}
	}
	size := fmt.Sprintf("%d bytes", len(a.Data))
	if a.Piece {
		size += " in the first message"
	}
	return "<" + strings.Join(append(words, size), ", ") + ">"
}
