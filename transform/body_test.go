package transform_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder/entity"
)

func TestBodiesOfRequests(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, next: echo, specs: []spec{
			{request: `.body.root = .headers.root | .headers["x-color"] = .body.color`},
			{request: `if .body.keep then . else .body |= (del(.gone) | .n = .big) end`},
			{when: `.body.nothing`, request: `.body = "never"`},
		}})
		s := g.do(t, "POST /v1/a\nRoot: r\n"+jsonBody+"\n\n{\"big\": 12345678901234567890, \"color\": \"blue\", \"gone\": [1.0]}").seen(t)
		require.Equal(t, `{"big":12345678901234567890,"color":"blue","n":12345678901234567890,"root":"r"}`, s.Body)
		require.Equal(t, []string{"blue"}, s.Header["X-Color"])
		require.Equal(t, int64(len(s.Body)), s.Length)
		require.Equal(t, "application/json", s.Header.Get("Content-Type"))

		// There is none, and then there is.
		s = g.do(t, "POST /v1/a\nRoot: r").seen(t)
		require.Equal(t, `{"n":null,"root":"r"}`, s.Body)
		require.Equal(t, []string{"application/json"}, s.Header["Content-Type"])
	})
}

func TestUnchangedBodies(t *testing.T) {
	const odd = "  {\"b\" : 1.0,\n \"a\":1e2, \"b\": 2 } \n"
	g := serve(t, setup{
		next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
			data, _ := io.ReadAll(r.Body)
			x.RequestBytes += int64(len(data))
			w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
			w.Header().Set("X-Length", r.Header.Get("Content-Length"))
			_, _ = w.Write(data)
		},
		specs: []spec{{
			request:  `.headers["x-b"] = .body.b | if .body.change then .body.c = 1 else . end`,
			response: `.headers["x-b"] = .body.b | .body |= if .change then .c = 1 else . end`,
		}},
	})
	a := g.do(t, "POST /v1/a\n"+jsonBody+"\n\n"+odd)
	require.Equal(t, odd, a.body)
	require.Equal(t, "2", a.Header.Get("X-B"))
	require.Equal(t, "34", a.Header.Get("X-Length"))
	require.Equal(t, int64(len(odd)), g.exchange(t).RequestBytes)
}

func TestRemovedBodies(t *testing.T) {
	g := serve(t, setup{next: echo, specs: []spec{{request: `.body = null`}}})
	s := g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{}").seen(t)
	require.Empty(t, s.Body)
	require.Zero(t, s.Length)
	require.NotContains(t, s.Header, "Content-Type")

	g = serve(t, setup{next: answers(200, `{"a":1}`, jsonBody), specs: []spec{{response: `.body = null`}}})
	a := g.do(t, "GET /v1/a")
	require.Empty(t, a.body)
	require.Equal(t, int64(0), a.ContentLength)
	require.NotContains(t, a.Header, "Content-Type")
}

func TestKindsOfBodies(t *testing.T) {
	const form = "Content-Type: application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, program, as, in, want, wantType string
	}{
		{"form", `.body.b = ["1", "2"]`, "", form + "\n\na=x+y&b=0", "a=x+y&b=1&b=2", "application/x-www-form-urlencoded"},
		{"form to JSON", `.headers["content-type"] = "application/json" | .body.b = 1`, "", form + "\n\na=x", `{"a":"x","b":1}`, "application/json"},
		{"text", `.body |= sub("banana"; "orange")`, "", textBody + "\n\nFruits: [apple, banana, banana]", "Fruits: [apple, orange, banana]", "text/plain"},
		{"text to JSON", `.body = {t: .body}`, "", textBody + "\n\nx", `{"t":"x"}`, "application/json"},
		{"bytes", `.body = (.body[:4])`, "BYTES", "Content-Type: image/png\n\nabcdef", "abc", "image/png"},
		{"JSON as text", `.body |= ascii_upcase`, "TEXT", jsonBody + "\n\n{\"a\": 1}", `{"A": 1}`, "application/json"},
		{"no type", `.body.b = 1`, "", "\n\n {\"a\":0}", `{"a":0,"b":1}`, "application/json"},
		{"scalar", `.body += 1`, "", jsonBody + "\n\n41", `42`, "application/json"},
		{"array", `.body |= map(.+1)`, "", jsonBody + "\n\n[1,2]", `[2,3]`, "application/json"},
		{"string", `.body += "b"`, "", jsonBody + "\n\n\"a\"", `"ab"`, "application/json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := serve(t, setup{next: echo, specs: []spec{{request: c.program, as: c.as}}})
			s := g.do(t, "POST /v1/a\n"+strings.TrimPrefix(c.in, "\n")).seen(t)
			require.Equal(t, c.want, s.Body)
			require.Equal(t, c.wantType, s.Header.Get("Content-Type"))
		})
	}
}

