package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
)

// parse fills a message and the places from a file's bytes. The message is the
// part of the document that part gives, with its path; nil, if there is none.
// getenv is nil for a file that does not name variables of the environment.
//
// The YAML library makes a tree of nodes, the builder copies what the schema
// knows of it into a clean tree (aliases resolved, the environment filled in,
// fields under one name each), and protoyaml makes the message of that tree.
func (f *source) parse(data []byte, into proto.Message, part func(*yaml.Node) (*yaml.Node, string), getenv func(string) (string, bool)) Report {
	if len(data) > MaxBytes {
		return Report{f.Problem("", "the file is larger than %d MiB", MaxBytes>>20)}
	}
	doc, report := f.decode(data)
	if report != nil || doc == nil {
		return report
	}
	f.lines = strings.Split(string(data), "\n")
	doc, path := part(doc)
	if doc == nil {
		return nil
	}
	b := &builder{file: f, getenv: getenv, paths: map[mark]string{{doc.Line, doc.Column}: path}}
	tree := b.message(doc, into.ProtoReflect().Descriptor(), path)
	if tree != nil && !b.beyond {
		for _, p := range f.unmarshal(tree, into, b.lines, b.paths) {
			if !b.report.about(p.Path) {
				b.report = append(b.report, p)
			}
		}
	}
	return b.report
}

// decode parses the YAML. A file without content has neither a document nor a
// problem.
func (f *source) decode(data []byte) (*yaml.Node, Report) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		data = spacesForTabs(data)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, Report{f.syntax(err, data)}
	}
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, Report{f.syntax(err, data)}
	default:
		p := f.Problem("", "a second document begins here")
		p.Line, p.Column = second.Line, second.Column
		p.Advice = "a configuration is one document: remove the line ---"
		return nil, Report{p}
	}
	if len(doc.Content) != 1 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// spacesForTabs replaces the tabs that indent the lines of a JSON file: JSON
// allows them and YAML does not. Columns stay as they are.
func spacesForTabs(data []byte) []byte {
	data = bytes.Clone(data)
	indent := true
	for i, c := range data {
		switch {
		case c == '\n':
			indent = true
		case c == '\t' && indent:
			data[i] = ' '
		case c != ' ':
			indent = false
		}
	}
	return data
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// tabFrom is the place of the first tab in the indentation of a line, from that
// line on; that line if there is none.
func tabFrom(data []byte, line int) (_, column int) {
	n := 0
	for text := range bytes.Lines(data) {
		n++
		indent := len(text) - len(bytes.TrimLeft(text, " \t"))
		if tab := bytes.IndexByte(text[:indent], '\t'); n >= line && tab >= 0 {
			return n, tab + 1
		}
	}
	return line, 0
}

// syntax is what the YAML library says of data, which gives a line at best.
func (f *source) syntax(err error, data []byte) Problem {
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	p := f.Problem("", "invalid YAML: %s", strings.TrimPrefix(text, m[0]))
	p.Line, p.Column = 0, 0
	if line, err := strconv.Atoi(m[1]); err == nil {
		p.Line = line
	}
	if strings.Contains(text, "tab character that violates indentation") {
		// The library tells the line above.
		p.Line, p.Column = tabFrom(data, p.Line)
		p.Advice = "indent with spaces, not tabs"
	}
	if strings.Contains(text, "character that cannot start any token") {
		p.Advice = "indent with spaces, not tabs, and quote values that begin with @ or a backtick"
	}
	if strings.Contains(text, "mapping values are not allowed in this context") {
		p.Advice = "put a text with a colon and a space in it, as many programs have, in quotes or below a |"
	}
	if strings.Contains(text, "did not find expected alphabetic or numeric character") {
		p.Advice = `put a value that begins with * or & in quotes: "*"`
	}
	return p
}

// unmarshal fills a message from a clean tree whose nodes are on lines 1 to
// lines of the file. paths finds fields by the place of their values.
func (f *source) unmarshal(tree *yaml.Node, into proto.Message, lines int, paths map[mark]string) Report {
	opts := protoyaml.UnmarshalOptions{CustomUnmarshaler: &substitute{tree: tree}}
	// protoyaml takes only bytes, so it gets an empty document and the tree in
	// its place. The document has as many lines as the file, because protoyaml
	// looks them up for its messages, and they are empty, so that it does not
	// quote any.
	err := opts.Unmarshal([]byte("{}"+strings.Repeat("\n", lines)), into)
	if err == nil {
		return nil
	}
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	var report Report
	for _, err := range errs {
		report = append(report, f.wrong(err, paths))
	}
	return report
}

// substitute replaces the document that protoyaml parsed.
type substitute struct {
	tree *yaml.Node
}

// Unmarshal implements [protoyaml.CustomUnmarshaler].
func (s *substitute) Unmarshal(node *yaml.Node, _ proto.Message) (bool, error) {
	if s.tree != nil {
		*node, s.tree = *s.tree, nil
	}
	return false, nil
}

var protoyamlPlace = regexp.MustCompile(`^:(\d+):(\d+) `)

// wrong is an error of protoyaml: a value of the wrong type.
func (f *source) wrong(err error, paths map[mark]string) Problem {
	var at mark
	if m := protoyamlPlace.FindStringSubmatch(err.Error()); m != nil {
		at.line, _ = strconv.Atoi(m[1])
		at.column, _ = strconv.Atoi(m[2])
	}
	text := err.Error()
	if cause := errors.Unwrap(err); cause != nil {
		text = cause.Error()
	}
	path, known := paths[at]
	p := f.Problem(path, "%s", plain(text, f.places[path].text))
	if !known {
		p.Line, p.Column = at.line, at.column
	}
	return p
}

var (
	expectedFields = regexp.MustCompile(`^expected fields for \S+, got (\w+)$`)
	secondMember   = regexp.MustCompile(`^field (\S+) is already set for oneof `)
	badNumber      = regexp.MustCompile(`^(invalid integer|integer is too)`)
	badDuration    = regexp.MustCompile(`^(invalid duration|invalid number|expected number|integer overflow)`)
)

// plain says in the operator's words what protoyaml says of the value in text.
func plain(message, text string) string {
	switch {
	case message == "expected tag !!bool, got !!str":
		return "wants true or false without quotes"
	case badNumber.MatchString(message):
		return fmt.Sprintf("wants a whole number up to 4294967295, or a size with a unit such as 64Ki or 4Mi, not %q", text)
	case badDuration.MatchString(message):
		return fmt.Sprintf("wants a duration with its unit, such as 500ms, 15s or 1h30m, not %q", text)
	}
	if m := secondMember.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%s is given already, and the two exclude each other", m[1])
	}
	if m := expectedFields.FindStringSubmatch(message); m != nil {
		return "wants fields, not " + kindWords.Replace(m[1])
	}
	if rest, ok := strings.CutPrefix(message, "expected "); ok {
		if want, got, ok := strings.Cut(rest, ", got "); ok {
			if text != "" {
				got = strconv.Quote(text)
			}
			message = fmt.Sprintf("wants %s, not %s", kindWords.Replace(want), kindWords.Replace(got))
			if want == "sequence" {
				message += "; put each entry behind a dash, or all of them in brackets"
			}
			return message
		}
	}
	return message
}

var kindWords = strings.NewReplacer("sequence", "a list", "mapping", "fields", "scalar", "a single value", "bool", "true or false")
