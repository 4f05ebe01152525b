package route

import (
	"fmt"
	"strings"
)

// Conflict is two entries that no request can tell apart: their templates
// differ at most in their variables, and hosts they share, method, conditions and
// content type do not differ.
type Conflict struct{ A, B *Entry }

func (c *Conflict) Error() string {
	return fmt.Sprintf("%s and %s take the same requests: change the path, the hosts or the conditions of one of them",
		c.A.describe(), c.B.describe())
}

// String names an entry as [Conflict] does.
func (e *Entry) String() string { return e.describe() }

// describe names an entry with all that helps to find where it comes from:
//
//	route "books": GET /v1/{name} (library.v1.Library.GetBook, annotation)
func (e *Entry) describe() string {
	var b strings.Builder
	if e.Route != "" {
		fmt.Fprintf(&b, "route %q: ", e.Route)
	}
	b.WriteString(e.Method)
	if len(e.Hosts) > 0 {
		b.WriteString(" " + strings.Join(e.Hosts, ","))
	}
	if e.Template != nil {
		b.WriteString(" " + e.Template.String())
	}
	if e.ContentType != "" {
		b.WriteString(" for " + e.ContentType)
	}
	if wants := e.Wants(); len(wants) > 0 {
		b.WriteString(" wanting " + strings.Join(wants, " and "))
	}
	var from []string
	for _, s := range []string{e.RPC, e.Origin} {
		if s != "" {
			from = append(from, s)
		}
	}
	if len(from) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(from, ", "))
	}
	return b.String()
}
