package header_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

func set(name, text string) header.List {
	return header.List{Set: []header.Value{{Name: name, Text: text}}}
}

func add(name, text string) header.List {
	return header.List{Append: []header.Value{{Name: name, Text: text}}}
}

func remove(names ...string) header.List { return header.List{Remove: names} }

// both says the same of requests and of answers.
func both(l header.List) *header.Spec { return &header.Spec{Request: l, Response: l} }

// edited is what becomes of a header in each direction, which must be the same.
func edited(t *testing.T, e *header.Edits, h http.Header) http.Header {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = h.Clone()
	sent, err := e.Request(r, &route.Exchange{})
	require.Nil(t, err)
	require.Equal(t, h, r.Header, "the client's own header must stay as it is")
	answer := h.Clone()
	require.NoError(t, e.EditHead(answer, http.StatusOK, r, &route.Exchange{}))
	require.Equal(t, sent.Header, answer)
	return answer
}

func TestMerge(t *testing.T) {
	came := http.Header{
		"A": {"1"}, "B": {"2", "3"}, "X-Internal-A": {"4"}, "X-Internal-B": {"5"}, "X-Internal": {"6"},
		"Content-Length": {"7"}, "Connection": {"close"}, "Content-Type": {"text/plain"}, "X-Dragoman-Error": {"NO_ROUTE"},
	}
	with := func(changes http.Header) http.Header {
		h := came.Clone()
		for name, values := range changes {
			if values == nil {
				delete(h, name)
			} else {
				h[name] = values
			}
		}
		return h
	}
	all := func(lists ...header.List) header.List {
		var out header.List
		for _, l := range lists {
			out.Set, out.Append, out.Remove = append(out.Set, l.Set...), append(out.Append, l.Append...), append(out.Remove, l.Remove...)
		}
		return out
	}
	for _, test := range []struct {
		name   string
		levels []header.List
		want   http.Header
	}{
		{"nothing", nil, with(nil)},
		{"set", []header.List{set("b", "x")}, with(http.Header{"B": {"x"}})},
		{"set what is not there", []header.List{set("new", "x")}, with(http.Header{"New": {"x"}})},
		{"set to nothing", []header.List{set("a", "")}, with(http.Header{"A": {""}})},
		{"white space around a value", []header.List{set("a", " x y\t")}, with(http.Header{"A": {"x y"}})},
		{"append", []header.List{add("B", "x")}, with(http.Header{"B": {"2", "3", "x"}})},
		{"append what is not there", []header.List{add("new", "x")}, with(http.Header{"New": {"x"}})},
		{"append twice", []header.List{all(add("b", "x"), add("B", "y"))}, with(http.Header{"B": {"2", "3", "x", "y"}})},
		{"remove", []header.List{remove("b", "nothing")}, with(http.Header{"B": nil})},
		{"remove in any case", []header.List{remove("x-INTERNAL-a")}, with(http.Header{"X-Internal-A": nil})},
		{"remove by a pattern", []header.List{remove("x-Internal-*")}, with(http.Header{"X-Internal-A": nil, "X-Internal-B": nil})},
		{"a pattern leaves what is reserved", []header.List{remove("c*", "x*")}, with(http.Header{"X-Internal-A": nil, "X-Internal-B": nil, "X-Internal": nil})},
		{"content type", []header.List{set("content-type", "text/html")}, with(http.Header{"Content-Type": {"text/html"}})},

		{"four levels, the last decides", []header.List{set("a", "w"), set("A", "x"), set("a", "y"), set("a", "z")}, with(http.Header{"A": {"z"}})},
		{"each name by itself", []header.List{set("a", "x"), {}, set("b", "y"), {}}, with(http.Header{"A": {"x"}, "B": {"y"}})},
		{"append over set", []header.List{set("b", "x"), add("b", "y")}, with(http.Header{"B": {"2", "3", "y"}})},
		{"set over append", []header.List{add("b", "x"), set("b", "y")}, with(http.Header{"B": {"y"}})},
		{"appends are not added up", []header.List{add("b", "x"), add("b", "y")}, with(http.Header{"B": {"2", "3", "y"}})},
		{"remove over set", []header.List{set("b", "x"), remove("b")}, with(http.Header{"B": nil})},
		{"remove over append", []header.List{add("b", "x"), remove("b")}, with(http.Header{"B": nil})},
		{"set over remove", []header.List{remove("b"), set("b", "x")}, with(http.Header{"B": {"x"}})},
		{"append over remove", []header.List{remove("b"), add("b", "x")}, with(http.Header{"B": {"2", "3", "x"}})},
		{"a pattern over set", []header.List{set("x-internal-a", "x"), remove("x-internal-*")}, with(http.Header{"X-Internal-A": nil, "X-Internal-B": nil})},
		{"set over a pattern", []header.List{remove("x-internal-*"), set("x-internal-a", "x")}, with(http.Header{"X-Internal-A": {"x"}, "X-Internal-B": nil})},
		{"append over a pattern", []header.List{remove("x-internal-*"), add("x-internal-a", "x")}, with(http.Header{"X-Internal-A": {"4", "x"}, "X-Internal-B": nil})},
		{"set beside a pattern", []header.List{all(set("x-internal-a", "x"), remove("x-internal-*"))}, with(http.Header{"X-Internal-A": {"x"}, "X-Internal-B": nil})},
		{"patterns of two levels", []header.List{remove("x-*"), set("x-internal-b", "x"), remove("x-internal-*")}, with(http.Header{"X-Internal-A": nil, "X-Internal-B": nil, "X-Internal": nil})},
		{"set between patterns", []header.List{remove("x-*"), set("x-internal-b", "x"), remove("x-internal-a*")}, with(http.Header{"X-Internal-A": nil, "X-Internal-B": {"x"}, "X-Internal": nil})},
	} {
		t.Run(test.name, func(t *testing.T) {
			var levels []*header.Spec
			for _, l := range test.levels {
				levels = append(levels, both(l), nil)
			}
			e, err := header.Merge(levels...)
			require.NoError(t, err)
			require.Equal(t, test.want, edited(t, e, came))
		})
	}
}

