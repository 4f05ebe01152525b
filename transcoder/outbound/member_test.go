package outbound

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// FuzzOnlyMember compares with encoding/json what is the one member of an object.
func FuzzOnlyMember(f *testing.F) {
	for _, seed := range []string{
		`{"result":{"a":[1,{"b":"}],\""}]}}`, ` { "result" : "x\\" } `, `{"result":1,"result":2}`, `{"result":1,"x":2}`,
		`{"x":1,"result":2}`, `{"result":}`, `{"result":1}}`, `{"result":"`, `{"result":"\`, `{}`, ``, `[]`, `{"result":{"a":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, is := onlyMember(text, `"result"`)
		if !json.Valid(text) {
			return
		}
		want, wanted := referee(text)
		if is != wanted || !bytes.Equal(got, want) {
			t.Fatalf("%q: %q %v, want %q %v", text, got, is, want, wanted)
		}
	})
}

// referee is onlyMember for valid JSON; of names only those written plainly count.
func referee(text []byte) (value json.RawMessage, is bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	if first, _ := d.Token(); first != json.Delim('{') || !d.More() {
		return nil, false
	}
	before := d.InputOffset()
	name, _ := d.Token()
	plain := string(bytes.TrimSpace(text[before:d.InputOffset()])) == `"result"`
	if err := d.Decode(&value); name != "result" || !plain || err != nil || d.More() {
		return nil, false
	}
	return value, true
}

// TestCaptured: what a path has of the variables of its template, wherever a ** and a verb
// stand.
func TestCaptured(t *testing.T) {
	for _, test := range []struct {
		template, path string
		want           []upstream.Var
	}{
		{"/v1/{a}/{b}:go", "/v1/x%2Fy/z:go", []upstream.Var{{Name: "a", Text: "x/y"}, {Name: "b", Text: "z"}}},
		{"/v1/{a=**}/end", "/v1/x/y/z/end", []upstream.Var{{Name: "a", Text: "x/y/z"}}},
		{"/v1/{a=s/**}:go", "/v1/s:go", []upstream.Var{{Name: "a", Text: "s"}}},
		{"/v1/{a}/{b=**}/end", "/v1/x/y/z/end", []upstream.Var{{Name: "a", Text: "x"}, {Name: "b", Text: "y/z"}}},
		{"/v1/all", "/v1/all", nil},
	} {
		template, err := httprule.Parse(test.template)
		require.NoError(t, err)
		require.Equal(t, test.want, captured(template, test.path), test.template)
	}
}

// TestTargetKeepsEscapes: a slash in a value is none of the path.
func TestTargetKeepsEscapes(t *testing.T) {
	require.Equal(t, "/v1/a%2Fb%20c", target("/v1/a%2Fb%20c", "").EscapedPath())
}
