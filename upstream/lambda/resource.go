package lambda

import (
	"net/url"
	"strings"

	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// proxy is the variable that AWS's own routes call the rest of a path by.
const proxy = "proxy"

// resource is the template of a match as API Gateway writes it, and its variables. A
// template for whatever follows ends in a variable there, with a plus; one for every
// path is none, as far as events go.
//
//	/shelves/{shelf}         the same
//	/files/{path=**}         /files/{path+}
//	/shop/**                 /shop/{proxy+}, and proxy is what follows /shop/
//	/**                      none
func resource(about *upstream.About) (string, []event.Var) {
	var vars []event.Var
	for _, v := range about.Vars {
		vars = append(vars, event.Var(v))
	}
	text := about.Resource
	if front, ok := strings.CutSuffix(text, "=**}"); ok {
		return front + "+}", vars
	}
	front, ok := strings.CutSuffix(text, "/**")
	switch {
	case !ok:
		return text, vars
	case front == "":
		return "", vars
	}
	if rest := behind(about.Path, segments(front)); rest != "" {
		vars = append(vars, event.Var{Name: proxy, Text: rest})
	}
	return front + "/{" + proxy + "+}", vars
}

// segments is how many segments of a path a template without ** fits. Those of a
// variable are between braces.
func segments(template string) int { return strings.Count(template, "/") }

// behind is what follows n segments of path, decoded.
func behind(path string, n int) string {
	for range n {
		at := strings.IndexByte(path[min(1, len(path)):], '/')
		if at < 0 {
			return ""
		}
		path = path[at+1:]
	}
	path = strings.TrimPrefix(path, "/")
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}
