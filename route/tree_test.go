package route

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// TestLayout keeps the size on which the speed of large tables rests.
func TestLayout(t *testing.T) {
	table, err := Compile(services(t, 10_000))
	require.NoError(t, err)
	require.Less(t, len(table.tree.bytes)/10_000, 80, "bytes for each template")
}

// TestRoom has long literals and many variables.
func TestRoom(t *testing.T) {
	long := strings.Repeat("l", 43)
	longer := strings.Repeat("l", 1000)
	vars := "/{a}/{b}/{c}/{d}/{e}/{f=**}/{g=x}/{h=y}"
	table := compile(t,
		"x GET /"+long+"/{a}", "y GET /"+long[1:]+"/{a}", "z GET /"+longer, "w GET /p/*/"+longer+":"+long,
		"v GET /v"+vars+":v", "u GET /u"+vars,
	)
	for _, test := range []struct{ in, want string }{
		{"GET /" + long + "/1", "x a=1"},
		{"GET /" + long[1:] + "/1", "y a=1"},
		{"GET /" + long + "l/1", "404"},
		{"GET /" + strings.Replace(long, "l", "%6C", 3) + "/1", "x a=1"},
		{"GET /" + longer, "z"},
		{"GET /" + longer[1:], "404"},
		{"GET /p/1/" + longer + ":" + long, "w"},
		{"GET /p/1/" + longer + ":" + long[1:], "404"},
		{"GET /v/1/2/3/4/5/x/y:v", "v a=1 b=2 c=3 d=4 e=5 f= g=x h=y"},
		{"GET /u/1/2/3/4/5/6/7/x/y", "u a=1 b=2 c=3 d=4 e=5 f=6/7 g=x h=y"},
	} {
		require.Equal(t, test.want, match(t, table, request(test.in)), test.in)
	}

	// More segments than the matcher notes the slashes of.
	deep := strings.Repeat("/*", 20)
	table = compile(t, "GET"+" "+deep+"/{a}/x/{b=y/*}/{c=**}/z:v", "GET "+strings.Repeat("/{a}", 1)+deep)
	path := strings.Repeat("/s", 20)
	require.Equal(t, deep+"/{a}/x/{b=y/*}/{c=**}/z:v a=1 b=y/2 c=3/4", match(t, table, request("GET "+path+"/1/x/y/2/3/4/z:v")))
	require.Equal(t, deep+"/{a}/x/{b=y/*}/{c=**}/z:v a=1 b=y/2 c=", match(t, table, request("GET "+path+"/1/x/y/2/z:v")))
	require.Equal(t, "/{a}"+deep+" a=s", match(t, table, request("GET "+path+"/t")))
}

// TestTooLarge has templates that no parser makes.
func TestTooLarge(t *testing.T) {
	huge := strings.Repeat("x", 1<<16)
	for want, tm := range map[string]*httprule.Template{
		"want at most 32767 segments":           {Segments: make([]httprule.Segment, 1<<15)},
		"want at most 65535 bytes in a segment": {Segments: []httprule.Segment{{Literal: huge}}},
		"want at most 65535 bytes in a verb":    {Segments: []httprule.Segment{{Kind: httprule.Single}}, Verb: huge},
	} {
		e := entry(t, "GET /a")
		e.Template = tm
		err := newBuilder().add(e)
		require.EqualError(t, err, want)
	}
}

func TestHashEscaped(t *testing.T) {
	for n := range 40 {
		plain := strings.Repeat("ab/cd", 8)[:n]
		require.Equal(t, hash(plain), hashEscaped(plain))
		require.Equal(t, hash(plain), hashEscaped(strings.ReplaceAll(strings.ReplaceAll(plain, "/", "%2f"), "b", "%62")), plain)
	}
}