// TestMergeNothing keeps exchanges without edits from paying for any.
func TestMergeNothing(t *testing.T) {
	e, err := header.Merge(nil, &header.Spec{}, nil)
	require.NoError(t, err)
	require.Nil(t, e)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	sent, refused := e.Request(r, &route.Exchange{})
	require.Nil(t, refused)
	require.Same(t, r, sent)
	e, err = header.Merge(&header.Spec{Response: set("a", "x")})
	require.NoError(t, err)
	sent, refused = e.Request(r, &route.Exchange{})
	require.Nil(t, refused)
	require.Same(t, r, sent)
}

// TestSharedValues: what an answer has of others must not be written to.
func TestSharedValues(t *testing.T) {
	shared := append(make([]string, 0, 8), "1")
	e, err := header.Merge(both(header.List{
		Set:    []header.Value{{Name: "b", Text: "set"}},
		Append: []header.Value{{Name: "a", Text: "x"}},
	}))
	require.NoError(t, err)
	first, second := http.Header{"A": shared}, http.Header{"A": shared}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	require.NoError(t, e.EditHead(first, 200, r, &route.Exchange{}))
	first["A"][1] = "mine"
	first.Add("B", "mine")
	require.NoError(t, e.EditHead(second, 200, r, &route.Exchange{}))
	require.Equal(t, []string{"1", "x"}, second["A"])
	require.Equal(t, []string{"set"}, second["B"])
	require.Equal(t, []string{"set", "mine"}, first["B"])
}

func TestDate(t *testing.T) {
	for _, l := range []header.List{remove("date"), remove("da*")} {
		e, err := header.Merge(&header.Spec{Response: l})
		require.NoError(t, err)
		h := http.Header{}
		require.NoError(t, e.EditHead(h, 200, httptest.NewRequest(http.MethodGet, "/", nil), &route.Exchange{}))
		require.Equal(t, http.Header{"Date": nil}, h, "net/http adds one to a header without an entry")
	}
}

func program(t testing.TB, src string, variables ...string) *jq.Program {
	t.Helper()
	p, err := jq.Compile(src, jq.Config{Name: "the program", Variables: variables, Limits: jq.DefaultLimits})
	require.NoError(t, err)
	return p
}