// Two entries may take one body for different things.
func TestKindsInOneChain(t *testing.T) {
	g := serve(t, setup{next: echo, specs: []spec{
		{request: `.body |= sub("1"; "7")`, as: "TEXT"},
		{request: `.body.b = .body.a + 1`, as: "JSON"},
		{request: `.body |= ascii_upcase`, as: "TEXT"},
	}})
	require.Equal(t, `{"A":7,"B":8}`, g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{\"a\": 1}").seen(t).Body)
}

func TestBodiesOfAnswers(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2,
			next: answers(200, `{"Name":"Gloo","Favorites":{"Color":"Blue"}}`, jsonBody, "Content-Length: 44", "Etag: \"mine\""),
			specs: []spec{
				{response: `.body.outer = .body.inner + 1`},
				{request: `.headers["x-in"] = "1"`, response: `.headers.color = .body.Favorites.Color | .body |= {n: .Name, inner: 1} | .body.path = $request.path | .body.in = $request.headers["x-in"]`},
			}})
		a := g.do(t, "GET /v1/a")
		require.Equal(t, `{"in":"1","inner":1,"n":"Gloo","outer":2,"path":"/v1/a"}`, a.body)
		require.Equal(t, int64(len(a.body)), a.ContentLength)
		require.Equal(t, "Blue", a.Header.Get("Color"))
		require.Equal(t, `"mine"`, a.Header.Get("Etag"))

		// What a GET would say, and no body.
		h := g.do(t, "HEAD /v1/a")
		require.Equal(t, a.ContentLength, h.ContentLength)
		require.Equal(t, "Blue", h.Header.Get("Color"))
		require.Empty(t, h.body)
	})
}

// A handler that writes no body for HEAD is asked for that of a GET.
func TestHeadOfWholeBodies(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, specs: []spec{{response: `.headers["x-n"] = (.body | length) | .headers["x-method"] = .method | .body += [3]`}}, next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
			w.Header().Set("Content-Type", "application/json")
			if r.Method != "HEAD" {
				_, _ = io.WriteString(w, "[1, 2]")
			}
		}})
		a := g.do(t, "HEAD /v1/a")
		require.Equal(t, 200, a.StatusCode)
		require.Equal(t, "2", a.Header.Get("X-N"))
		require.Equal(t, "HEAD", a.Header.Get("X-Method"))
		require.Equal(t, int64(len("[1,2,3]")), a.ContentLength)
	})
}

// $request has the body as the upstream got it, if a program asks for it.
func TestSentBody(t *testing.T) {
	g := serve(t, setup{next: answers(200, `{}`, jsonBody), specs: []spec{
		{request: `.body.a += 1`, response: `.body.sent = $request.body.a | .body.path = $request.path`},
	}})
	require.Equal(t, `{"path":"/v1/a","sent":2}`, g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{\"a\":1}").body)

	// Whether a request program looks at it or not.
	g = serve(t, setup{next: echo, specs: []spec{{response: `.headers["x-a"] = $request.body.a`}}})
	a := g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{\"a\":1}")
	require.Equal(t, "1", a.Header.Get("X-A"))
	require.Equal(t, `{"a":1}`, a.seen(t).Body)
}

func zipped(t *testing.T, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestContentEncoding(t *testing.T) {
	body := spec{request: `.body.b = 1`, response: `.body.c = 1`}
	g := serve(t, setup{next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		w.Header().Set("X-Encoding", strings.Join(r.Header["Content-Encoding"], ","))
		data, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Got", string(data))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, zipped(t, `{"z":1}`))
	}, specs: []spec{body}})
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer encoder.Close()
	for coding, data := range map[string]string{"gzip": zipped(t, `{"a":1}`), "zstd": string(encoder.EncodeAll([]byte(`{"a":1}`), nil))} {
		a := g.do(t, "POST /v1/a\nContent-Encoding: "+coding+"\n"+jsonBody+"\n\n"+data)
		require.Equal(t, `{"a":1,"b":1}`, a.Header.Get("X-Got"))
		require.Empty(t, a.Header.Get("X-Encoding"))
		require.Equal(t, `{"c":1,"z":1}`, a.body)
		require.NotContains(t, a.Header, "Content-Encoding")
		require.Equal(t, int64(len(data)), g.exchange(t).RequestBytes, "as it travelled")
	}
	a := g.do(t, "POST /v1/a\nContent-Encoding: br\n"+jsonBody+"\n\nxx")
	require.Equal(t, 415, a.StatusCode)
	require.Equal(t, "gzip, zstd", a.Header.Get("Accept-Encoding"))
	a = g.do(t, "POST /v1/a\nContent-Encoding: gzip\n"+jsonBody+"\n\nxx")
	require.Equal(t, 400, a.StatusCode)
	require.Equal(t, "INVALID_BODY", a.Header.Get("X-Dragoman-Error"))
	a = g.do(t, "POST /v1/a\nContent-Encoding: gzip\n"+jsonBody+"\n\n"+zipped(t, strings.Repeat(" ", 2*limit)))
	require.Equal(t, 413, a.StatusCode)

	// What is only looked at travels as it came.
	g = serve(t, setup{next: answers(200, zipped(t, `{"z":1}`), jsonBody, "Content-Encoding: gzip"), specs: []spec{{response: `.headers["x-z"] = .body.z`}}})
	a = g.do(t, "GET /v1/a")
	require.Equal(t, "1", a.Header.Get("X-Z"))
	require.Equal(t, zipped(t, `{"z":1}`), a.body)
	require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))

	g = serve(t, setup{next: echo, specs: []spec{{request: `.headers["x-a"] = .body.a`}}})
	s := g.do(t, "POST /v1/a\nContent-Encoding: gzip\n"+jsonBody+"\n\n"+zipped(t, `{"a" :1}`)).seen(t)
	require.Equal(t, `{"a" :1}`, s.Body)
	require.Equal(t, []string{"1"}, s.Header["X-A"])
	require.NotContains(t, s.Header, "Content-Encoding")

	// A program that can do without leaves alone what it cannot read.
	g = serve(t, setup{next: echo, specs: []spec{{request: `.body.b = 1`, skip: true}}})
	s = g.do(t, "POST /v1/a\nContent-Encoding: br\n"+jsonBody+"\n\nxx").seen(t)
	require.Equal(t, "xx", s.Body)
	require.Equal(t, []string{"br"}, s.Header["Content-Encoding"])
}

