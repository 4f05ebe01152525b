package reply

import (
	"fmt"
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

var (
	_ route.Describer = (*redirect)(nil)
	_ route.Describer = (*respond)(nil)
)

// Describe implements [route.Describer].
func (h *redirect) Describe(r *http.Request, x *route.Exchange) ([]string, *rpc.Error) {
	location, err := h.append(nil, r, x)
	if err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("answer %d with Location: %s", h.Status, location)}, nil
}

// Describe implements [route.Describer].
func (h *respond) Describe(*http.Request, *route.Exchange) ([]string, *rpc.Error) {
	if h.program != nil {
		return []string{fmt.Sprintf("answer %d with what body_jq gives", h.status)}, nil
	}
	return []string{fmt.Sprintf("answer %d with %d bytes", h.status, len(h.body))}, nil
}
