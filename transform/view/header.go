package view

import (
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

func (v *View) headersOf(value any, h *Head) ([]HeaderChange, error) {
	object, ok := value.(map[string]any)
	if !ok && value != nil {
		return nil, mistake("headers", "%s is not an object", show(value))
	}
	if v.headers != nil {
		changes, err := patch(object, v.headers, h)
		return fitting("headers", changes, err)
	}
	changes, err := headerChanges("headers", object, h)
	if changes, err = fitting("headers", changes, err); err != nil {
		return nil, err
	}
	// What the result leaves out is removed.
	given := make(map[string]bool, len(object))
	for key := range object {
		given[strings.ToLower(key)] = true
	}
	for canonical := range h.Header {
		if key := lowerName(canonical); !given[key] && !hidden(key) && !h.hides(key) {
			changes = append(changes, HeaderChange{Name: canonical})
		}
	}
	slices.SortFunc(changes, func(a, b HeaderChange) int { return strings.Compare(a.Name, b.Name) })
	return changes, nil
}

// patch looks only at these names of the headers of a result.
func patch(object map[string]any, names []name, h *Head) ([]HeaderChange, error) {
	var changes []HeaderChange
	for i, n := range names {
		c, changed, err := headerChange("headers", &names[i], object[n.key], h)
		if err != nil {
			return nil, err
		}
		if i > 0 && names[i-1].canonical == n.canonical || i+1 < len(names) && names[i+1].canonical == n.canonical {
			return nil, twice("headers", n.canonical)
		}
		if changed {
			if changes == nil {
				changes = make([]HeaderChange, 0, len(names)-i)
			}
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func twice(place, canonical string) error {
	return mistake(place, "%q is there twice, in other letters", canonical)
}

// headerChanges are those that an object asks for, in order; h is nil if there is
// nothing that it may be equal to.
func headerChanges(place string, object map[string]any, h *Head) ([]HeaderChange, error) {
	var changes []HeaderChange
	seen := make(map[string]bool, len(object))
	for _, key := range sortedKeys(object) {
		n := nameOf(key)
		if seen[n.canonical] {
			return nil, twice(place, n.canonical)
		}
		seen[n.canonical] = true
		c, changed, err := headerChange(place, &n, object[key], h)
		if err != nil {
			return nil, err
		}
		if changed {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func headerChange(place string, n *name, value any, h *Head) (c HeaderChange, changed bool, err error) {
	if !n.valid {
		return c, false, mistake(place, "%s is no name of a header", show(n.key))
	}
	c.Name = n.canonical
	if c.Values, err = texts(place, n.lower, value); err != nil {
		return c, false, err
	}
	for _, v := range c.Values {
		if !httpguts.ValidHeaderFieldValue(v) {
			return c, false, mistake(place+"."+n.lower, "%s has a character that no header may have", show(v))
		}
	}
	was := h.Header[n.canonical]
	if n.hidden || h.hides(n.lower) {
		if value == nil && len(was) == 0 {
			return c, false, nil
		}
		return c, false, mistake(place+"."+n.lower, "%s", advice(n.lower))
	}
	return c, !slices.Equal(was, c.Values), nil
}

// advice says why a header is not for programs.
func advice(key string) string {
	switch {
	case key == "host":
		return "is not for programs: set .host"
	case key == "content-length":
		return "is not for programs: it follows from the body"
	case connection[key]:
		return "is not for programs: it belongs to one connection"
	default:
		return "is not for programs: it belongs to the call"
	}
}
