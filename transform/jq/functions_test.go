package jq

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run is what a program gives of an input, both as JSON, or its error, be it one of
// the program or of the run.
func run(t *testing.T, src, in string) string {
	t.Helper()
	p, err := Compile(src, Config{Name: "test", Env: map[string]string{"POD_NAME": "books-7d4f"}, Limits: DefaultLimits})
	if wrong := new(SyntaxError); errors.As(err, &wrong) {
		return wrong.Message
	}
	require.NoError(t, err, src)
	dec := json.NewDecoder(strings.NewReader(in))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v), in)
	out, err := p.Run(t.Context(), v)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "test: ")
	}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(out))
	return strings.TrimSuffix(text.String(), "\n")
}

// The examples of docs/jq-functions.md are the tests of what is right; these are
// of what is at the edges, and wrong.
func TestFunctions(t *testing.T) {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	jwt := func(header, payload string) string { return part(header) + "." + part(payload) + ".c2ln" }
	for _, row := range []struct{ src, in, want string }{
		// RFC 4231, test case 2; SHA-256 of nothing.
		{`sha256`, `""`, `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`},
		{`sha256("hex")`, `""`, `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`},
		{`sha256("base64")`, `""`, `"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="`},
		{`sha256("base64url")`, `""`, `"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"`},
		{`sha256("base46")`, `""`, `sha256: "base46" is no encoding; there are hex, base64, base64url`},
		{`sha256([])`, `""`, `sha256: [] is no encoding; there are hex, base64, base64url`},
		{`sha256`, `{"a": "secret"}`, `sha256: needs a string, and was given an object`},
		{`hmac_sha256("Jefe")`, `"what do ya want for nothing?"`, `"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"`},
		{`hmac_sha256("SmVmZQ==" | @base64d; "hex")`, `"what do ya want for nothing?"`, `"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"`},
		{`hmac_sha256(null)`, `""`, `hmac_sha256: the key is null, and must be a string`},
		{`hmac_sha256("a")`, `1`, `hmac_sha256: needs a string, and was given a number`},

		{`all(range(20) | uuid; test("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"))`, `null`, `true`},
		{`[uuid, uuid] | .[0] != .[1]`, `null`, `true`},
		{`random | . >= 0 and . < 1`, `null`, `true`},
		{`[range(100) | random] | unique | length > 90`, `null`, `true`},
		{`[range(200) | random(3)] | unique`, `null`, `[0,1,2]`},
		{`random(1)`, `null`, `0`},
		{`random(.)`, `1.0`, `0`},
		{`random(0)`, `null`, `random: 0 is no whole number from 1 to 2^53`},
		{`random(1.5)`, `null`, `random: 1.5 is no whole number from 1 to 2^53`},
		{`random(nan)`, `null`, `random: null is no whole number from 1 to 2^53`},
		{`random("a")`, `null`, `random: "a" is no whole number from 1 to 2^53`},
		{`random(.)`, `9007199254740993000`, `random: 9007199254740993000 is no whole number from 1 to 2^53`},

		{`base64url`, `"\u00ff\u00fe?>"`, `"w7_Dvj8-"`},
		{`base64url`, `7`, `base64url: needs a string, and was given a number`},
		{`base64url_decode`, `"w7_Dvj8-"`, `"ÿþ?>"`},
		{`base64url_decode`, `"YQ=="`, `"a"`},
		{`base64url_decode`, `"YQ="`, `base64url_decode: no base64url at byte 3`},
		{`base64url_decode`, `"YQ"`, `"a"`},
		{`base64url_decode`, `""`, `""`},
		{`base64url_decode`, `"ab+/"`, `base64url_decode: no base64url at byte 2`},
		{`base64url_decode`, `"YW\nFh"`, `base64url_decode: no base64url at byte 2`},
		{`base64url_decode`, `null`, `base64url_decode: needs a string, and was given null`},
		{`urlencode`, `"a b+c/ä~"`, `"a+b%2Bc%2F%C3%A4~"`},
		{`urlencode`, `12345678901234567890.10`, `"12345678901234567890.10"`},
		{`urlencode`, `true`, `"true"`},
		{`(. + 1) | urlencode`, `12345678901234567890`, `"12345678901234567891"`},
		{`urlencode`, `null`, `urlencode: needs a string, a number or a boolean, and was given null`},
		{`urldecode`, `"a+b%2Bc"`, `"a b+c"`},
		{`urldecode`, `"%zz"`, `urldecode: invalid URL escape "%zz"`},
		{`urldecode`, `[]`, `urldecode: needs a string, and was given an array`},

		{`jwt_claims.n`, `"` + jwt(`{"alg":"none"}`, `{"n":9007199254740993}`) + `"`, `9007199254740993`},
		{`jwt_claims`, `"bearer  ` + jwt(`{}`, ` {"a":1} `) + `"`, `{"a":1}`},
		{`jwt_claims`, `"` + part(`{}`) + "." + part(`{}`) + `."`, `{}`},
		{`jwt_claims`, `null`, `jwt_claims: needs a string, and was given null`},
		{`jwt_claims`, `""`, `jwt_claims: not a JWT: it has 1 parts and not 3, with dots between them`},
		{`jwt_claims`, `"Basic dTpw"`, `jwt_claims: not a JWT: it has 1 parts and not 3, with dots between them`},
		{`jwt_claims`, `"a.b.c.d.e"`, `jwt_claims: not a JWT: it is encrypted (RFC 7516)`},
		{`jwt_claims`, `"` + jwt(`{}`, `[1]`) + `"`, `jwt_claims: not a JWT: payload: an array and no object`},
		{`jwt_claims`, `"` + jwt(`{}`, `{} {}`) + `"`, `jwt_claims: not a JWT: payload: more than one JSON value`},
		{`jwt_claims`, `"` + jwt(`{}`, `{"a"`) + `"`, `jwt_claims: not a JWT: payload: no JSON`},
		{`jwt_claims`, `"` + jwt(`"a"`, `{}`) + `"`, `jwt_claims: not a JWT: header: a string and no object`},
		{`jwt_claims`, `"!!.` + part(`{}`) + `.c2ln"`, `jwt_claims: not a JWT: header: no base64url at byte 0`},
		{`jwt_claims`, `"` + part(`{}`) + "." + part(`{}`) + `.!"`, `jwt_claims: not a JWT: signature: no base64url at byte 0`},
		{`jwt_claims`, `"` + strings.Repeat("a", 65537) + `"`, `jwt_claims: not a JWT: it has 65537 bytes, and at most 65536 are taken`},

		{`cookie("a")`, `{"headers":{"cookie":"b=1; a=2;c=3; a=4"}}`, `"2"`},
		{`cookie("a")`, `{"headers":{"cookie":["b=1", "a=2"]}}`, `"2"`},
		{`cookie("a")`, `{"headers":{"cookie":"a=\"x y\""}}`, `"x y"`},
		{`cookie("a")`, `{"headers":{"cookie":"a=\""}}`, `"\""`},
		{`cookie("a")`, `{"headers":{"cookie":"a=b=c%20d"}}`, `"b=c%20d"`},
		{`cookie("a")`, `{"headers":{"cookie":" a\t= "}}`, `""`},
		{`cookie("a")`, `{"headers":{"cookie":"ab=1; A=2; a"}}`, `null`},
		{`cookie("a")`, `{"headers":{}}`, `null`},
		{`cookie("a")`, `{}`, `null`},
		{`cookie("a")`, `{"headers":{"cookie":7}}`, `cookie: needs a string, and was given a number`},
		{`cookie("a")`, `"a=b"`, `expected an object but got: string ("a=b")`},
		{`cookie(1)`, `{}`, `cookie: needs a string, and was given a number`},
		{`cookie(.name)`, `{"name":"a","headers":{"cookie":"a=1"}}`, `"1"`},

		{`set_cookie("a"; 1; {max_age: 0, path: "/", domain: ".example.com", http_only: true, secure: false, same_site: "lax"})`, `null`, `"a=1; Path=/; Domain=example.com; Max-Age=0; HttpOnly; SameSite=Lax"`},
		{`set_cookie("a"; ""; null)`, `null`, `"a="`},
		{`set_cookie("a"; true; {max_age: null})`, `null`, `"a=true"`},
		{`set_cookie("a"; "b"; {expires: 1700000000.9})`, `null`, `"a=b; Expires=Tue, 14 Nov 2023 22:13:20 GMT"`},
		{`set_cookie("a"; "b"; {expires: "2030-01-02T15:04:05+02:00"})`, `null`, `"a=b; Expires=Wed, 02 Jan 2030 13:04:05 GMT"`},
		{`set_cookie("a"; "b"; {expires: .})`, `1e300`, `set_cookie: "a": expires cannot be 1e300; it is in seconds since 1970, or as in "2030-01-02T15:04:05Z"`},
		{`set_cookie("a"; "b"; {expires: "soon"})`, `null`, `set_cookie: "a": expires cannot be "soon"; it is in seconds since 1970, or as in "2030-01-02T15:04:05Z"`},
		{`set_cookie("a"; "b"; {expires: nan})`, `null`, `set_cookie: "a": expires cannot be null; it is in seconds since 1970, or as in "2030-01-02T15:04:05Z"`},
		{`set_cookie("a"; "b"; {max_age: "1"})`, `null`, `set_cookie: "a": max_age cannot be "1"; it is a whole number of seconds`},
		{`set_cookie("a"; "b"; {max_age: 1.5})`, `null`, `set_cookie: "a": max_age cannot be 1.5; it is a whole number of seconds`},
		{`set_cookie("a"; "b"; {secure: "yes"})`, `null`, `set_cookie: "a": secure cannot be "yes"; it is true or false`},
		{`set_cookie("a"; "b"; {http_only: 1})`, `null`, `set_cookie: "a": http_only cannot be 1; it is true or false`},
		{`set_cookie("a"; "b"; {same_site: "none"})`, `null`, `set_cookie: "a": same_site "None" needs secure: true`},
		{`set_cookie("a"; "b"; {same_site: "none", secure: true})`, `null`, `"a=b; Secure; SameSite=None"`},
		{`set_cookie("a"; "b"; {same_site: "x"})`, `null`, `set_cookie: "a": same_site cannot be "x"; it is "Strict", "Lax" or "None"`},
		{`set_cookie("a"; "b"; {path: "/;x"})`, `null`, `set_cookie: "a": path cannot be "/;x"; it begins with / and has no semicolon`},
		{`set_cookie("a"; "b"; {path: "x"})`, `null`, `set_cookie: "a": path cannot be "x"; it begins with / and has no semicolon`},
		{`set_cookie("a"; "b"; {domain: "a b"})`, `null`, `set_cookie: "a": domain cannot be "a b"; it is a host name`},
		{`set_cookie("a"; "b"; {maxAge: 1})`, `null`, `set_cookie: "a": "maxAge" is no attribute; there are path, domain, max_age, expires, secure, http_only, same_site`},
		{`set_cookie("a"; "b"; [])`, `null`, `set_cookie: the attributes of "a" are an array, and must be an object`},
		{`set_cookie("a b"; "c")`, `null`, `set_cookie: the name "a b" has characters that it cannot have`},
		{`set_cookie(""; "c")`, `null`, `set_cookie: the name "" has characters that it cannot have`},
		{`set_cookie("a"; "b; Domain=evil")`, `null`, `set_cookie: the value of "a" has characters that it cannot have; encode it, as in $value | @uri`},
		{`set_cookie("a"; "b\r\nx: y")`, `null`, `set_cookie: the value of "a" has characters that it cannot have; encode it, as in $value | @uri`},
		{`set_cookie("a"; "ä")`, `null`, `set_cookie: the value of "a" has characters that it cannot have; encode it, as in $value | @uri`},
		{`set_cookie("a"; "ä b" | @uri)`, `null`, `"a=%C3%A4%20b"`},
		{`set_cookie("a"; {})`, `null`, `set_cookie: needs a string, a number or a boolean, and was given an object`},

		{`ip_in("10.0.0.0/8")`, `"10.255.0.1"`, `true`},
		{`ip_in("10.0.0.0/8")`, `"11.0.0.1:443"`, `false`},
		{`ip_in("10.1.2.3/8")`, `"10.9.9.9"`, `true`},
		{`ip_in("2001:db8::/32")`, `"[2001:db8::1]:443"`, `true`},
		{`ip_in("2001:db8::/32")`, `"[2001:db8::1]"`, `true`},
		{`ip_in("fe80::/10")`, `"fe80::1%eth0"`, `true`},
		{`ip_in("10.0.0.0/8")`, `"::ffff:10.0.0.1"`, `true`},
		{`ip_in("::ffff:10.0.0.0/104")`, `"10.0.0.1"`, `true`},
		{`ip_in("::/0")`, `"10.0.0.1"`, `false`},
		{`ip_in("0.0.0.0/0")`, `"::1"`, `false`},
		{`ip_in("::1")`, `"::1"`, `true`},
		{`ip_in("192.0.2.1")`, `"192.0.2.2"`, `false`},
		{`ip_in(["10.0.0.0/8", "::1/128"])`, `"::1"`, `true`},
		{`ip_in([])`, `"::1"`, `false`},
		{`ip_in(["10.0.0.0/8", "10.0.0.0/33"])`, `"10.0.0.1"`, `ip_in: "10.0.0.0/33" is no network; write one as in "10.0.0.0/8"`},
		{`ip_in("fe80::1%eth0")`, `"::1"`, `ip_in: "fe80::1%eth0" is no network; write one as in "10.0.0.0/8"`},
		{`ip_in("")`, `"::1"`, `ip_in: "" is no network; write one as in "10.0.0.0/8"`},
		{`ip_in(1)`, `"::1"`, `ip_in: a network is a number, and must be a string`},
		{`ip_in([[]])`, `"::1"`, `ip_in: a network is an array, and must be a string`},
		{`ip_in("::/0")`, `"[::1"`, `ip_in: "[::1" is no IP address`},
		{`ip_in("::/0")`, `"[::1]x"`, `ip_in: "[::1]x" is no IP address`},
		{`ip_in("::/0")`, `"[::1]:"`, `ip_in: "[::1]:" is no IP address`},
		{`ip_in("::/0")`, `"[10.0.0.1]"`, `ip_in: "[10.0.0.1]" is no IP address`},
		{`ip_in("::/0")`, `"10.0.0.1:70000"`, `ip_in: "10.0.0.1:70000" is no IP address`},
		{`ip_in("::/0")`, `"010.0.0.1"`, `ip_in: "010.0.0.1" is no IP address`},
		{`ip_in("::/0")`, `"localhost"`, `ip_in: "localhost" is no IP address`},
		{`ip_in("::/0")`, `null`, `ip_in: needs a string, and was given null`},
		{`ip_in(. + "/33")`, `"10.0.0.1"`, `ip_in: "10.0.0.1/33" is no network; write one as in "10.0.0.0/8"`},
		{`set_cookie("a"; .)`, `"b;c"`, `set_cookie: the value of "a" has characters that it cannot have; encode it, as in $value | @uri`},
		{`try ip_in("::/0") catch ("caught: " + .)`, `""`, `"caught: ip_in: \"\" is no IP address"`},
	} {
		t.Run(row.src+" of "+row.in[:min(len(row.in), 60)], func(t *testing.T) {
			require.Equal(t, row.want, run(t, row.src, row.in))
		})
	}
}

