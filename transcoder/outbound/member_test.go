package outbound

import (
	"bytes"
	"encoding/json"
	"testing"
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
