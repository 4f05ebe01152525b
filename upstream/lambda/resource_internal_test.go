package lambda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

func TestResource(t *testing.T) {
	shelf := event.Var{Name: "shelf", Text: "7"}
	rest := func(text string) []event.Var { return []event.Var{{Name: "proxy", Text: text}} }
	for _, tc := range []struct {
		resource, path string
		given          []upstream.Var
		want           string
		vars           []event.Var
	}{
		{resource: "/reports", path: "/reports", want: "/reports"},
		{resource: "/shelves/{shelf}", path: "/shelves/7", given: []upstream.Var{upstream.Var(shelf)}, want: "/shelves/{shelf}", vars: []event.Var{shelf}},
		{resource: "/shop/**", path: "/shop/a/b%20c", want: "/shop/{proxy+}", vars: rest("a/b c")},
		{resource: "/shop/**", path: "/shop/a/", want: "/shop/{proxy+}", vars: rest("a/")},
		{resource: "/shop/**", path: "/shop/", want: "/shop/{proxy+}"},
		{resource: "/shop/**", path: "/shop", want: "/shop/{proxy+}"},
		{resource: "/a/b/**", path: "/a/b/c/d", want: "/a/b/{proxy+}", vars: rest("c/d")},
		{resource: "/{shelf}/**", path: "/7/c", given: []upstream.Var{upstream.Var(shelf)}, want: "/{shelf}/{proxy+}", vars: append([]event.Var{shelf}, rest("c")...)},
		{resource: "/{name=shelves/*}/**", path: "/shelves/7/c", given: []upstream.Var{{Name: "name", Text: "shelves/7"}},
			want: "/{name=shelves/*}/{proxy+}", vars: append([]event.Var{{Name: "name", Text: "shelves/7"}}, rest("c")...)},
		{resource: "/files/{shelf=**}", path: "/files/7", given: []upstream.Var{upstream.Var(shelf)}, want: "/files/{shelf+}", vars: []event.Var{shelf}},
		{resource: "/shop/**", path: "/shop/%zz", want: "/shop/{proxy+}", vars: rest("%zz")},
		{resource: "/shop/**", path: "", want: "/shop/{proxy+}"},
		{resource: "/**", path: "/a/b", want: ""},
		{resource: "", path: "/a/b", want: ""},
	} {
		t.Run(tc.resource+" "+tc.path, func(t *testing.T) {
			got, vars := resource(&upstream.About{Resource: tc.resource, Path: tc.path, Vars: tc.given})
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.vars, vars)
		})
	}
}