// A program of the same text compiled twice, and run by many, gives random numbers
// each time.
func TestImpureFunctionsRunEachTime(t *testing.T) {
	for _, src := range []string{"uuid", "random", "now"} {
		p, err := Compile(src, Config{Name: "test"})
		require.NoError(t, err)
		seen := make(map[any]bool)
		for range 20 {
			v, err := p.Run(t.Context(), nil)
			require.NoError(t, err)
			seen[v] = true
		}
		require.Greater(t, len(seen), 10, src)
	}
}

// What the library gives, of whatever it is given, is a value or an error.
func FuzzFunctions(f *testing.F) {
	for _, seed := range []string{
		`"eyJhIjoxfQ.eyJhIjoxfQ."`, `["10.0.0.0/8"]`, `"[::1]:80"`, `{"same_site":"None","secure":true,"expires":1e9,"max_age":3}`,
		`"a=b; c=\"d\""`, `-1e999`, `123456789012345678901234567890`, `"%zz"`, `null`, `[[[]]]`, `"\ud800"`, `true`,
	} {
		f.Add(seed, `"a"`, `"b"`)
		f.Add(`"a"`, seed, `{"path":"/"}`)
		f.Add(`"a"`, `"b"`, seed)
	}
	f.Fuzz(func(t *testing.T, in, first, second string) {
		values := []any{fuzzed(in), fuzzed(first), fuzzed(second), fuzzed(second)}
		for _, fn := range library {
			for n := fn.min; n <= fn.max; n++ {
				out := fn.call(values[0], values[1:1+n])
				if err, ok := out.(error); ok {
					require.Less(t, len(err.Error()), 600, fn.name)
					continue
				}
				requireValue(t, out)
				if s, ok := out.(string); ok && fn.name == "set_cookie" {
					require.NotContains(t, s, "\n")
					require.NotContains(t, s, "\r")
				}
			}
		}
	})
}

