package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/near"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
)

// A selector is a full name, the beginning of full names up to a dot and "*", or
// "*" alone, as in google/api/http.proto.

// fits reports whether selector selects what has this full name.
func fits(selector, name string) bool {
	if prefix, ok := strings.CutSuffix(selector, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return selector == name
}

// names are the full names of a schema's services and of their methods.
type names struct{ services, methods []string }

func namesOf(s *schema.Schema) *names {
	n := &names{}
	for _, sd := range s.Services() {
		n.services = append(n.services, string(sd.FullName()))
		for i := range sd.Methods().Len() {
			n.methods = append(n.methods, string(sd.Methods().Get(i).FullName()))
		}
	}
	return n
}

func (n *names) fitsService(selector string) bool {
	return slices.ContainsFunc(n.services, func(name string) bool { return fits(selector, name) })
}

func (n *names) fitsMethod(selector string) bool {
	return slices.ContainsFunc(n.methods, func(name string) bool { return fits(selector, name) })
}

// ours reports whether a selector that selects nothing names one of the services
// all the same: as a method that the service does not have, or alone.
func (n *names) ours(selector string) bool {
	service, _ := cutLast(selector)
	return slices.Contains(n.services, service) || slices.Contains(n.services, selector)
}

// adviseMethod says what may be meant by a selector of methods that selects
// nothing in an upstream.
func (n *names) adviseMethod(selector, upstream string) string {
	if slices.Contains(n.services, selector) {
		return fmt.Sprintf("it is a service: write %q for all of its methods", selector+".*")
	}
	service, method := cutLast(selector)
	switch {
	case method == "*":
		return n.adviseWildcard(selector, upstream)
	case slices.Contains(n.services, service):
		var of []string
		for _, name := range n.methods {
			if s, m := cutLast(name); s == service {
				of = append(of, m)
			}
		}
		if meant := near.Name(method, of, len(method)/3+1); meant != "" {
			return didYouMean(service + "." + meant)
		}
		return list("its methods are ", of)
	}
	if meant := likely(selector, n.methods); meant != "" {
		return didYouMean(meant)
	}
	return n.known(upstream)
}

// adviseService is the same for a selector of services.
func (n *names) adviseService(selector, upstream string) string {
	if slices.Contains(n.methods, selector) {
		return "it is a method, which belongs into methods"
	}
	service, last := cutLast(selector)
	switch {
	case last == "*" && slices.Contains(n.services, service):
		return didYouMean(service)
	case last == "*":
		return n.adviseWildcard(selector, upstream)
	}
	if meant := likely(selector, n.services); meant != "" {
		return didYouMean(meant)
	}
	return n.known(upstream)
}

// adviseAny is the same for a selector of either.
func (n *names) adviseAny(selector, upstream string) string {
	if meant := likely(selector, n.services); meant != "" {
		return didYouMean(meant)
	}
	return n.adviseMethod(selector, upstream)
}

func (n *names) adviseWildcard(selector, upstream string) string {
	var all []string
	for _, name := range n.services {
		for ; name != ""; name, _ = cutLast(name) {
			all = append(all, name+".*")
		}
	}
	slices.Sort(all)
	if meant := likely(selector, slices.Compact(all)); meant != "" {
		return didYouMean(meant)
	}
	return n.known(upstream)
}

// known lists the services.
func (n *names) known(upstream string) string {
	if len(n.services) == 0 {
		return "it has no services"
	}
	return list(fmt.Sprintf("the services of %q are ", upstream), n.services)
}

// likely is the name that was probably meant: one that only lacks its package, or
// one with a few other letters.
func likely(name string, known []string) string {
	for _, k := range known {
		if len(k) > len(name) && strings.EqualFold(k[len(k)-len(name):], name) && k[len(k)-len(name)-1] == '.' {
			return k
		}
	}
	return near.Name(name, known, max(2, len(name)/8))
}

// listed is how many names an error lists.
const listed = 8

func list(before string, names []string) string {
	if rest := len(names) - listed; rest > 0 {
		return fmt.Sprintf("%s%s and %d more", before, strings.Join(names[:listed], ", "), rest)
	}
	return before + strings.Join(names, ", ")
}

func didYouMean(name string) string { return fmt.Sprintf("did you mean %q?", name) }

// quoted is a selector in the words of an error.
func quoted(selector string) string {
	if strings.HasSuffix(selector, "*") {
		return fmt.Sprintf("that fits %q", selector)
	}
	return fmt.Sprintf("%q", selector)
}

// cutLast cuts a name at its last dot.
func cutLast(name string) (before, after string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}
