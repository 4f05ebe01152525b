package plan_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
)

// fuzzRules have between them every way to use a field.
var fuzzRules = []struct {
	input string
	rules []string
	// path is what every path looks like.
	path *regexp.Regexp
}{
	{"Get", []string{`get: "/v1/{parent=shelves/*}/{name}"`, `get: "/v1/{sub.name}/{color}"`, `get: "/v1/names/{user}"`},
		regexp.MustCompile(`^/v1/(shelves/` + one + `/` + one + `|` + one + `/` + one + `|names/` + one + `)$`)},
	{"Get", []string{`get: "/{name=**}"`, `get: "/x/{data}/{at}/{ratio}/{mask}"`}, regexp.MustCompile(`^/(` + many + `|x/` + one + `/` + one + `/` + one + `/` + one + `)$`)},
	{"Get", []string{`get: "/v1/{name=a/**/z}:verb"`, `get: "/all"`}, regexp.MustCompile(`^(/v1/a/(` + many + `/)?z:verb|/all)$`)},
	{"Put", []string{`post: "/v1/{book.name}" body: "*"`, `post: "/v1" body: "*"`}, regexp.MustCompile(`^/v1(/` + one + `)?$`)},
	{"Deep", []string{`post: "/v1/{middle.book.title=**}" body: "middle"`, `post: "/v1" body: "middle"`}, regexp.MustCompile(`^/v1(/` + many + `)?$`)},
	{"File", []string{`post: "/v1/{name}" body: "file"`, `post: "/v1" body: "file"`}, regexp.MustCompile(`^/v1(/` + one + `)?$`)},
	{"Upload", nil, regexp.MustCompile(`^` + regexp.QuoteMeta(fullMethod) + `$`)},
	{"Put", nil, regexp.MustCompile(`^` + regexp.QuoteMeta(fullMethod) + `$`)},
}

const (
	one  = `(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+`
	many = `(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})*`
)

// FuzzBuild checks that no message makes Build panic or write what is no path, no
// query, no JSON or no header, and that the same message gives the same request,
// whatever was made before.
func FuzzBuild(f *testing.F) {
	fx := newFixture(f)
	var plans []*plan.Plan
	for _, r := range fuzzRules {
		plans = append(plans, fx.plan(f, r.input, r.rules...))
	}
	for i := range fuzzRules {
		for _, seed := range []string{
			"", field(1, "n"), field(1, "a/b/../c"), field(1, "/x"), field(1, "a/z"), field(2, "shelves/1") + field(1, "%2F"), field(1, "\xff"),
			field(8, field(1, "s"), varint(2, 1)) + varint(9, 77), field(19, "u") + field(20, "m") + field(19, "v"), field(6, "a") + field(7, "\x01\x02"),
			field(2, field(1, "b"), field(2, "t/u")), field(2, field(2, field(2, "..//"))), field(2, field(1, "a/b\n"), field(2, "\x00\xff")),
			field(11, varint(1, 1<<63)) + field(10, "\xff") + field(13, field(1, "a_b")), "\x0a\x05a", "\x0b\x0c", strings.Repeat(field(8, field(4)), 3),
		} {
			f.Add(uint8(i), []byte(seed))
		}
	}
	used := new(plan.Request)
	f.Fuzz(func(t *testing.T, which uint8, message []byte) {
		i := int(which) % len(plans)
		r := new(plan.Request)
		err, again := plans[i].Build(r, message), plans[i].Build(used, message)
		require.Equal(t, err, again)
		if err != nil {
			var re *rpc.Error
			require.ErrorAs(t, err, &re)
			require.NotEqual(t, rpc.Internal, re.Reason)
			return
		}
		require.Equal(t, show(r), show(used))

		path := string(r.Path)
		require.Regexp(t, fuzzRules[i].path, path)
		require.False(t, strings.HasPrefix(path, "//"))
		u, err := url.ParseRequestURI(path)
		require.NoError(t, err)
		require.Empty(t, u.Host)
		require.Equal(t, path, u.EscapedPath())
		for segment := range strings.SplitSeq(path, "/") {
			require.NotContains(t, []string{".", ".."}, segment)
		}
		require.Regexp(t, `^(`+one+`=`+many+`(&`+one+`=`+many+`)*)?$`, string(r.RawQuery))
		if r.ContentType == "application/json" && fuzzRules[i].input != "Upload" && fuzzRules[i].input != "File" {
			require.True(t, json.Valid(r.Body), "%s", r.Body)
		}
		require.NotRegexp(t, "[^ -~]", r.ContentType)
	})
}