// fuzzed is the value of JSON, or the text itself, also as kinds of numbers that
// only programs make.
func fuzzed(text string) any {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return text
	}
	if n, ok := v.(json.Number); ok && len(n) > 1 {
		switch n[len(n)-1] {
		case '1':
			return len(n)
		case '2':
			f, _ := n.Float64()
			return f
		case '3':
			return new(big.Int).Lsh(big.NewInt(1), uint(len(n)))
		case '4':
			return math.NaN()
		}
	}
	return v
}

func requireValue(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case nil, bool, int, float64, *big.Int, json.Number, string:
	case []any:
		for _, element := range v {
			requireValue(t, element)
		}
	case map[string]any:
		for _, member := range v {
			requireValue(t, member)
		}
	default:
		require.Fail(t, "no value", "%T", v)
	}
}

// Every definition can be parsed, and defines what it says.
func TestDefinitions(t *testing.T) {
	for sig := range definitions() {
		name, arguments, _ := strings.Cut(sig, "/")
		require.True(t, builtins().defined[sig])
		var n int
		_, err := fmt.Sscan(arguments, &n)
		require.NoError(t, err)
		args := ""
		if n > 0 {
			args = "(" + strings.TrimSuffix(strings.Repeat(`"a";`, n), ";") + ")"
		}
		_, err = Compile(name+args, Config{Name: "test"})
		require.NoError(t, err)
	}
}
