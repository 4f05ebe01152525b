package jq

import (
	"errors"
	"fmt"
	"strings"

	"github.com/itchyny/gojq"
)

// SyntaxError is what is wrong with the text of a program.
type SyntaxError struct {
	// Line and Column count from 1, the column in characters; 0 if unknown.
	Line, Column int
	Message      string
	// Advice is what to write instead; empty if nobody knows.
	Advice string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// syntaxError says where gojq's parser stopped.
func syntaxError(src string, err error) error {
	var parse *gojq.ParseError
	if !errors.As(err, &parse) {
		return &SyntaxError{Message: err.Error()}
	}
	at := parse.Offset - len(parse.Token)
	e := &SyntaxError{Message: err.Error(), Advice: writeInstead(src, parse.Token, at)}
	switch e.Message {
	case "unexpected EOF":
		at, e.Message = len(src), "the program ends too early"
	case "unterminated string literal":
		e.Message = "the text has no end"
		if _, open := scan(src); len(open) > 0 {
			at = open[len(open)-1]
		}
	}
	e.Line, e.Column = position(src, at)
	return e
}

// writeInstead is advice for what people write who know other languages better.
func writeInstead(src, token string, at int) string {
	switch {
	case token == "'":
		return `text is written in "double quotes"`
	case token == "&":
		return "write: and"
	case token == "|" && strings.HasSuffix(src[:max(at, 0)], "|"):
		return "write: or; or // for what stands in for null"
	case token == "!":
		return "write: … | not"
	case token == "=" && strings.HasSuffix(src[:max(at, 0)], "="):
		return "write: =="
	}
	return ""
}
