package jq

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// longestPattern is how many bytes a pattern may have.
	longestPattern = 4 << 10
	// largestPattern is how many instructions it may become: x{1000} is a thousand.
	largestPattern = 10_000
	// mostPatterns is how many patterns a program keeps compiled, and mostInstructions
	// how many they have together: one takes a hundred bytes and more.
	mostPatterns     = 64
	mostInstructions = 5 * largestPattern
	// stepTime is what a step of matching takes at most: a character for an
	// instruction.
	stepTime = 20 * time.Nanosecond
)

// regexps are the compiled patterns of a program. Those of a program are few; made
// from values, they could be any number.
type regexps struct {
	mu   sync.Mutex
	kept map[[2]string]*pattern
	// size is that of all that are kept.
	size int
}

// A pattern is a regular expression that can go on from a place in a text.
type pattern struct {
	first *regexp.Regexp
	// next is for the text from one character before the place, which ^ and \b look
	// at. Its first group is the match.
	next *regexp.Regexp
	// size is about how many instructions it has.
	size int
}

func (c *regexps) get(source, flags string) (*pattern, error) {
	key := [2]string{source, flags}
	c.mu.Lock()
	p, ok := c.kept[key]
	c.mu.Unlock()
	if ok {
		return p, nil
	}
	// It takes milliseconds, for which nobody else should have to wait.
	p, err := compilePattern(source, flags)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) >= mostPatterns || c.size+p.size > mostInstructions || c.kept == nil {
		c.kept, c.size = map[[2]string]*pattern{}, 0
	}
	c.size += p.size
	// The text of the key would keep alive what it was cut from.
	c.kept[[2]string{strings.Clone(source), strings.Clone(flags)}] = p
	return p, nil
}

func compilePattern(source, flags string) (*pattern, error) {
	if strings.Trim(flags, "gim") != "" {
		return nil, fmt.Errorf("unsupported regular expression flag: %q", flags)
	}
	if len(source) > longestPattern {
		return nil, fmt.Errorf("a regular expression of %d bytes is longer than %d", len(source), longestPattern)
	}
	if strings.Contains(flags, "i") {
		source = "(?i)" + source
	}
	if strings.Contains(flags, "m") {
		source = "(?s)" + source
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %w", source, err)
	}
	size := instructions(tree)
	if size > largestPattern {
		return nil, fmt.Errorf("a regular expression has %d steps, more than %d", size, largestPattern)
	}
	p := &pattern{size: size}
	if p.first, err = regexp.Compile(source); err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %w", source, err)
	}
	if p.next, err = regexp.Compile(`\A(?s:.)(?s:.*?)((?:` + source + `))`); err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %w", source, err)
	}
	return p, nil
}

// instructions is about how large a pattern is, its repetitions written out.
func instructions(tree *syntax.Regexp) int {
	size := 1
	switch tree.Op {
	case syntax.OpLiteral:
		size = len(tree.Rune)
	case syntax.OpCharClass:
		size = 1 + len(tree.Rune)/16
	}
	for _, sub := range tree.Sub {
		size += instructions(sub)
	}
	if tree.Op == syntax.OpRepeat {
		size *= max(tree.Min, tree.Max, 1)
	}
	return min(size, 1<<30)
}

// at is the leftmost match from a place in a text: pairs of places, as of
// [regexp.Regexp.FindStringSubmatchIndex].
func (p *pattern) at(s string, from int) []int {
	if from == 0 {
		return p.first.FindStringSubmatchIndex(s)
	}
	_, width := utf8.DecodeLastRuneInString(s[:from])
	found := p.next.FindStringSubmatchIndex(s[from-width:])
	if found == nil {
		return nil
	}
	found = found[2:]
	for i := range found {
		if found[i] >= 0 {
			found[i] += from - width
		}
	}
	return found
}

// match is what jq's match gives, as an array, or for test, whether there is one.
func (r *budget) match(v any, args []any) any {
	s, ok := v.(string)
	source, both := args[0].(string)
	flags, all := args[1].(string)
	testing := args[2] == true
	if !ok || !both || !all && args[1] != nil {
		return unchecked("_match", v, args...)
	}
	p, err := r.regexps.get(source, flags)
	if err != nil {
		return err
	}
	out := []any{}
	global := strings.Contains(flags, "g") && !testing
	// at and chars are the same place, in bytes and in characters.
	at, chars := 0, 0
	advance := func(to int) int {
		if to >= at {
			chars += utf8.RuneCountInString(s[at:to])
			at = to
		}
		return chars
	}
	for from := 0; from <= len(s); {
		if !r.matchable(len(s)-from, p.size) {
			return errOver
		}
		found := p.at(s, from)
		if testing {
			return found != nil
		}
		if found == nil {
			break
		}
		if !r.charges(len(found)/2, sizeObject(4)+sizeItem+3*sizeValue) || !r.work(len(found)*8) {
			return errOver
		}
		offset := advance(found[0])
		out = append(out, r.matched(p, s, found, offset))
		if !global {
			break
		}
		if from = found[1]; found[0] == found[1] {
			if from == len(s) {
				break
			}
			_, width := utf8.DecodeRuneInString(s[from:])
			from += width
		}
	}
	return out
}

