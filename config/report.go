package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration, for the operator.
type Problem struct {
	// File is the name of the file as the operator gave it.
	File string
	// Line and Column are where the problem is, both from 1, the column in
	// characters. Zero is unknown: a configuration made in code has neither, an
	// error in the YAML itself may have no column.
	Line, Column int
	// Path is the field: upstreams[0].descriptors.image.path. Empty is the file
	// as a whole.
	Path string
	// Message says what is wrong, Advice what to do about it, if that is not
	// plain. Neither begins with an upper-case letter or ends in a full stop.
	Message, Advice string

	// meant is the path of the field that was probably meant, if Path is not one.
	meant string
}

// String is the problem in one line: FILE:LINE:COLUMN: PATH: MESSAGE; ADVICE.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	for _, part := range []string{p.Path, p.Message} {
		if part != "" {
			b.WriteString(": ")
			b.WriteString(part)
		}
	}
	if p.Advice != "" {
		b.WriteString("; ")
		b.WriteString(p.Advice)
	}
	return b.String()
}

// Report is everything that is wrong with a configuration and the service configs
// that it names, file by file, in the order of each. As an error it is never
// empty.
type Report []Problem

// Error is one line for each problem.
func (r Report) Error() string {
	lines := make([]string, len(r))
	for i, p := range r {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Err is the report in the order of the files, each problem once, as an error;
// nil if there is no problem.
func (r Report) Err() error {
	if len(r) == 0 {
		return nil
	}
	sorted := slices.Clone(r)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(sorted)
}

// Problem is a problem with the field at path, which has the form
// upstreams[0].descriptors.image.path; empty is the file as a whole. If the file
// does not have the field, the problem is at the nearest field around it that
// the file has.
func (f *source) Problem(path, format string, args ...any) Problem {
	p := Problem{File: f.Name, Path: path, Message: fmt.Sprintf(format, args...)}
	if f.places != nil {
		at := f.places.nearest(path)
		p.Line, p.Column = at.line, at.column
		p.Message = f.places.redact(path, p.Message)
	}
	return p
}

// Has reports whether the field at path is written in the file.
func (f *source) Has(path string) bool {
	_, ok := f.places[path]
	return ok
}

// ProblemInside is a problem within the text at path, in this line and column of
// it, both from 1. Where the file does not show the text as it is, the problem is
// at its beginning, and the message says where in the text.
func (f *source) ProblemInside(path string, line, column int, format string, args ...any) Problem {
	p := f.Problem(path, format, args...)
	if at, ok := f.inside(path, line, column); ok {
		p.Line, p.Column = at.line, at.column
	} else if line > 0 {
		p.Message = fmt.Sprintf("line %d, column %d: %s", line, column, p.Message)
	}
	return p
}
