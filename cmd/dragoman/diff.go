package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// diff writes what is different between two views, as diff -u marks lines: those
// that have gone with a minus, those that have come with a plus.
type diff struct {
	printer
	color bool
	// lines counts the marked ones.
	lines int
}

// colored reports whether people see what is written, and want colours.
func colored(w io.Writer) bool { return isTerminal(w) && os.Getenv("NO_COLOR") == "" }

// SGR parameters (ECMA-48).
const (
	bold  = "1"
	red   = "31"
	green = "32"
)

func (d *diff) paint(text, sgr string) string {
	if !d.color {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (d *diff) title(title, remark string) {
	title = d.paint(title, bold)
	if remark != "" {
		title += ": " + remark
	}
	d.line("%s", title)
}

// maxLine bounds what is shown of a line, in bytes.
const maxLine = 2000

// mark writes a line of a difference. The sign is a plus, a minus, or a space for
// one that has stayed.
func (d *diff) mark(sign byte, indent int, text string) {
	if len(text) > maxLine {
		text = fmt.Sprintf("%s… (%d bytes more)", strings.ToValidUTF8(text[:maxLine], ""), len(text)-maxLine)
	}
	text = string(sign) + " " + strings.Repeat(" ", indent) + text
	switch sign {
	case '+':
		text = d.paint(text, green)
	case '-':
		text = d.paint(text, red)
	}
	if sign != ' ' {
		d.lines++
	}
	d.line("%s", text)
}

// views writes what is different between two views.
func (d *diff) views(before, after map[string]any) {
	for _, key := range []string{"status", "method", "host", "path"} {
		old, had := before[key]
		value, has := after[key]
		if had == has && compact(old) == compact(value) {
			continue
		}
		if had {
			d.mark('-', 0, key+": "+text(old))
		}
		if has {
			d.mark('+', 0, key+": "+text(value))
		}
	}
	d.members("query", "=", object(before["query"]), object(after["query"]))
	d.members("headers", ": ", object(before["headers"]), object(after["headers"]))
	d.body(before["body"], after["body"])
}

func object(v any) map[string]any {
	out, _ := v.(map[string]any)
	return out
}

// text is a value without quotes, if it is text.
func text(v any) string {
	if s, ok := v.(string); ok && printable(s) {
		return s
	}
	return compact(v)
}

// printable reports whether a text shows what it is without quotes.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// members writes what is different between two objects of texts, name by name.
func (d *diff) members(heading, between string, before, after map[string]any) {
	names := slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
	slices.Sort(names)
	headed := false
	for _, name := range slices.Compact(names) {
		old, had := before[name]
		value, has := after[name]
		if had == has && compact(old) == compact(value) {
			continue
		}
		if !headed {
			d.mark(' ', 0, heading)
			headed = true
		}
		if had {
			d.member('-', name+between, old)
		}
		if has {
			d.member('+', name+between, value)
		}
	}
}

// member writes one name, as often as it has values.
func (d *diff) member(sign byte, name string, v any) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			d.mark(sign, 2, name+text(one))
		}
	case []string:
		for _, one := range v {
			d.mark(sign, 2, name+text(one))
		}
	default:
		d.mark(sign, 2, name+text(v))
	}
}

const (
	// short is the length of a body that is shown in one line.
	short = 60
	// around is how many lines are shown around those that differ.
	around = 1
)

// body writes what is different between two bodies.
func (d *diff) body(before, after any) {
	from, to := compact(before), compact(after)
	if from == to {
		return
	}
	d.mark(' ', 0, "body")
	var old, now []string
	switch {
	case len(from) <= short && len(to) <= short:
		old, now = []string{from}, []string{to}
	default:
		old, now = indented(from), indented(to)
	}
	if before == nil {
		old = nil
	}
	if after == nil {
		now = nil
	}
	d.hunks(edits(old, now))
}

func indented(text string) []string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") != nil {
		return []string{text}
	}
	return strings.Split(b.String(), "\n")
}

// edit is a line with what has become of it: '-', '+' or ' '.
type edit struct {
	sign byte
	text string
}

// hunks writes the lines that differ, and some around them.
func (d *diff) hunks(all []edit) {
	near := func(i int) bool {
		return slices.ContainsFunc(all[max(i-around, 0):min(i+around+1, len(all))], func(e edit) bool { return e.sign != ' ' })
	}
	gap := false
	for i, e := range all {
		if !near(i) {
			gap = true
			continue
		}
		if gap {
			d.mark(' ', 2, "…")
			gap = false
		}
		d.mark(e.sign, 2, e.text)
	}
	if gap {
		d.mark(' ', 2, "…")
	}
}

// maxTable bounds the memory for finding what two texts have in common.
const maxTable = 4 << 20

// edits make b of a, line by line, with as many lines kept as can be (the longest
// common subsequence). Texts that are too long for that are replaced between what
// they have in common at both ends.
func edits(a, b []string) []edit {
	var head, tail []edit
	for len(a) > 0 && len(b) > 0 && same(a[0], b[0]) {
		head = append(head, edit{' ', b[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && same(a[len(a)-1], b[len(b)-1]) {
		tail = append(tail, edit{' ', b[len(b)-1]})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	slices.Reverse(tail)
	return slices.Concat(head, middle(a, b), tail)
}

// same compares lines of JSON: a member stays as it is where another one comes behind
// it.
func same(a, b string) bool { return strings.TrimSuffix(a, ",") == strings.TrimSuffix(b, ",") }

func middle(a, b []string) []edit {
	var out []edit
	if len(a)*len(b) <= maxTable {
		// kept[i][j] is how many lines a[i:] and b[j:] have in common.
		kept := make([][]int32, len(a)+1)
		for i := range kept {
			kept[i] = make([]int32, len(b)+1)
		}
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if kept[i][j] = max(kept[i+1][j], kept[i][j+1]); same(a[i], b[j]) {
					kept[i][j] = kept[i+1][j+1] + 1
				}
			}
		}
		for len(a) > 0 && len(b) > 0 {
			i, j := len(kept)-1-len(a), len(kept[0])-1-len(b)
			switch {
			case same(a[0], b[0]):
				out = append(out, edit{' ', b[0]})
				a, b = a[1:], b[1:]
			case kept[i+1][j] >= kept[i][j+1]:
				out = append(out, edit{'-', a[0]})
				a = a[1:]
			default:
				out = append(out, edit{'+', b[0]})
				b = b[1:]
			}
		}
	}
	for _, line := range a {
		out = append(out, edit{'-', line})
	}
	for _, line := range b {
		out = append(out, edit{'+', line})
	}
	return out
}
