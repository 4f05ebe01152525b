package config

import (
	"fmt"
	"strings"
)

// The environment is filled into parsed scalars, never into the text of a file,
// so that no value can change the file's structure:
//
//	${NAME}           the variable; unset is a problem
//	${NAME:-default}  the default if the variable is unset or empty
//	$${               a literal ${
//
// What a variable holds is not looked at again.

// expansionProblem is one reference that cannot be filled in.
type expansionProblem struct{ message, advice string }

// expand fills text's references in. The result means nothing if there are
// problems.
func expand(text string, getenv func(string) (string, bool)) (string, []expansionProblem) {
	var out strings.Builder
	var problems []expansionProblem
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			out.WriteString(text)
			return out.String(), problems
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(escaped + "${")
			text = rest
			continue
		}
		out.WriteString(before)
		reference, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", append(problems, expansionProblem{"${ has no closing }", "write $${ for a literal ${"})
		}
		text = after
		name, fallback, hasFallback := strings.Cut(reference, ":-")
		if !isVariable(name) {
			problems = append(problems, expansionProblem{
				fmt.Sprintf("${%s} is not a reference to the environment", reference),
				"write ${NAME} or ${NAME:-default}, and $${ for a literal ${",
			})
			continue
		}
		switch value, ok := getenv(name); {
		case hasFallback && value == "":
			out.WriteString(fallback)
		case ok:
			out.WriteString(value)
		default:
			problems = append(problems, expansionProblem{
				fmt.Sprintf("the environment has no variable %s", name),
				fmt.Sprintf("set it, or give a default: ${%s:-default}", name),
			})
		}
	}
}

func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
