package event

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pair is a header or a parameter.
type pair struct{ name, value string }

// pairs are headers or parameters, sorted, so that those of one name follow each other,
// in the order in which they were sent.
type pairs struct {
	list []pair
	// fold says that case makes no difference between names.
	fold bool
}

func (p *pairs) sort() {
	if p.fold {
		slices.SortStableFunc(p.list, func(a, b pair) int { return compareFold(a.name, b.name) })
		return
	}
	slices.SortStableFunc(p.list, func(a, b pair) int { return strings.Compare(a.name, b.name) })
}

// next is the end of those that have the name of the one at i.
func (p *pairs) next(i int) int {
	j := i + 1
	for j < len(p.list) && (p.list[i].name == p.list[j].name || p.fold && compareFold(p.list[i].name, p.list[j].name) == 0) {
		j++
	}
	return j
}

// compareFold compares names of headers, which are ASCII.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := toLower(a[i]), toLower(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func toLower(c byte) byte {
	if c-'A' <= 'Z'-'A' {
		c += 'a' - 'A'
	}
	return c
}

// headerPairs are the header that the function sees.
func headerPairs(format Format, in *Request) []pair {
	const added = 5
	list := make([]pair, 0, len(in.Header)+added)
	for name, values := range in.Header {
		if strings.EqualFold(name, "Content-Length") || in.Host != "" && strings.EqualFold(name, "Host") {
			continue
		}
		for _, value := range values {
			list = append(list, pair{name, value})
		}
	}
	if in.Host != "" {
		list = append(list, pair{"Host", in.Host})
	}
	if len(in.Body) > 0 {
		list = append(list, pair{"Content-Length", strconv.Itoa(len(in.Body))})
	}
	if format == HTTP {
		return list
	}
	add := func(name, value string) {
		if value != "" && len(in.Header[name]) == 0 {
			list = append(list, pair{name, value})
		}
	}
	add("X-Forwarded-For", in.Client)
	add("X-Forwarded-Port", portOf(in))
	add("X-Forwarded-Proto", in.Scheme)
	return list
}

// portOf is the port that the client asked for; empty if it is not known.
func portOf(in *Request) string {
	if _, port, err := net.SplitHostPort(in.Host); err == nil && port != "" {
		return port
	}
	switch in.Scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return ""
}

// queryPairs are the parameters of a query.
func queryPairs(query string, decode bool) []pair {
	if query == "" {
		return nil
	}
	list := make([]pair, 0, 1+strings.Count(query, "&"))
	for query != "" {
		var one string
		one, query, _ = strings.Cut(query, "&")
		if one == "" {
			continue
		}
		name, value, _ := strings.Cut(one, "=")
		if decode {
			name, value = unescapeQuery(name), unescapeQuery(value)
		}
		list = append(list, pair{name, value})
	}
	return list
}

// unescapeQuery decodes s, or returns it as it is if that cannot be done.
func unescapeQuery(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// unescapePath decodes s, or returns it as it is if that cannot be done.
func unescapePath(s string) string {
	if decoded, err := url.PathUnescape(s); err == nil {
		return decoded
	}
	return s
}

// name writes the name of a member behind the comma that it needs.
func (w *writer) name(i int, p *pairs) {
	if i > 0 {
		w.raw(`,`)
	}
	start := len(w.dst)
	w.dst = appendString(w.dst, p.list[i].name)
	if w.lower && p.fold {
		for j := start; j < len(w.dst); j++ {
			w.dst[j] = toLower(w.dst[j])
		}
	}
	w.raw(`:`)
}

// last writes an object with the last value of each name.
func (w *writer) last(before string, p *pairs) {
	if w.raw(before); len(p.list) == 0 {
		w.raw(w.none)
		return
	}
	w.raw(`{`)
	for i := 0; i < len(p.list); {
		w.name(i, p)
		i = p.next(i)
		w.dst = appendString(w.dst, p.list[i-1].value)
	}
	w.raw(`}`)
}

// all writes an object with an array of the values of each name.
func (w *writer) all(before string, p *pairs) {
	if w.raw(before); len(p.list) == 0 {
		w.raw(w.none)
		return
	}
	w.raw(`{`)
	for i := 0; i < len(p.list); {
		w.name(i, p)
		end := p.next(i)
		for before := `[`; i < end; i++ {
			w.text(before, p.list[i].value)
			before = `,`
		}
		w.raw(`]`)
	}
	w.raw(`}`)
}

// joined writes an object with the values of each name in one string.
func (w *writer) joined(before string, p *pairs) {
	w.raw(before)
	w.raw(`{`)
	for i := 0; i < len(p.list); {
		w.name(i, p)
		end, comma := p.next(i), `,`
		if p.fold && strings.EqualFold(p.list[i].name, "Cookie") {
			comma = `; ` // RFC 6265, section 5.4: a comma may be part of a cookie
		}
		for before := `"`; i < end; i++ {
			w.raw(before)
			w.dst = appendEscaped(w.dst, p.list[i].value)
			before = comma
		}
		w.raw(`"`)
	}
	w.raw(`}`)
}

// cookies writes an array of the cookies, and nothing if there are none.
func (w *writer) cookies(before string) {
	first := true
	for _, line := range w.Header["Cookie"] {
		for line != "" {
			var cookie string
			cookie, line, _ = strings.Cut(line, ";")
			if cookie = strings.TrimSpace(cookie); cookie == "" {
				continue
			}
			w.text(before, cookie)
			before, first = `,`, false
		}
	}
	if !first {
		w.raw(`]`)
	}
}
