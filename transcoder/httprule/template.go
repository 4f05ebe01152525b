// Package httprule is the language of google.api.http: path templates such as
// /v1/{name=shelves/*}:move and the bindings that a rule makes of them.
//
// It is pure: text in, immutable values out. Which field a variable or a body
// names is checked by whoever knows the messages.
package httprule

import "strings"

// SegmentKind says what one segment of a path may be.
type SegmentKind uint8

// The kinds of segment, the most specific first.
const (
	// Literal is exactly one segment with this text.
	Literal SegmentKind = iota
	// Single is exactly one segment that is not empty: *.
	Single
	// Multi is zero or more segments, empty ones among them: **.
	Multi
)

// Segment is one segment of a [Template], without its slash.
type Segment struct {
	Kind SegmentKind
	// Literal is the percent-decoded text of a [Literal]; it is never empty
	// and may contain any character, a slash too.
	Literal string
}

// Variable is one {field.path=segments} of a [Template].
type Variable struct {
	// Path is the proto names of the field and of the messages around it:
	// {book.name} is [book name].
	Path []string
	// Start and End are the segments it takes: Template.Segments[Start:End].
	// There is at least one.
	Start, End int
	// Multi is set if the variable may take more than one segment of a path.
	// Its value then keeps %2F escaped, unless [Escapes] say otherwise.
	Multi bool
}

// Name is the field path as it is written: book.name.
func (v *Variable) Name() string { return strings.Join(v.Path, ".") }

// Template is a parsed path template. It is immutable. At most one of its
// segments is [Multi], and only literals follow that one.
type Template struct {
	// Segments are all segments, those inside variables too. There are none in
	// the root template, "/".
	Segments []Segment
	// Verb is the percent-decoded text after the colon, or empty.
	Verb string
	// Variables are ordered by Start and do not overlap; no two have the same
	// path.
	Variables []Variable
}