func TestEntityTags(t *testing.T) {
	const raw = `{"a":1}`
	next := func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Etag", entity.Tag([]byte(raw)))
		if x.Reshaped {
			x.Tag = entity.Tag([]byte(raw))
		} else if entity.NoneMatch(r.Header["If-None-Match"], entity.Tag([]byte(raw))) {
			w.WriteHeader(304)
			return
		}
		_, _ = io.WriteString(w, raw)
	}
	g := serve(t, setup{next: next, specs: []spec{{response: `.body.b = 2`}}})
	a := g.do(t, "GET /v1/a")
	require.Equal(t, `{"a":1,"b":2}`, a.body)
	tag := entity.Tag([]byte(a.body))
	require.Equal(t, tag, a.Header.Get("Etag"))
	for _, method := range []string{"GET", "HEAD"} {
		again := g.do(t, method+" /v1/a\nIf-None-Match: "+tag)
		require.Equal(t, 304, again.StatusCode)
		require.Equal(t, tag, again.Header.Get("Etag"))
		require.Empty(t, again.body)
		require.NotContains(t, again.Header, "Content-Type")
	}
	require.Equal(t, 200, g.do(t, "POST /v1/a\nIf-None-Match: "+tag+"\n\n").StatusCode)
	// Who has the answer as it was before there were programs does not have this one.
	a = g.do(t, "GET /v1/a\nIf-None-Match: "+entity.Tag([]byte(raw)))
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, tag, a.Header.Get("Etag"))
	// One that the programs leave alone is compared as it is.
	for _, program := range []spec{{response: `.headers["x-n"] = .body.a`}, {response: `if .body.a == 2 then .body = 1 else .headers["x-n"] = 1 end`}} {
		g = serve(t, setup{next: next, specs: []spec{program}})
		a = g.do(t, "GET /v1/a\nIf-None-Match: "+entity.Tag([]byte(raw)))
		require.Equal(t, 304, a.StatusCode)
	}
	// Programs over bodies have nothing to say of an answer that the client has by a
	// tag of the service.
	next = func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
		w.Header().Set("Etag", `"v1"`)
		w.WriteHeader(304)
	}
	g = serve(t, setup{next: next, specs: []spec{{response: `.headers["x-n"] = "1"`}, {response: `.body |= map(.)`}}})
	a = g.do(t, "GET /v1/a\nIf-None-Match: \"v1\"")
	require.Equal(t, 304, a.StatusCode)
	require.Equal(t, "1", a.Header.Get("X-N"))
}

func TestBodilessAnswers(t *testing.T) {
	// Where there is no body, it is null, and nothing can be put into it.
	g := serve(t, setup{next: answers(204, ""), specs: []spec{{response: `.headers["x-b"] = (.body == null) | .body = {a: 1}`}}})
	a := g.do(t, "GET /v1/a")
	require.Equal(t, 204, a.StatusCode)
	require.Equal(t, "true", a.Header.Get("X-B"))
	require.Empty(t, a.body)
	require.NotContains(t, a.Header, "Content-Length")
	// But under another status.
	g = serve(t, setup{next: answers(204, ""), specs: []spec{{response: `.status = 200 | .body = {a: 1}`}}})
	a = g.do(t, "GET /v1/a")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, `{"a":1}`, a.body)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	// A status that has none takes it away, whether a program has looked or not.
	for _, program := range []string{`.status = 204`, `.status = (if .body.a then 204 else 500 end)`} {
		g = serve(t, setup{next: answers(200, `{"a":1}`, jsonBody, "Content-Length: 7"), specs: []spec{{response: program}}})
		a = g.do(t, "GET /v1/a")
		require.Equal(t, 204, a.StatusCode)
		require.Empty(t, a.body)
		require.NoError(t, a.err)
	}
}
