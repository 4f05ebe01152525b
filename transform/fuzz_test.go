package transform_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpguts"

	"github.com/dragoman-gateway/dragoman/route"
)

// everyProgram are chains that between them look at, and write, all that there is,
// with what the client says.
var everyProgram = [][]spec{
	{{request: `.headers["x-a"] = .headers["x-in"]`, response: `.headers["x-b"] = .headers["x-in"]`}},
	{{request: `.headers["x-a"] = .query.q | .query = {q: .headers["x-in"], n: [1, true]}`, response: `.headers["x-b"] = $request.query.q`}},
	{{request: `.body.a = .headers`, response: `.body.b = .`}},
	{{request: `.body |= .`, response: `.body |= .`}},
	{{request: `.body = [.body]`, response: `.body = {b: .body}`, skip: true}},
	{{request: `.body |= ascii_upcase`, response: `.body |= ascii_downcase`, as: "TEXT"}},
	{{request: `.body |= .`, response: `.body += ""`, as: "BYTES"}},
	{{request: `.headers = .body`, response: `.headers = $request.body`}},
	{{request: `.headers += {(.body.name // "x-n" | tostring): .body.value}`, response: `.status = ($request.body.status // 200)`}},
	{{request: `.respond = .body`}},
	{{request: `.host = (.body.host // .host) | .log = .body`, error: `.body = {error, was: .body} | .headers["x-e"] = .error.message`}},
	{{when: `.body.a`, request: `.body.b = 1`}, {when: `.headers["x-in"] == "1"`, request: `.body.c = .vars.name`, error: `.status = .body.code`}},
	{{request: `.body |= walk(if type == "object" then to_entries else . end)`}},
	{{request: `.headers["content-type"] = .headers["x-in"] | .body.z = 1`}},
	{{response: `.body = .body.body | .headers["content-type"] = $request.headers["x-in"]`}},
}

func FuzzChain(f *testing.F) {
	gates := make([]*gateway, len(everyProgram))
	for i, in := range everyProgram {
		gates[i] = serve(f, setup{specs: in, next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
			data, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			for name, values := range r.Header {
				if !httpguts.ValidHeaderFieldName(name) {
					f.Errorf("header %q", name)
				}
				for _, v := range values {
					if !httpguts.ValidHeaderFieldValue(v) {
						f.Errorf("header %q: %q", name, v)
					}
				}
			}
			if r.ContentLength >= 0 && r.ContentLength != int64(len(data)) {
				f.Errorf("a length of %d for %d bytes", r.ContentLength, len(data))
			}
			w.Header()["Content-Type"] = r.Header["Content-Type"]
			_, _ = w.Write(data)
		}})
	}
	types := []string{"application/json", "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "image/png", "application/json; charset=utf-8"}
	for i := range everyProgram {
		f.Add(uint8(i), uint8(0), "1", "q=1&q=%20", []byte(`{"a":1,"name":"x-y","value":"v","status":204}`))
		f.Add(uint8(i), uint8(3), "a\tb", "%zz", []byte("a=b&c=%"))
		f.Add(uint8(i), uint8(4), "text/x", "", []byte("--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b--"))
		f.Add(uint8(i), uint8(0), "", "", []byte(`{"a": "\u000d\u000aevil: 1", "value": "a\r\nevil: 1", "name": "evil\r\n", "host": "a b"}`))
	}
	f.Fuzz(func(t *testing.T, which, kind uint8, header, query string, body []byte) {
		if !httpguts.ValidHeaderFieldValue(header) || strings.ContainsAny(query, " \x7f#") || strings.IndexFunc(query, func(r rune) bool { return r < ' ' }) >= 0 {
			return
		}
		g := gates[int(which)%len(gates)]
		r, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/v1/a", bytes.NewReader(body))
		require.NoError(t, err)
		r.URL = &url.URL{Scheme: "http", Host: r.URL.Host, Path: "/v1/a", RawQuery: query}
		r.Header.Set("X-In", header)
		if media := types[int(kind)%len(types)]; media != "" {
			r.Header.Set("Content-Type", media)
		}
		resp, err := g.Client().Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NotContains(t, resp.Header, "Evil")
		if reason := resp.Header.Get("X-Dragoman-Error"); resp.StatusCode == 500 && reason != "" {
			require.True(t, strings.HasPrefix(reason, "PROGRAM_"), reason)
		} else if resp.StatusCode > 500 && reason != "" {
			require.True(t, strings.HasPrefix(reason, "UPSTREAM_"), reason)
		}
		select {
		case <-g.done:
		default:
		}
	})
}
