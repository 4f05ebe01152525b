package jq

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/itchyny/gojq"
)

// Warning is what a program does that is seldom meant.
type Warning struct {
	// Line and Column count from 1, the column in characters; 0 if unknown.
	Line, Column int
	Message      string
	// Advice is what to write instead.
	Advice string
}

// mentions find the table of the input in a text, and not that of a variable or of
// another value.
var mentions = map[string]*regexp.Regexp{
	"headers": regexp.MustCompile(`(^|[^\w\])])\."?headers\b`),
	"query":   regexp.MustCompile(`(^|[^\w\])])\."?query\b`),
}

// warner looks for mistakes in what a program gives.
type warner struct {
	src   string
	words []word
	found []Warning
}

func warnings(src string, query *gojq.Query) []Warning {
	w := &warner{src: src}
	w.words, _ = scan(src)
	w.result(query)
	return w.found
}

// result goes to the queries that make the result of q, in the order of the text.
func (w *warner) result(q *gojq.Query) {
	if q == nil {
		return
	}
	switch q.Op {
	case gojq.OpPipe:
		if isUpdate(q.Right.Op) {
			w.result(q.Left)
		}
		w.result(q.Right)
	case gojq.OpComma, gojq.OpAlt, gojq.OpAdd:
		w.result(q.Left)
		w.result(q.Right)
	case gojq.OpAssign:
		w.assigned(q)
	}
	t := q.Term
	if t == nil || len(t.SuffixList) > 0 {
		return
	}
	switch t.Type {
	case gojq.TermTypeObject:
		for _, kv := range t.Object.KeyVals {
			w.member(kv)
		}
	case gojq.TermTypeQuery:
		w.result(t.Query)
	case gojq.TermTypeLabel:
		w.result(t.Label.Body)
	case gojq.TermTypeIf:
		w.result(t.If.Then)
		for _, elif := range t.If.Elif {
			w.result(elif.Then)
		}
		w.result(t.If.Else)
	}
}

func isUpdate(op gojq.Operator) bool { return op >= gojq.OpAssign && op <= gojq.OpUpdateAlt }

// member looks at headers: {…} in an object that is the result.
func (w *warner) member(kv *gojq.ObjectKeyVal) {
	name := kv.Key
	if kv.KeyString != nil {
		name = kv.KeyString.Str
	}
	if w.drops(name, kv.Val) {
		line, column := w.position(name)
		w.warn(Warning{Line: line, Column: column}, name, fmt.Sprintf("%s: {…}", name), fmt.Sprintf("write %[1]s: (.%[1]s + {…})", name))
	}
}

// assigned looks at .headers = {…}.
func (w *warner) assigned(q *gojq.Query) {
	t := q.Left.Term
	if t == nil || t.Type != gojq.TermTypeIndex || len(t.SuffixList) > 0 {
		return
	}
	if name, ok := literalKey(t.Index); ok && w.drops(name, q.Right) {
		w.warn(Warning{}, name, fmt.Sprintf(".%s = {…}", name), fmt.Sprintf("write .%s += {…}", name))
	}
}

func (w *warner) warn(at Warning, name, text, advice string) {
	what := "headers"
	if name == "query" {
		what = "query parameters"
	}
	at.Message, at.Advice = fmt.Sprintf("%s drops all other %s", text, what), advice
	w.found = append(w.found, at)
}

// drops reports whether a new value of a table is an object that is written out,
// without regard to what the table had. An empty one is meant so.
func (w *warner) drops(name string, q *gojq.Query) bool {
	mention := mentions[name]
	if mention == nil || q == nil || mention.MatchString(q.String()) {
		return false
	}
	for q.Term != nil && q.Term.Type == gojq.TermTypeQuery && len(q.Term.SuffixList) == 0 {
		q = q.Term.Query
	}
	t := q.Term
	return t != nil && t.Type == gojq.TermTypeObject && len(t.SuffixList) == 0 && len(t.Object.KeyVals) > 0
}

// position is where a key stands, if it stands in one place only.
func (w *warner) position(key string) (line, column int) {
	at := -1
	for _, word := range w.words {
		if word.text != key || !strings.HasPrefix(strings.TrimLeft(w.src[word.at+len(key):], " \t\r\n"), ":") {
			continue
		}
		if at >= 0 {
			return 0, 0
		}
		at = word.at
	}
	if at < 0 {
		return 0, 0
	}
	return position(w.src, at)
}
