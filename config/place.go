package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// place is where one field stands in a file.
type place struct {
	line, column int
	// text is a scalar as the file has it, before the environment was filled in.
	text string
	// filled is what text became, if the environment was filled in.
	filled string
	// style is how the file writes a scalar.
	style yaml.Style
}

// places maps the path of every field of a file to its place. A nil table is
// that of a configuration made in code.
type places map[string]place

// nearest is the place of path, or of the nearest field around it.
func (t places) nearest(path string) place {
	for {
		if at, ok := t[path]; ok {
			return at
		}
		if path == "" {
			return place{line: 1, column: 1}
		}
		path = parentPath(path)
	}
}

// inside is the place of a line and column of the scalar at path, both from 1; ok
// is false where only the scalar's own place is known, as in a folded one.
func (f *source) inside(path string, line, column int) (at place, ok bool) {
	at, known := f.places[path]
	if !known || line < 1 || column < 1 || at.filled != "" {
		return at, false
	}
	switch {
	case at.style&yaml.LiteralStyle != 0:
		// The text begins behind the line with the |, and is as far in as its first
		// line that is not empty.
		for _, text := range f.lines[min(at.line, len(f.lines)):] {
			if trimmed := strings.TrimLeft(text, " "); trimmed != "" {
				return place{line: at.line + line, column: len(text) - len(trimmed) + column}, true
			}
		}
		return at, false
	case at.style&yaml.FoldedStyle != 0, line > 1, at.line < 1, at.line > len(f.lines):
		return at, false
	case at.style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		at.column++
	}
	// Escapes, or a value that goes on in the next line, read otherwise than they
	// are written.
	written := []rune(f.lines[at.line-1])
	if at.text == "" || at.column > len(written) || !strings.HasPrefix(string(written[at.column-1:]), at.text) {
		return at, false
	}
	return place{line: at.line, column: at.column + column - 1}, true
}

// redact puts what the file says in the place of what the environment filled in,
// which may be a secret, in a message about path.
func (t places) redact(path, message string) string {
	at := t[path]
	if at.filled == "" {
		return message
	}
	quoted := strconv.Quote(at.filled)
	message = strings.ReplaceAll(message, quoted, strconv.Quote(at.text))
	if len(at.filled) < 4 {
		// No secret, and likely to be a part of other words.
		return message
	}
	return strings.ReplaceAll(message, at.filled, at.text)
}

// parentPath is the path of the field around the one at path:
// routes[0].hosts[1] → routes[0].hosts → routes[0] → routes → "".
func parentPath(path string) string {
	cut := strings.LastIndexByte(path, '.')
	switch {
	case strings.HasSuffix(path, `"]`):
		// A map key is quoted, so that the bytes [" begin it and are not in it.
		cut = strings.LastIndex(path, `["`)
	case strings.HasSuffix(path, "]"):
		cut = strings.LastIndexByte(path, '[')
	}
	return path[:max(cut, 0)]
}

func fieldPath(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}

func indexPath(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func keyPath(m, key string) string { return m + "[" + strconv.Quote(key) + "]" }
