package proxy

import (
	"fmt"
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

var (
	_ route.Describer = (*handler)(nil)
	_ route.Describer = (*shared)(nil)
)

// Describe implements [route.Describer].
func (h *handler) Describe(r *http.Request, x *route.Exchange) ([]string, *rpc.Error) {
	f := &forwarding{handler: h, r: r, x: x, upgrades: upgradesOf(r)}
	out, err := f.request(r.Context())
	if err != nil {
		return nil, err
	}
	path := f.url.RequestURI()
	lines := []string{fmt.Sprintf("forward to upstream %s: %s %s, host %s", h.Name, out.Method, path, out.Host)}
	if up, ok := h.Upstream.(upstream.Describer); ok {
		lines = append(lines, up.Describe()...)
	}
	if f.upgrades != nil {
		lines = append(lines, "upgrade to "+f.upgrades[0])
	}
	if h.Timeout > 0 {
		lines = append(lines, fmt.Sprintf("wait %v for the head of the answer", h.Timeout))
	}
	return lines, nil
}

// Describe implements [route.Describer]. What would be sent is told of the first.
func (h *shared) Describe(r *http.Request, x *route.Exchange) ([]string, *rpc.Error) {
	var lines []string
	sum, before := h.until[len(h.until)-1], int64(0)
	for i, name := range h.names {
		lines = append(lines, fmt.Sprintf("upstream %s gets %.4g %% of the requests", name, float64(h.until[i]-before)*100/float64(sum)))
		before = h.until[i]
	}
	if first, ok := h.handlers[0].(route.Describer); ok {
		more, err := first.Describe(r, x)
		if err != nil {
			return nil, err
		}
		lines = append(lines, more...)
	}
	return lines, nil
}
