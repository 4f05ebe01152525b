package jq_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

func needs(t *testing.T, src string) *jq.Needs {
	t.Helper()
	p, err := jq.Compile(src, jq.Config{
		Name: "test", Variables: []string{"request"}, Params: map[string]any{"limit": 7}, Env: map[string]string{"POD_NAME": "pod"},
	})
	require.NoError(t, err)
	return p.Needs()
}

func TestNeeds(t *testing.T) {
	for _, row := range []struct{ src, want string }{
		{src: `.`, want: `reads nothing; changes nothing`},
		{src: `{}`, want: `reads nothing; changes nothing`},
		{src: `.body`, want: `reads body; changes anything`},
		{src: `.status = (if (.body.data.error.message? // "") != "" then 400 else .status end)`, want: `reads body.data.error.message, status; changes status`},
		{src: `.headers["x-solo-resp-hdr1"] = $request.headers["x-solo-hdr1"]`, want: `reads $request.headers.x-solo-hdr1; changes headers.x-solo-resp-hdr1`},
		{src: `.headers["x-decoded-test"] = (.headers["x-test"]|@base64d|.[11:])`, want: `reads headers.x-test; changes headers.x-decoded-test`},
		{src: `.headers += (.query|{foo,bar}|with_entries(select(.value != null)))`, want: `reads headers, query.bar, query.foo; changes headers`},
		{src: `if .headers.foo == "bar" then .path="/post"|.method="POST" else . end`, want: `reads headers.foo; changes method, path`},
		{src: `.body.root=.headers.root|.body.payload.nested=.headers.nested`, want: `reads body, headers.nested, headers.root; changes body`},
		{src: `.log.endpoint_url = .body.url|.log.pod_name = env.POD_NAME`, want: `reads body.url; changes log`},
		{src: `.body|capture("id: (?<id>[0-9]{4})").id`, want: `reads body; changes anything`},
		{src: `.headers["x-id"] = (.body|capture("id: (?<id>[0-9]{4})").id)`, want: `reads body; changes headers.x-id`},
		{src: `.body |= sub("banana";"orange")`, want: `reads body; changes body`},
		{src: `if .status==404 then .body={error:"Not found!"} else . end`, want: `reads status; changes body`},
		{src: `.headers.color=.body.Favorites.Color`, want: `reads body.Favorites.Color; changes headers.color`},
		{src: `.body += {path, host:{name:.headers.host}}`, want: `reads body, headers.host, path; changes body`},
		{src: `.body += {path: .path}`, want: `reads body, path; changes body`},
		{src: `.body |= map({id, name})`, want: `reads body[].id, body[].name; changes body`},
		{src: `.headers["x-a"] = "1"`, want: `reads nothing; changes headers.x-a`},
		{src: `.body = {headers, body, httpMethod:.method, path}`, want: `reads body, headers, method, path; changes body`},
		{src: `.headers.x = null`, want: `reads nothing; changes headers.x`},
		{src: `.body |= (.slideshow|{author,title,slides})`, want: `reads body.slideshow.author, body.slideshow.slides, body.slideshow.title; changes body`},
		{src: `.body |= {author: .slideshow.author, title: .slideshow.title}`, want: `reads body.slideshow.author, body.slideshow.title; changes body`},
		{src: `.status = (if .headers.foo=="bar" then 401 else 403 end)`, want: `reads headers.foo; changes status`},
		{src: `.headers["x-forwarded-uri"]="https://"+.host+.path`, want: `reads host, path; changes headers.x-forwarded-uri`},
		{src: `.headers["x-b"] = .headers["x-a"]`, want: `reads headers.x-a; changes headers.x-b`},
		{src: `.headers += {a: "b", c: .body.x}`, want: `reads body.x; changes headers.a, headers.c`},
		{src: `del(.headers.x)`, want: `reads headers.x?; changes headers.x`},
		{src: `del(.headers.x, .body.secret)`, want: `reads body, headers.x?; changes body, headers.x`},
		{src: `.headers |= with_entries(select(.key | startswith("x-") | not))`, want: `reads headers; changes headers`},
		{src: `. + {headers: (.headers + {a: "1"}), body: .body.user}`, want: `reads body.user; changes body, headers.a`},
		{src: `. * {headers: {a: "1"}, status: 3}`, want: `reads headers.a?; changes headers.a, status`},
		{src: `{headers: {a: "1"}, body: .body.user}`, want: `reads body.user; changes body, headers`},
		{src: `{headers: (.headers + {a: "1"}), body, path}`, want: `reads nothing; changes headers.a`},
		{src: `.headers["x-total"] = (.body.books | length | tostring)`, want: `reads body.books?; changes headers.x-total`},
		{src: `reduce (.query | keys[]) as $k (.; .headers["q-" + $k] = .query[$k])`, want: `reads headers, query; changes headers`},
		{src: `if .body.user then .headers.a = "1" else .headers.b = "2" end`, want: `reads body.user?, headers.a, headers.b; changes headers.a, headers.b`},
		{src: `.headers += (if .path == "/" then {a: "1"} else {} end)`, want: `reads headers.a, path; changes headers.a`},
		{src: `{respond: {status: 403, body: {m: "no"}}}`, want: `reads nothing; changes respond`},
		{src: `if $request.headers.auth == null then .respond = {status: 401} else . end`, want: `reads $request.headers.auth?; changes respond`},
		{src: `def f(x): x | tostring; .headers.a = f(.body.n)`, want: `reads body.n; changes headers.a`},
		{src: `def f: if . > 3 then . else . + 1 | f end; .body.n | f`, want: `reads ., $request; changes anything`},
		{src: `try error(.body) catch {body: .}`, want: `reads body; changes body`},
		{src: `try .body.a.b catch {body: .}`, want: `reads body; changes anything`},
		{src: `.body.items[0].x = 1`, want: `reads body; changes body`},
		{src: `.headers[.path] = "x"`, want: `reads headers, path; changes headers`},
		{src: `.body.items |= sort_by(.name)`, want: `reads body; changes body`},
		{src: `.body |= {items: [.items[] | select(.price > 3) | {id, price}]}`, want: `reads body.items[].id, body.items[].price; changes body`},
		{src: `.headers //= {}`, want: `reads headers; changes headers`},
		{src: `.headers["x"] //= "d"`, want: `reads headers.x; changes headers.x`},
		{src: `.headers *= {a: "1"}`, want: `reads headers.a?; changes headers.a`},
		{src: `. as $r | .body = $r.body | .headers.a = $r.path`, want: `reads path; changes headers.a`},
		{src: `.body = .body`, want: `reads nothing; changes nothing`},
		{src: `{body: .body[:2]}`, want: `reads body[]; changes body`},
		{src: `.headers.limit = $limit`, want: `reads nothing; changes headers.limit`},
		{src: `label $f | .headers.a = (.body[] | if .x then ., break $f else empty end)`, want: `reads body[]; changes headers.a`},
		{src: `.body[] |= {a}`, want: `reads body[].a; changes body`},
		{src: `.body |= map_values(.a)`, want: `reads body[].a; changes body`},
		{src: `.headers["x-session"] = cookie("session")`, want: `reads headers.cookie; changes headers.x-session`},
		{src: `.headers["x-id"] = uuid`, want: `reads nothing; changes headers.x-id`},
	} {
		t.Run(row.src, func(t *testing.T) {
			require.Equal(t, row.want, needs(t, row.src).String())
		})
	}
}
