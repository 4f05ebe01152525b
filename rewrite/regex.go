package rewrite

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

func (r *Rule) compileRegex(in *Regex) error {
	var err error
	if in.Pattern == "" {
		return &Error{Field: "regex.pattern", Message: "want a regular expression"}
	}
	if r.regexp, err = regexp.Compile(in.Pattern); err != nil {
		return &Error{Field: "regex.pattern", Message: fmt.Sprintf("%q: %s", in.Pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "))}
	}
	r.substitution, err = parseGroups(in.Substitution, r.regexp.SubexpNames())
	return err
}

// parseGroups reads a substitution, whose variables are the groups with these names,
// by name and by number.
func parseGroups(in string, names []string) (text, error) {
	var known []string
	var groups []int
	for i, name := range names {
		known, groups = append(known, strconv.Itoa(i)), append(groups, i)
		if name != "" {
			known, groups = append(known, name), append(groups, i)
		}
	}
	t, err := parseText("regex.substitution", in, known)
	for i := range t {
		if t[i].variable >= 0 {
			t[i].variable = groups[t[i].variable]
		}
	}
	return t, err
}

// replaceAll appends the path with all that fits replaced. The pattern sees the path
// decoded, but everything that is kept of it is taken from the escaped path, by
// offsets: so it stays what it was. Where a substitution meets what is around it
// there is one slash, not two.
func (r *Rule) replaceAll(dst []byte, path string) ([]byte, error) {
	d := decode(path)
	start, done := len(dst), 0
	var err error
	joint := start // where the last substitution ends
	for _, match := range r.regexp.FindAllStringSubmatchIndex(d.text, -1) {
		if dst, err = d.append(dst, done, match[0]); err != nil {
			return dst, err
		}
		dst = oneSlash(dst, start, joint)
		begin := len(dst)
		for _, p := range r.substitution {
			if p.variable < 0 {
				dst = append(dst, p.literal...)
				continue
			}
			// A group that took no part is from -1 to -1.
			if dst, err = d.append(dst, match[2*p.variable], match[2*p.variable+1]); err != nil {
				return dst, err
			}
		}
		joint = start
		if len(dst) > begin {
			dst = oneSlash(dst, start, begin)
			joint = len(dst)
		}
		done = match[1]
	}
	if dst, err = d.append(dst, done, len(d.text)); err != nil {
		return dst, err
	}
	dst = oneSlash(dst, start, joint)
	if len(dst) == start || dst[start] != '/' {
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '/'
	}
	return dst, nil
}

// oneSlash removes one of two slashes that meet in path at an offset behind start.
func oneSlash(path []byte, start, at int) []byte {
	if at <= start || at >= len(path) || path[at-1] != '/' || path[at] != '/' {
		return path
	}
	return append(path[:at], path[at+1:]...)
}

// decoded is a path as patterns see it.
type decoded struct {
	path, text string
	// offsets are where in path each byte of text comes from, and the end of it; -1
	// within an escaped slash. It is nil if they are the same.
	offsets []int32
}

// decode decodes a path once, but for escaped slashes. What is no escape stays; it
// is refused where it is appended.
func decode(path string) decoded {
	if strings.IndexByte(path, '%') < 0 {
		return decoded{path: path, text: path}
	}
	text := make([]byte, 0, len(path))
	offsets := make([]int32, 0, len(path)+1)
	for i := 0; i < len(path); {
		c, ok := byte(0), false
		if path[i] == '%' {
			c, ok = unhex2(path[i+1:])
		}
		switch {
		case !ok:
			text, offsets = append(text, path[i]), append(offsets, int32(i))
			i++
		case c == '/':
			text, offsets = append(text, "%2F"...), append(offsets, int32(i), -1, -1)
			i += 3
		default:
			text, offsets = append(text, c), append(offsets, int32(i))
			i += 3
		}
	}
	return decoded{path: path, text: string(text), offsets: append(offsets, int32(len(path)))}
}

// append appends text[from:to] as it is in the path.
func (d *decoded) append(dst []byte, from, to int) ([]byte, error) {
	if from == to {
		return dst, nil
	}
	if d.offsets != nil {
		from, to = int(d.offsets[from]), int(d.offsets[to])
		if from < 0 || to < 0 {
			return dst, errHalf
		}
	}
	return appendPiece(dst, d.path[from:to])
}
