package transform_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
)

// The two directions of a stream overlap, each in a goroutine of its own.
func TestOverlappingDirections(t *testing.T) {
	g := serve(t, setup{entry: stream(t), specs: []spec{
		{request: `.body.n += 1 | .headers["x-h"] = .body.n | .log = {a: 1}`, response: `.body.n = ($request.headers["x-in"] | tonumber) + .body.n | .headers["x-r"] = $request.body.n | .log = {b: 1}`},
	}, next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		first := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range 200 {
				out, err := x.Messages.Request(nil, fmt.Appendf(nil, `{"n":%d}`, i), r)
				if err != nil || string(out) != fmt.Sprintf(`{"n":%d}`, i+1) {
					t.Errorf("%d: %s, %v", i, out, err)
				}
				if i == 0 {
					close(first)
				}
			}
		})
		<-first
		wg.Go(func() {
			for i := range 200 {
				out, err := x.Messages.Response(nil, fmt.Appendf(nil, `{"n":%d}`, i))
				if err != nil {
					t.Error(err)
				}
				_, _ = w.Write(append(out, '\n'))
			}
		})
		wg.Wait()
	}})
	a := g.do(t, "POST /v1/a\nX-In: 1000\n\n")
	require.Equal(t, "1", a.Header.Get("X-R"))
	lines := strings.Split(strings.TrimSpace(a.body), "\n")
	require.Len(t, lines, 200)
	require.Equal(t, `{"n":1199}`, lines[199])
}

// Many requests at once share nothing of the memory that is used again.
func TestManyAtOnce(t *testing.T) {
	g := serve(t, setup{next: echo, specs: []spec{{request: `.body.n += 1 | .headers["x-n"] = .body.n`, response: `.headers["x-n"] = .body.Header["X-N"][0] | .body = .body.Body`}}})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				n := i*100 + j
				resp, err := g.Client().Post(g.URL+"/v1/a", "application/json", strings.NewReader(fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("x", n))))
				if err != nil {
					t.Error(err)
					return
				}
				data, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if want := fmt.Sprintf(`"{\"n\":%d,\"pad\":\"%s\"}"`, n+1, strings.Repeat("x", n)); err != nil || string(data) != want || resp.Header.Get("X-N") != fmt.Sprint(n+1) {
					t.Errorf("%d: %s %v", n, data, err)
				}
			}
		})
	}
	wg.Wait()
}
