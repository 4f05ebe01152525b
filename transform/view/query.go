package view

import (
	"net/url"
	"slices"
	"strings"
)

// queryOf is the query with what the result says of it.
func (v *View) queryOf(value any, h *Head) (raw string, changed bool, err error) {
	object, ok := value.(map[string]any)
	if !ok && value != nil {
		return "", false, mistake("query", "%s is not an object", show(value))
	}
	pairs, err := parseQuery(h.RawQuery)
	if err != nil {
		return "", false, err
	}
	before := make(map[string][]string, len(pairs))
	for _, p := range pairs {
		before[p.key] = append(before[p.key], p.value)
	}
	// What stays keeps its place and its spelling.
	var out []string
	done := make(map[string]bool)
	for _, p := range pairs {
		if v.query != nil && !slices.ContainsFunc(v.query, func(n name) bool { return n.key == p.key }) {
			out = append(out, p.raw)
			continue
		}
		now, err := texts("query", p.key, object[p.key])
		if err != nil {
			return "", false, err
		}
		if slices.Equal(now, before[p.key]) {
			out = append(out, p.raw)
			done[p.key] = true
			continue
		}
		if !done[p.key] {
			out = appendPairs(out, p.key, now)
		}
		changed, done[p.key] = true, true
	}
	for _, key := range sortedKeys(object) {
		if done[key] || v.query != nil && !slices.ContainsFunc(v.query, func(n name) bool { return n.key == key }) {
			continue
		}
		now, err := texts("query", key, object[key])
		if err != nil {
			return "", false, err
		}
		out = appendPairs(out, key, now)
		changed = changed || len(now) > 0
	}
	if !changed {
		return "", false, nil
	}
	if raw = strings.Join(out, "&"); len(raw) > maxTarget {
		return "", false, mistake("query", "has more than %d bytes", maxTarget)
	}
	return raw, true, nil
}

func appendPairs(out []string, key string, values []string) []string {
	for _, value := range values {
		out = append(out, url.QueryEscape(key)+"="+url.QueryEscape(value))
	}
	return out
}
