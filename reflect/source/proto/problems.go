package proto

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bufbuild/protocompile/reporter"
)

// maxProblems bounds how much one error lists.
const maxProblems = 50

// Problem is one mistake in a .proto file.
type Problem struct {
	// File is the root as it was configured and the path below it.
	File string
	// Line and Column count from 1; 0 stands for the file as a whole.
	Line, Column int
	Message      string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Problems are mistakes in .proto files, sorted by place. It prints one a line,
// at most fifty.
type Problems []Problem

func (ps Problems) Error() string {
	var b strings.Builder
	for i, p := range ps {
		if i == maxProblems {
			b.WriteString("\nthere are more")
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	return b.String()
}

var errEnough = errors.New("too many problems")

// collector gathers what is wrong in files. The compiler calls it from several
// goroutines.
type collector struct {
	// shown is what to call a file of an import path.
	shown map[string]string

	mu       sync.Mutex // guards problems
	problems Problems
}

var _ reporter.Reporter = (*collector)(nil)

func (c *collector) add(p Problem) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, p)
	if len(c.problems) > maxProblems {
		return errEnough
	}
	return nil
}

// Error implements [reporter.Reporter].
func (c *collector) Error(err reporter.ErrorWithPos) error {
	pos := err.GetPosition()
	at := place{pos.Filename, pos.Line, pos.Col}
	message := strings.TrimPrefix(err.Unwrap().Error(), "proto: ")
	if m := collision.FindStringSubmatchIndex(message); m != nil {
		line, _ := strconv.Atoi(message[m[4]:m[5]])
		column, _ := strconv.Atoi(message[m[6]:m[7]])
		other := place{message[m[2]:m[3]], line, column}
		// Which of two files the compiler sees first is chance.
		if at.file < other.file {
			at, other = other, at
		}
		message = fmt.Sprintf("%s%s:%d:%d%s", message[:m[2]], c.name(other.file), other.line, other.column, message[m[7]:])
	}
	return c.add(Problem{File: c.name(at.file), Line: at.line, Column: at.column, Message: message})
}

type place struct {
	file         string // import path
	line, column int
}

// collision is what the compiler says of one name in two places.
var collision = regexp.MustCompile(` already defined(?: as a package)? at (.+):(\d+):(\d+)`)

// name is what the user calls the file of an import path.
func (c *collector) name(file string) string {
	if shown := c.shown[file]; shown != "" {
		return shown
	}
	return file
}

// Warning implements [reporter.Reporter]. What the compiler warns of (an unused
// import, a missing syntax line) changes nothing for the gateway.
func (c *collector) Warning(reporter.ErrorWithPos) {}

// err returns the problems, if there are any.
func (c *collector) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.problems) == 0 {
		return nil
	}
	slices.SortFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(c.problems)
}