func TestCheck(t *testing.T) {
	expression := func(src string) header.List {
		return header.List{Set: []header.Value{{Name: "a", Program: program(t, src, "request")}}}
	}
	for _, test := range []struct {
		name string
		list header.List
		want string
	}{
		{"fine", header.List{Set: []header.Value{{Name: "a"}, {Name: "b", Text: "äö\t"}}, Append: []header.Value{{Name: "c"}, {Name: "C"}}, Remove: []string{"d", "x-*", "d*"}}, ""},
		{"host", set("Host", "x"), `request.set[0].name: "host" is not changed here: use rewrite: {host: …}`},
		{"framing", remove("a", "content-length"), `request.remove[1]: "content-length" cannot be changed: it follows from the body`},
		{"transfer-encoding", add("Transfer-Encoding", "x"), `request.append[0].name: "transfer-encoding" cannot be changed: it frames the body`},
		{"connection", set("connection", "x"), `request.set[0].name: "connection" cannot be changed: it belongs to one connection`},
		{"te", set("te", "x"), `request.set[0].name: "te" cannot be changed: it belongs to one connection`},
		{"keep-alive", remove("keep-alive"), `request.remove[0]: "keep-alive" cannot be changed: it belongs to one connection`},
		{"upgrade", remove("upgrade"), `request.remove[0]: "upgrade" cannot be changed: it belongs to one connection`},
		{"proxy-connection", remove("proxy-connection"), `request.remove[0]: "proxy-connection" cannot be changed: it belongs to one connection`},
		{"trailer", set("trailer", "x"), `request.set[0].name: "trailer" cannot be changed: it announces what comes behind the body`},
		{"pseudo header", set(":path", "x"), `request.set[0].name: ":path" is a pseudo header, which has no place among headers`},
		{"the gateway's own", set("x-dragoman-error", "x"), `request.set[0].name: "x-dragoman-error" cannot be changed: only the gateway says it`},
		{"gRPC", set("grpc-timeout", "x"), `request.set[0].name: "grpc-timeout" cannot be changed: names that begin with grpc- belong to the calls of gRPC`},
		{"gRPC by a pattern", remove("Grpc-*"), `request.remove[0]: "grpc-*" cannot be changed: names that begin with grpc- belong to the calls of gRPC`},
		{"WebSocket", remove("sec-websocket-accept"), `request.remove[0]: "sec-websocket-accept" cannot be changed: it belongs to the opening of a WebSocket`},
		{"no name", set("a b", "x"), `request.set[0].name: "a b" is no name of a header`},
		{"empty name", set("", "x"), `request.set[0].name: "" is no name of a header`},
		{"star alone", remove("*"), `request.remove[0]: "" is no beginning of a header's name`},
		{"star inside, which names may have", remove("a*b"), ""},
		{"content type removed", remove("content-type"), `request.remove[0]: "content-type" cannot be removed: a body without it is guessed at, so set it`},
		{"content type appended", add("content-type", "x"), `request.append[0].name: "content-type" has one value: set it`},
		{"two lists", header.List{Set: []header.Value{{Name: "a"}}, Append: []header.Value{{Name: "b"}, {Name: "A"}}}, `request.append[1].name: "A" is in the list set too: a name may be in one of them only`},
		{"set and removed", header.List{Set: []header.Value{{Name: "A"}}, Remove: []string{"a"}}, `request.set[0].name: "A" is in the list remove too: a name may be in one of them only`},
		{"set twice", header.List{Set: []header.Value{{Name: "a"}, {Name: "A"}}}, `request.set[1].name: "A" is in the list twice`},
		{"removed twice", remove("a", "A"), `request.remove[1]: "A" is in the list twice`},
		{"appended and removed by a pattern", header.List{Append: []header.Value{{Name: "x-a"}}, Remove: []string{"x-*"}}, `request.append[0].name: "x-a" is removed by a pattern of the same level: set it instead`},
		{"control characters", set("a", "x\ny"), `request.set[0].value: has a character that no header may have`},
		{"no base64", set("a-bin", "!"), `request.set[0].value: is not base64, as values are whose names end in -bin`},
		{"base64", set("a-bin", "AAE=, AAE"), ""},
		{"body", expression(".body.a"), `request.set[0].jq: looks at the body, or at the whole input, which has it: only heads are there for headers; name what it looks at, or use a transform`},
		{"everything", expression("tojson"), `request.set[0].jq: looks at the body, or at the whole input, which has it: only heads are there for headers; name what it looks at, or use a transform`},
		{"body of the request", expression("$request.body"), `request.set[0].jq: looks at the body, or at the whole input, which has it: only heads are there for headers; name what it looks at, or use a transform`},
		{"heads", expression(".headers, $request.headers | keys[0]"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := (&header.Spec{Request: test.list}).Check()
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
}

// TestErrors: each mistake has its place.
func TestErrors(t *testing.T) {
	_, err := header.Merge(nil, &header.Spec{
		Request:  header.List{Set: []header.Value{{Name: "a"}, {Name: "te"}}},
		Response: header.List{Remove: []string{"a", "b", "host"}},
	})
	require.EqualError(t, err, "request.set[1].name: \"te\" cannot be changed: it belongs to one connection\n"+
		"response.remove[2]: \"host\" is not changed here: use rewrite: {host: …}")
	var first *header.Error
	require.True(t, errors.As(err, &first))
	require.Equal(t, header.Error{Level: 1, List: "set", Index: 1, Member: "name", Err: first.Err}, *first)
	require.Equal(t, "request.set[1].name", first.Field())
}

// TestTrailers: what stands for trailers in an answer's header is no header.
func TestTrailers(t *testing.T) {
	e, err := header.Merge(&header.Spec{Response: remove("t*", "trailer*")})
	require.NoError(t, err)
	h := http.Header{http.TrailerPrefix + "X-T": {"1"}, "T": {"1"}}
	require.NoError(t, e.EditHead(h, 200, httptest.NewRequest(http.MethodGet, "/", nil), &route.Exchange{}))
	require.Equal(t, http.Header{http.TrailerPrefix + "X-T": {"1"}}, h)
}
