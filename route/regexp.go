package route

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// What a regular expression may be: many times what people write, and little enough
// that a table of thousands stays small.
const (
	maxRegexpBytes = 4 << 10
	maxRegexpSize  = 10_000 // of what it is compiled to, in instructions
)

// Regexp is a regular expression in the syntax of Go (RE2) that fits a text only as
// a whole. It is safe for any goroutine.
type Regexp struct {
	source string
	all    *regexp.Regexp
	tree   *syntax.Regexp
}

// CompileRegexp reads a regular expression of at most 4 KiB.
func CompileRegexp(source string) (*Regexp, error) {
	if len(source) > maxRegexpBytes {
		return nil, fmt.Errorf("regex of %d bytes: want at most %d", len(source), maxRegexpBytes)
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if wrong := (*syntax.Error)(nil); errors.As(err, &wrong) {
		return nil, fmt.Errorf("regex %q: %s: %q", source, wrong.Code, wrong.Expr)
	} else if err != nil {
		return nil, fmt.Errorf("regex %q: %w", source, err)
	}
	if size(tree) > maxRegexpSize {
		return nil, fmt.Errorf("regex %q: too large: want fewer or smaller repetitions", source)
	}
	all, err := regexp.Compile(`\A(?:` + source + `)\z`)
	if err != nil {
		// A \Q that nothing ends takes the end with it.
		if all, err = regexp.Compile(`\A(?:` + source + `\E)\z`); err != nil {
			return nil, fmt.Errorf("regex %q: %w", source, err)
		}
	}
	return &Regexp{source: source, all: all, tree: tree}, nil
}

// String is the expression as it was written.
func (r *Regexp) String() string { return r.source }

// size is about what re is compiled to. It is counted before that is done, since
// repetitions of repetitions make much of little.
func size(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n += len(re.Rune)
	}
	for _, sub := range re.Sub {
		n = min(n+size(sub), maxRegexpSize+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxRegexpSize+1)
}

// prefix is a text that all that re fits begins with: the literals in front.
func prefix(re *syntax.Regexp) string {
	text, _ := literals(re)
	return text
}

// literals is the literal text that re begins with; all is set if that is all it
// fits.
func literals(re *syntax.Regexp) (text string, all bool) {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginText:
		return "", true
	case syntax.OpCapture:
		return literals(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			more, all := literals(sub)
			text += more
			if !all {
				return text, false
			}
		}
		return text, true
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return "", false
		}
		for _, r := range re.Rune {
			if r == '\uFFFD' {
				return text, false // fits any byte that is no UTF-8, too
			}
			text += string(r)
		}
		return text, true
	}
	return "", false
}
