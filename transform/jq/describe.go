package jq

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// String is one line for a person: reads body.user, headers.x-a; changes
// headers.x-b. Its order does not change from one run to the next. [] is each
// element or member; of a place with a ? behind it no more is looked at than what
// kind of value it is and how many elements it has.
func (n *Needs) String() string {
	reads := n.Input.describe(nil, ".", "")
	for _, name := range slices.Sorted(maps.Keys(n.Variables)) {
		reads = n.Variables[name].describe(reads, "$"+name, "$"+name)
	}
	return "reads " + list(reads) + "; changes " + list(n.Writes.describe(nil, "anything", ""))
}

func list(places []string) string {
	if len(places) == 0 {
		return "nothing"
	}
	return strings.Join(places, ", ")
}

// describe appends a text for each place of the set, below the prefix; whole is
// the text for all of it.
func (p Paths) describe(to []string, whole, prefix string) []string {
	if p.All {
		return append(to, whole)
	}
	for _, key := range slices.Sorted(maps.Keys(p.Keys)) {
		place := quoted(key)
		if prefix != "" {
			place = prefix + "." + place
		}
		if below := p.Keys[key]; below.Any() {
			to = below.describe(to, place, place)
		} else {
			to = append(to, place+"?")
		}
	}
	switch {
	case p.Elements == nil:
	case p.Elements.Any():
		to = p.Elements.describe(to, prefix+"[]", prefix+"[]")
	default:
		to = append(to, prefix+"?")
	}
	return to
}

// quoted is a name as jq has it after a dot, but that dashes are left as they are.
func quoted(key string) string {
	for _, r := range key {
		if r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			text, _ := json.Marshal(key)
			return string(text)
		}
	}
	return key
}
