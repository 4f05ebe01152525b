package route

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Variable is a part of a path that has a name.
type Variable struct{ Name, Text string }

// Variables are what the entry that was found names in the path, decoded: the
// variables of its template, then the named groups of its [Whole] that took part.
// What cannot be decoded is as it is: it is refused by who binds it. It allocates.
func (x *Exchange) Variables() []Variable {
	var out []Variable
	if x.Entry == nil {
		return nil
	}
	if t := x.Entry.Template; t != nil {
		for i, v := range t.Variables {
			if i >= len(x.Captures) {
				break
			}
			text := x.matched()[x.Captures[i].Start:x.Captures[i].End]
			if decoded, err := httprule.AppendUnescaped(nil, text, httprule.Standard.Slashes(v.Multi)); err == nil {
				text = strings.ToValidUTF8(string(decoded), "\uFFFD")
			}
			out = append(out, Variable{v.Name(), text})
		}
	}
	if w := x.Entry.Whole; w != nil && w.Regexp != nil {
		out = w.Regexp.groups(out, x.matched(), x.Entry.TrailingSlash)
	}
	return out
}

// groups appends the named groups of a path that r fits, or, if tolerant, that it
// fits without the slash at its end.
func (r *Regexp) groups(out []Variable, escaped string, tolerant bool) []Variable {
	names := r.all.SubexpNames()
	if strings.Join(names, "") == "" {
		return out
	}
	view, _ := appendWhole(nil, escaped)
	path := string(view)
	spans := r.all.FindStringSubmatchIndex(path)
	if spans == nil && tolerant {
		path = strings.TrimSuffix(path, "/")
		spans = r.all.FindStringSubmatchIndex(path)
	}
	for i, name := range names {
		if name != "" && 2*i < len(spans) && spans[2*i] >= 0 {
			out = append(out, Variable{name, strings.ToValidUTF8(path[spans[2*i]:spans[2*i+1]], "\uFFFD")})
		}
	}
	return out
}
