package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestTwins holds that what a route decides about a header holds for the name with
// underscores too, which CGI takes for the same.
func TestTwins(t *testing.T) {
	edits, err := header.Merge(&header.Spec{Request: header.List{
		Set:    []header.Value{{Name: "x-set", Text: "a"}},
		Append: []header.Value{{Name: "x-more", Text: "d"}},
		Remove: []string{"x-user", "x-internal-*"},
	}})
	require.NoError(t, err)
	exact := "admin"
	entry := &route.Entry{Headers: []route.Condition{{Name: "x-role", Exact: &exact, Invert: true}}}
	for name, want := range map[string]int{
		"X_User":        http.StatusBadRequest,
		"X_Internal_Id": http.StatusBadRequest,
		"X_Set":         http.StatusBadRequest,
		"X_More":        http.StatusBadRequest,
		"X_Role":        http.StatusBadRequest,
		"X_Other":       http.StatusNoContent,
		"X_Userx":       http.StatusNoContent,
	} {
		t.Run(name, func(t *testing.T) {
			up := backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
			o := to(up)
			o.Headers = edits
			o.Refuse = func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange, err *rpc.Error) {
				w.WriteHeader(err.HTTPStatus())
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/p", nil)
			r.Header.Set(name, "admin")
			w := httptest.NewRecorder()
			proxy.New(o).Serve(w, r, &route.Exchange{Path: "/p", Entry: entry, Code: -1})
			require.Equal(t, want, w.Code)
		})
	}
}