// matchable reports whether a text is not too long for a pattern: to match is one
// step, which nothing interrupts.
func (r *budget) matchable(length, size int) bool {
	if r.limits.Time <= 0 {
		return r.work(length)
	}
	most := int64(4*r.limits.Time/stepTime) + 10_000
	if int64(length)*int64(size) > most {
		_ = r.fail(limitTime, "matches %d bytes against a pattern of %d steps, which can take more than %v",
			length, size, r.limits.Time)
		return false
	}
	return r.work(1 + length>>4)
}

// matched is one match as jq tells it, with places in characters.
func (r *budget) matched(p *pattern, s string, found []int, offset int) map[string]any {
	names := p.first.SubexpNames()
	captures := make([]any, 0, len(found)/2-1)
	for i := 1; i < len(found)/2; i++ {
		from, to := found[2*i], found[2*i+1]
		capture := map[string]any{"name": nil, "offset": -1, "length": 0, "string": nil}
		if names[i] != "" {
			capture["name"] = names[i]
		}
		if from >= 0 {
			capture["offset"] = offset + utf8.RuneCountInString(s[found[0]:from])
			capture["length"] = utf8.RuneCountInString(s[from:to])
			capture["string"] = s[from:to]
		}
		captures = append(captures, capture)
	}
	return map[string]any{
		"offset": offset, "length": utf8.RuneCountInString(s[found[0]:found[1]]), "string": s[found[0]:found[1]],
		"captures": captures,
	}
}

// captures is an object of the captures of a match that have a name.
func (r *budget) captures(v any) any {
	list, _ := v.([]any)
	if !r.charge(sizeObject(len(list))) {
		return errOver
	}
	out := make(map[string]any, len(list))
	for _, c := range list {
		if c, ok := c.(map[string]any); ok {
			if name, ok := c["name"].(string); ok {
				out[name] = c["string"]
			}
		}
	}
	return out
}

// cursor finds the bytes of places in characters, which only grow.
type cursor struct {
	text        string
	bytes, char int
}

func (c *cursor) to(char int) int {
	for c.char < char && c.bytes < len(c.text) {
		_, width := utf8.DecodeRuneInString(c.text[c.bytes:])
		c.bytes += width
		c.char++
	}
	return c.bytes
}

// pieces are what stands between matches: v is the text, and x a list of the offset
// and the length of each.
func (r *budget) pieces(v, x any) any {
	s, _ := v.(string)
	list, _ := x.([]any)
	if !r.charges(len(list)+1, sizeItem) || !r.work(len(s)>>2) {
		return errOver
	}
	out := make([]any, 0, len(list)+1)
	at, start := cursor{text: s}, 0
	for _, m := range list {
		offset, length, _ := span(m)
		out = append(out, s[start:max(start, at.to(offset))])
		start = at.to(offset + length)
	}
	return append(out, s[start:])
}

func span(m any) (offset, length int, texts []any) {
	fields, _ := m.([]any)
	for i, field := range fields {
		switch f := field.(type) {
		case int:
			if i == 0 {
				offset = f
			} else {
				length = f
			}
		case []any:
			texts = f
		}
	}
	return offset, length, texts
}

// replaced are a text with other text in the place of matches: v is the text, and x
// a list of the offset, the length and the texts for each. The first texts make the
// first result, the second another, and so on.
func (r *budget) replaced(v, x any) any {
	s, _ := v.(string)
	list, _ := x.([]any)
	if !r.work(len(s) >> 2) {
		return errOver
	}
	var out []*strings.Builder
	at, start := cursor{text: s}, 0
	for _, m := range list {
		offset, length, texts := span(m)
		before := s[start:max(start, at.to(offset))]
		for i, text := range texts {
			t, ok := text.(string)
			if !ok {
				return r.add(before, text)
			}
			if !r.charges(len(before)+len(t), 2) {
				return errOver
			}
			if i == len(out) {
				out = append(out, new(strings.Builder))
			}
			out[i].WriteString(before)
			out[i].WriteString(t)
		}
		start = at.to(offset + length)
	}
	if len(out) == 0 {
		return []any{s}
	}
	results := make([]any, len(out))
	for i, b := range out {
		if !r.charges(len(s)-start+sizeItem, 1) {
			return errOver
		}
		b.WriteString(s[start:])
		results[i] = b.String()
	}
	return results
}
