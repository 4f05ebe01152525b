package route

import (
	"fmt"
	"strings"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// The paths of a configuration that are no templates, as what an [Entry] has of
// them.
//
// Those that are texts are plain: they may have a space or an ü in them. A percent
// sign begins an escape, as in a URL, and is itself written %25; what is escaped and
// what is not is no difference, here as in requests, but for a slash: %2F is a slash
// within a segment. So a question mark, which would begin a query, is written %3F.

// Prefix is what fits a path and all paths below it, by whole segments: /foo fits
// /foo, /foo/ and /foo/bar, but not /foobar. A slash at the end of the text makes no
// difference. / fits everything.
func Prefix(text string) (*httprule.Template, error) {
	segs, _, err := plain(text)
	if err != nil {
		return nil, err
	}
	if segs[len(segs)-1] == "" {
		segs = segs[:len(segs)-1]
	}
	if clean(segs) < len(segs) {
		return nil, fmt.Errorf("%q: want no empty segments, or prefix_string instead of prefix", text)
	}
	return below(segs), nil
}

// Exact is what fits one path. A slash at its end counts: /foo/ is not /foo.
func Exact(text string) (*httprule.Template, *Whole, error) {
	segs, whole, err := plain(text)
	if err != nil {
		return nil, nil, err
	}
	switch n := clean(segs); {
	case whole == "/":
		return &httprule.Template{}, nil, nil
	case n == len(segs):
		t := below(segs)
		t.Segments = t.Segments[:n]
		return t, nil, nil
	default:
		// Only ** fits empty segments. With all before the first one in front of it, and
		// all after the last one behind it, no other template is more specific.
		t := below(segs[:n])
		last := len(segs)
		for segs[last-1] != "" {
			last--
		}
		t.Segments = append(t.Segments, below(segs[last:]).Segments[:len(segs)-last]...)
		return t, &Whole{Exact: whole}, nil
	}
}

// PrefixString is what fits all paths that begin with a text, which may end within
// a segment: /foo fits /foobar too.
func PrefixString(text string) (*httprule.Template, *Whole, error) {
	segs, whole, err := plain(text)
	if err != nil {
		return nil, nil, err
	}
	return told(segs), &Whole{Prefix: whole}, nil
}

// Regex is what fits all paths that a regular expression fits as a whole, after they
// are decoded as [Whole] says. The expression itself is not decoded.
func Regex(source string) (*httprule.Template, *Whole, error) {
	re, err := CompileRegexp(source)
	if err != nil {
		return nil, nil, err
	}
	text := prefix(re.tree)
	if text != "" && text[0] != '/' {
		return nil, nil, fmt.Errorf("regex %q: want a slash at the beginning, as all paths have it", source)
	}
	return told(strings.Split(text, "/")[min(1, len(text)):]), &Whole{Regexp: re}, nil
}

// plain takes a path as it is configured apart: into the texts of its segments, of
// which there is at least one, and into the path as [Whole] sees it.
func plain(text string) (segs []string, whole string, err error) {
	if !strings.HasPrefix(text, "/") {
		return nil, "", fmt.Errorf("%q: want a slash at the beginning", text)
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c == '?':
			return nil, "", fmt.Errorf("%q: want a path without a query, or %%3F for a question mark", text)
		case c == '#':
			return nil, "", fmt.Errorf("%q: want a path without a fragment, or %%23 for a number sign", text)
		case c < ' ' || c == 0x7f:
			return nil, "", fmt.Errorf("%q: want %%%02X for the byte at offset %d", text, c, i)
		}
	}
	for escaped := range strings.SplitSeq(text[1:], "/") {
		seg, err := httprule.AppendUnescaped(nil, escaped, httprule.Decoded)
		if err != nil {
			return nil, "", fmt.Errorf("%q: %w, or %%25 for a percent sign", text, err)
		}
		segs = append(segs, string(seg))
	}
	view, _ := appendWhole(nil, text)
	return segs, string(view), nil
}

// clean is how many segments there are before the first that is empty.
func clean(segs []string) int {
	n := 0
	for n < len(segs) && segs[n] != "" {
		n++
	}
	return n
}

// below is the template of segments and of all that is below them.
func below(segs []string) *httprule.Template {
	t := &httprule.Template{}
	for _, seg := range segs {
		t.Segments = append(t.Segments, httprule.Segment{Kind: httprule.Literal, Literal: seg})
	}
	t.Segments = append(t.Segments, httprule.Segment{Kind: httprule.Multi})
	return t
}

// told is the template that fits whatever begins with segments, of which the last may
// be only a part of one. It ends before a segment with a slash in it, and before one
// with what stands for a slash, which the whole path does not tell apart.
func told(segs []string) *httprule.Template {
	n := clean(segs[:max(len(segs)-1, 0)])
	for i, seg := range segs[:n] {
		if strings.Contains(seg, "/") || strings.Contains(seg, "%2F") {
			n = i
			break
		}
	}
	return below(segs[:n])
}
