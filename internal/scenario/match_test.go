package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// parseJSON keeps numbers as they are written, so that no digit is lost in a
// comparison.
func parseJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

// matchBody says how got differs from what is wanted; "" if it does not.
func matchBody(want *Body, got []byte) string {
	if want.Kind == "text" {
		if string(got) != want.Text {
			return fmt.Sprintf("body:\n got %q\nwant %q", clip(got), want.Text)
		}
		return ""
	}
	w, err := parseJSON(want.Text)
	if err != nil {
		return fmt.Sprintf("the wanted body is not JSON: %v", err)
	}
	g, err := parseJSON(string(got))
	if err != nil {
		return fmt.Sprintf("body: %q is not JSON: %v", clip(got), err)
	}
	if want.Kind == "json" {
		if !reflect.DeepEqual(w, g) {
			return fmt.Sprintf("body:\n got %s\nwant %s", clip(got), clip([]byte(want.Text)))
		}
		return ""
	}
	if want.Kind == "like" {
		if diff := like(w, g, "$"); diff != "" {
			return fmt.Sprintf("body: %s\n got %s", diff, clip(got))
		}
		return ""
	}
	if diff := includes(w, g, "$"); diff != "" {
		return fmt.Sprintf("body: %s\n got %s", diff, clip(got))
	}
	return ""
}

// includes reports where got lacks what want has.
func includes(want, got any, at string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: want an object", at)
		}
		for k, v := range w {
			if _, ok := g[k]; !ok {
				return fmt.Sprintf("%s.%s is missing", at, k)
			}
			if diff := includes(v, g[k], at+"."+k); diff != "" {
				return diff
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok {
			return fmt.Sprintf("%s: want an array", at)
		}
		for i, v := range w {
			found := false
			for _, other := range g {
				found = found || includes(v, other, at) == ""
			}
			if !found {
				return fmt.Sprintf("%s: nothing like element %d (%v)", at, i, v)
			}
		}
		return ""
	case string:
		text, ok := strings.CutPrefix(w, "~")
		if g, isString := got.(string); ok && isString && strings.Contains(g, text) {
			return ""
		}
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s: want %v, got %v", at, want, got)
	}
	return ""
}

// like is includes for a value that has nothing more: in "~" it may be any value.
func like(want, got any, at string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: want an object", at)
		}
		for k := range g {
			if _, ok := w[k]; !ok {
				return fmt.Sprintf("%s.%s is not wanted", at, k)
			}
		}
		for k, v := range w {
			if _, ok := g[k]; !ok {
				return fmt.Sprintf("%s.%s is missing", at, k)
			}
			if diff := like(v, g[k], at+"."+k); diff != "" {
				return diff
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: want an array of %d", at, len(w))
		}
		for i := range w {
			if diff := like(w[i], g[i], fmt.Sprintf("%s[%d]", at, i)); diff != "" {
				return diff
			}
		}
		return ""
	}
	if want == "~" {
		return ""
	}
	return includes(want, got, at)
}

// clip keeps messages readable.
func clip(b []byte) []byte {
	const most = 2_000
	if len(b) > most {
		return append(bytes.Clone(b[:most]), fmt.Sprintf("… (%d bytes)", len(b))...)
	}
	return b
}
