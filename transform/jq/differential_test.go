package jq

import (
	"context"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/itchyny/gojq"
	"github.com/stretchr/testify/require"
)

// outputs are what a program yields, up to a number, and the error that ends it.
func outputs(iter gojq.Iter) (out []any, failed string) {
	for len(out) < 200 {
		v, ok := iter.Next()
		if !ok {
			return out, ""
		}
		if err, ok := v.(error); ok {
			return out, err.Error()
		}
		out = append(out, v)
	}
	return out, "and more"
}

// A pair is a program as gojq compiles it and as this package does.
type pair struct {
	theirs *gojq.Code
	ours   *engine
}

func compilePair(t testing.TB, src string, limits Limits) pair {
	t.Helper()
	query, err := gojq.Parse(src)
	require.NoError(t, err, src)
	text := query.String()
	theirs, err := gojq.Compile(query)
	require.NoError(t, err, src)
	ours, err := newEngine(query, nil, nil, limits)
	require.NoError(t, err, src)
	require.Equal(t, text, query.String(), "the query has changed")
	return pair{theirs, ours}
}

func (p pair) run(t testing.TB, in any) (want, got []any, wantErr, gotErr string) {
	t.Helper()
	want, wantErr = outputs(p.theirs.Run(in))
	i, err := p.ours.take()
	require.NoError(t, err)
	defer p.ours.give(i)
	i.budget.begin(context.Background())
	got, gotErr = outputs(i.code.RunWithContext(&i.budget, in))
	if f := i.budget.failure; f != nil {
		gotErr = "limit: " + f.Message
	}
	if step := p.ours.straight; step != nil {
		i.budget.begin(context.Background())
		v, err := step(&i.frame, in)
		if err != nil {
			require.Equal(t, wantErr, err.Error(), "straight")
		} else {
			require.Empty(t, wantErr, "straight")
			require.Empty(t, cmp.Diff(want, []any{v}, sameValues), "straight")
		}
	}
	return want, got, wantErr, gotErr
}

var sameValues = cmp.Options{
	cmpopts.EquateNaNs(),
	cmp.Comparer(func(x, y *big.Int) bool { return x.Cmp(y) == 0 }),
}

func TestSameAsGojq(t *testing.T) {
	inputs := []any{}
	for _, text := range strings.Split(strings.TrimSpace(sampleInputs), "\n") {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		require.NoError(t, d.Decode(&v), text)
		inputs = append(inputs, v)
	}
	inputs = append(inputs, 3, -7, 2.5, new(big.Int).Lsh(big.NewInt(1), 80), []any{1, 2.5, 3}, map[string]any{"a": 1, "b": []any{2}})
	for _, src := range strings.Split(strings.TrimSpace(samplePrograms), "\n") {
		t.Run(src, func(t *testing.T) {
			p := compilePair(t, src, Limits{Memory: 64 << 20})
			for _, in := range inputs {
				before, err := gojq.Marshal(in)
				require.NoError(t, err)
				want, got, wantErr, gotErr := p.run(t, in)
				shown, _ := gojq.Marshal(in)
				require.Equal(t, string(before), string(shown), "the input has changed")
				require.Empty(t, cmp.Diff(want, got, sameValues), "%s | %s", shown, src)
				require.Equal(t, wantErr, gotErr, "%s | %s", shown, src)
			}
		})
	}
}

const sampleInputs = `
null
true
0
12345678901234567890123
-1.5e300
""
"a,b, cde"
"größe €"
"aGVsbG8="
"[1,{\"a\":2}]"
"2015-03-05T23:51:47Z"
[]
[3,1,2,1,3]
[[1,2],[3,4],[1,2]]
["b","a","c","a"]
[{"a":1,"b":2},{"a":1,"b":3},{"a":0},null]
[null,false,true,0,"",[],{}]
[["a",1],["b"]]
{}
{"a":1,"b":2}
{"a":{"b":{"c":[1,2,{"d":null}]}},"e":"text"}
{"a":[1,2,3],"b":"x","c":null}
{"a":{"x":1},"b":{"x":2,"y":[{"x":3}]}}
{"key":"k","value":7}
[{"name":"n","value":null},{"key":"k"},{"Key":"q","Value":[1]}]
{"headers":{"x-a":"1","x-b":["2","3"]},"path":"/v1/a","status":200}
`

const samplePrograms = `
.
.headers["x-c"] = "1"
.headers["x-c"] = .path
.headers["x-a"] |= ascii_downcase
.headers["x-a"] += "s"
.headers.none //= "d"
.a.b |= tostring
.a += .b
.a -= 1 | .b = 2
del(.headers["x-a"], .path)
{"a": {"x": 1}} | (.a.x, .a, .a.p.x) |= (if type == "object" then {p: ., q: .} else (. // 0) + 1 end)
del(.headers)
.path as $p | .headers["x-p"] = "\($p)/\(.status)"
.a as $x | .b as $y | (.b as $x | [$x] | length) as $z | {$x, $y, $z}
.a as $x | (2 as $x | $x) + 0 | {x: ., y: $x}
{headers: (.headers + {"x-n": (.status | tostring)})}
{a: .b, (.path // "k"): 1, "s": {t: .a}}
{a: 1, a: 2, ("a"): 3}
{(.a): 1, (null): 2}
if .status == 200 and .path then .status = 201 elif .a then .a else "none" end
if .a | not then {} end
(.a // .b // "c") | length
.a and .b, 1
.a.b and .c
.a.b or .c
(.x.y.z | type) + "!"
"\(.a)\(.b)" | ascii_upcase? // 1
"\(.a) \(.b.c)"
@json "v=\(.a)" | length
.a == .b and (.a | tojson) == "1"
.a < .b
.a * .b
.a / .b
.a % .b
..
[..]
.a
.a.b
.a.b.c[0]
.a?
.[0]
.[-1]
.[1:]
.[:-1]
.[1:2]
.["a"]
.["a","b"]?
.[]
.[]?
[.[]?]
.a[]?
.[.a]?
.a[.b]?
.[0,1]?
.[1:3,4]?
.[[1]]?
.[[1,2]]?
try .[[1,2]] catch .
(1,2) + (10,20)
(1,2) * (10,20), (1,2) - (10,20), (6,8) / (2,4), (7,8) % (2,3)
[(1,2) == (2,1)], [(1,2) < (2,1)], [(1,2) >= (2,1)], [(1,2) != (2,1)], [(1,2) > (2,1)], [(1,2) <= (2,1)]
. + .
. - .
. * .
. / .
. % 3
. + 1
1 + .
. * 3
3 * .
. * 0
. * 0.5
. / 3
. - 3
. == .
. < {}
. + null
null + .
[.[]? + 1]
try (.[] + "x") catch .
try error catch .
try error("x") catch .
try error({a: 1}) catch .a
error
error(null)
.a = 1
.a |= 1
.a += 1
.a -= 1
.a *= 2
.a /= 2
.a %= 2
.a //= 9
.a.b.c = 1
.a["b"] = 1
.[2] = 1
.[-1] = 1
.[1:] = [9]
.[1:2] = ["x","y"]
.[:1] |= map(0)
(.a, .b) = 1
(.a, .b) |= 5
(.a, .b) += (1, 2)
.a = (1, 2)
.[] += 1
.[]? |= empty
(.[]? | select(. == 1)) |= empty
.a |= empty
.a |= (1, 2)
.[] = 1
.. = 1
..|= .
[.[]?] | .[] |= (. as $x | [$x])
(.a | .b) = 3
.a[1:] = [7]
.a |= with_entries(.value |= tostring)
(.a // .b) = 4
(if .a then .a else .b end) = 4
first(.a, .b) = 1
.a as $x | .b = $x
.a += .b
.a = .b
(.. | numbers) |= . + 1
(.. | select(type == "string")) |= ascii_upcase
del(.a)
del(.a, .b)
del(.[0])
del(.[0, 1])
del(.[1:])
del(.[-1, 0])
del(.[])
del(..)
del(.a.b.c[0])
del(.x.y.z)
delpaths([["a"], ["a", "b"]])
delpaths([])
delpaths([[]])
delpaths(1)
delpaths([1])
to_entries
from_entries
with_entries(.)
with_entries(.key |= tostring)
with_entries(select(.value != null))
path(..)
[path(.[]?)]
path(.a + .b)
path(.a, .b)
path(.a | select(.b))
path(.a // .b)
path(first(.a, .b))
path(if .a then .b else .c end)
path(getpath(["a", "b"]))
path(.a[1:])
path(.[1:][0])
path(recurse(.[]?; . != null))
[paths]
[paths(type == "number")]
paths
getpath(["a", "b"])
getpath(["a", 0])
getpath([])
getpath(1)
setpath(["a"]; 1)
setpath([0]; 1)
setpath([]; 1)
setpath(["a", "b"]; 1)
setpath(1; 1)
setpath([[1]]; 1)
pick(.a)
pick(.a.b)
pick(.[1])
reduce .[]? as $x (0; . + 1)
reduce .[]? as [$x, $y] ([]; . + [$y])
reduce (1, 2, 3) as $x (0; . + $x, . * $x)
reduce (1, 2, 3) as $x (0; empty)
[foreach .[]? as $x (0; . + 1; [$x, .])]
[foreach (1, 2, 3) as $x (0; . + $x)]
foreach (1, 2, 3) as $x (0; . + $x, . - $x; [., $x])
label $out | .[]? | if . == 2 then break $out else . end
[label $out | foreach (1, 2, 3) as $x (0; . + $x; ., if . > 2 then break $out else empty end)]
[limit(3; repeat(1))]
limit(0; 1, 2)
limit(-1; 1)
[limit(2; .[]?)]
[skip(1; .[]?)]
first, last
first(.[]?)
[.[]? | first?]
nth(1)?
[nth(0, 1; .[]?)]
until(. == null or true; 1)
[while(false; .)]
[1 | while(. < 50; . * 2)]
1 | until(. > 100; . * 3)
[range(5)]
[range(2; 5)]
[range(0; 10; 3)]
[range(5; 0; -2)]
[range(0, 1; 3, 4)]
[range(0; 1; 0.3)]
[recurse(if type == "array" then .[] else empty end)]
[2 | recurse(if . < 20 then . * . else empty end; . < 100)]
. as [$a, $b] | [$b, $a]
. as {a: $x} | $x
. as {a: $x, b: [$y]} | [$x, $y]
. as {$a, $b} | [$a, $b]
. as {("a", "b"): $x} | $x
. as {"a": $x} | $x
. as {"\("a")": $x} | $x
. as [$a] ?// {$a} ?// $a | [$a]
[.[]? as [$a] ?// $a | $a]
"x\(.)y"
"\(1, 2) and \(3, 4)"
"\(.a)-\(.b)"
"\("\(.)")"
@text "v=\(.)"
@json "v=\(.)"
@html "v=\(.)<"
@uri "v=\(.)"
@csv "\([1, "a\"b", null, true])"
@tsv "\([1, "a\tb", null, true])"
@sh "echo \(.)"
@base64 "\(.)"
@base64d "\("aGk=")"
@text, @json
@html
@uri
@urid
@csv
@tsv
@sh
@base64
@base64d
format("json"), format("base64")
format("x")
format(1)
{a: 1, b: 2}
{a: (1, 2), b: (3, 4)}
{(("a", "b")): 1}
{"x\(1)": 2}
{a}
{"a"}
{"a", b: .c}
{(.a | tostring): 1}
{(1): 2}
. as $x | {$x}
{a: {b: []}}
[1, 2, 3]
[1, .a?]
[.[]? | [., .]]
{}
[]
-(1, 2)
-.
+1
[.[]? | -.]?
.a and .b
(true, false) or (true, false)
(true, false) and (true, false)
.a // "none"
(.a, .b) // "none"
empty // 1
[.[]? // 1]
(error("x")) // 1
if . then 1 else 2 end
if (true, false) then 1 else 2 end
if .a? then 1 elif .b? then 2 end
try error("x") catch ., 1
[.[]? | try (if . == 2 then error("two") else . end) catch "caught"]
(.a | error)?
try (try error("a") catch error("b")) catch .
def f: . + 1; 1 | f | f
def f(g): [g, g]; f(1, 2)
def f($a; $b): $a + $b; f(1, 2; 10, 20)
def f(x): x as $y | x + $y; f(1, 2)
def fac: if . <= 1 then 1 else . * (. - 1 | fac) end; 20, 30 | fac
def map(f): "mine"; map(.)
def tojson: "mine"; tojson, "\(1)"
def add: "mine"; add
def keys: "mine"; [1] | keys
def f: def g: 3; g; f
def length: 7; [1] | map(length)
def tostring: if type == "number" then "n" else tojson end; tostring
def f(tojson): tojson; f(1)
def select(f): "s"; [1] | map(select(. > 0))
length
utf8bytelength
keys
[.[]? | length?]
add
add(.[]?)
add(empty)
[.[]? | tostring] | add
map(. == 1)?
map_values(. == 1)?
map_values(empty)?
any, all
any(. == 1)?, all(. == 1)?
any(.[]?; . == 2), all(.[]?; . == 2)
isempty(.[]?)
isempty(empty), isempty(1, error("x"))
tostring
tojson
tojson | fromjson
tonumber
fromjson
"[1, 2.50, {\"a\": 1e1000}, 123456789012345678901234567890]" | fromjson
"nan", "[1", "1 2", "", "{\"a\":}" | try fromjson catch "bad"
type
reverse
contains(.)
contains("a")
contains([1])
contains({a: 1})
contains({a: {b: {}}})
inside(.)
["foobar", "bar"] | contains(["bar"]), contains(["baz"])
indices(1)
indices("a")
indices([1, 2])
index("a"), rindex("a")
index(1), rindex(1)
index([]), rindex([]), indices([])
"a,b, cd, efg" | indices(", "), index(","), rindex(",")
"größe größe" | indices("öß")
startswith("a"), endswith("a")
startswith("a")
startswith(.)
startswith(1)
endswith("a")
endswith(null)
ltrimstr("a")
rtrimstr("a")
ltrimstr(1)
has("a")
has(0)
has(-1)
has("a", "b")
has(1e1000)
test("a,")
test("A,"; "i")
test("a"; "q")
test("[")
"Größe" | ascii_upcase
"größe\(1)" | ascii_upcase
[.[0], .[-1]]
[.a, [.b, 1], {c: .}]
[., .]
[[]]
.[0]
.[-1]
.[-9]
.[1].a
.a[0].b
.[100000000000000000000]
"größe"[2]
"größe"[-1]
[1, 2] | .[1]
. as $x | $x[0]
ltrimstr("a"), rtrimstr("a"), trimstr("a")
ltrim, rtrim, trim
explode
explode | implode
implode
[65, 8364, 1114112, -1] | implode
split(",")
split("")
split(", *"; null)
split("B"; "i")
join(",")
join("")
[.[]? | tostring] | join("-")
[["a"], ["b"]] | join(["x"])
[1, null, "a", true] | join(",")
ascii_downcase, ascii_upcase
flatten
flatten(1)
flatten(-1)
flatten(0)
flatten("a")
[1, [2, [3, [4]]]] | flatten, flatten(1), flatten(2)
min, max
min_by(.a?), max_by(.a?)
sort
sort_by(.a?)
sort_by(.a?, .b?)
sort_by(-.)?
group_by(.a?)
group_by(.)
unique
unique_by(length?)
unique_by(.a?)
transpose
bsearch(1)
bsearch("b")
[1, 2, 3] | bsearch(0, 1, 4)
combinations
[[1, 2], [3, 4]] | [combinations]
[[0, 1] | combinations(2)]
walk(if type == "number" then . + 1 else . end)
walk(if type == "array" then sort else . end)
walk(empty)
[tostream]
fromstream(tostream)
[1, [2, {"a": []}]] | [tostream], fromstream(tostream)
fromstream(1 | truncate_stream([[0], 1], [[1, 0], 2], [[1, 0]], [[1]]))
[1 | truncate_stream([[0], 1], [[1, 0], 2], [[1, 0]], [[1]])]
test("a")
test("A"; "i")
test(["a", "i"])
test("a"; "x")
test("(")
match("a")
match("a"; "g")
match(["a", "g"])
[match("(?<x>a)|(?<y>b)"; "g")]
[match(""; "g")]
[match("a*"; "g")]
"aXbxc" | [match("x"; "gi").offset]
"größe größe" | [match("ö(?<s>ß)?"; "g")]
"foo bar foo" | [match("\\bfoo\\b|^"; "g") | .offset]
"aaa" | [match("^a|a$"; "g") | .offset]
"abc" | [match("b*"; "g") | [.offset, .length]]
"ab\nab" | [match("(?m)^a"; "g").offset], [match("^a"; "g").offset], [match("\\Aa"; "g").offset]
capture("(?<first>[a-z]),(?<second>[a-z])")
"xyz-1" | capture("(?<a>[a-z]+)-(?<n>[0-9]+)")
[scan("[a-c]")]
[scan("([a-c])(,)")]
scan("a"; "g")
"abAB" | [scan("b"; "i")]
[splits(", *")]
"a1b22c" | [splits("[0-9]+")], split("[0-9]"; null), split("x"; null)
sub("a"; "b")
sub(","; ";"; "g")
gsub(","; ";")
gsub("(?<c>[a-c])"; "<\(.c)>")
gsub("(?<c>[A-C])"; "<\(.c)>"; "i")
"abc" | sub("(?<x>b)"; "1", "2"), gsub("(?<x>[a-c])"; "\(.x)1", "\(.x)2")
"abc" | gsub(""; "-"), gsub("^"; ">"), gsub("$"; "<"), gsub("x*"; "-")
"abc" | gsub("b"; empty), sub("z"; "y")
"abc" | try sub("b"; 1) catch .
"größe" | gsub("ö"; "oe"), sub("(?<v>ß)"; "[\(.v)]")
"aXbX" | gsub("x"; "y"; "i")
[.[]? | strings | sub("a"; "b")]
INDEX(.a?)?
INDEX(.[]?; type)
JOIN({"1": 2}; tostring)?
[JOIN({"1": 2}; .[]?; tostring)]
[JOIN({"1": 2}; .[]?; tostring; .[1])]
IN(1, 2)
IN(.[]?; 1, 2)
.[]? | IN(1, 2)
todate?
1425599621 | todate, gmtime, (gmtime | mktime), strftime("%Y-%m-%dT%H:%M:%SZ")
"2015-03-05T23:51:47Z" | fromdate, strptime("%Y-%m-%dT%H:%M:%SZ")
strftime("%Y")
strptime("%Y")
mktime
gmtime
floor, sqrt, pow(.; 2), log
pow(2, 3; 4, 5)
[.[]? | floor]?
fma(1, 2; 3, 4; 5, 6)
infinite, -infinite | tostring
nan < nan, ([nan] | sort), ([nan, 1] | min)
nan == nan, [nan] == [nan]
jn(2; 3), yn(2; 3), ldexp(1; 3), significand
abs
toboolean
[.[]? | abs]?
has("a")
has(0)
in({a: 1})?
values, nulls, booleans, numbers, strings, arrays, objects, iterables, scalars
[.[]? | values]
finites?, normals?
splits("a")
getpath(["a"]) as $x | $x
env
ltrimstr(1)
@json "x\(1, 2)y\(3)"
[.[]? | (1, 2) as $y | [., $y]]
[limit(5; def f: 1, (f | . + 1); f)]
[.[]? | objects | .a += 1 | .b //= 2]
.a.b |= (.c |= . )
.a |= (.b? = 1)
(.a, .a.b) |= .
[.[]? | tojson] | map(fromjson)
[.a, .b] | map(select(. != null)) | length
to_entries? | map(.key) | join(",")?
"a" * (0, 1, 2)
{a: {b: 1}} * {a: {c: 2}}
{a: {b: 1}} * {a: 3} * {a: {d: 4}}
[1, 2, 1, 3] - [1], [[1], {a: 1}] - [{a: 1}]
9223372036854775807 + 1, 9223372036854775807 * 2, -9223372036854775808 - 1, 9223372036854775807 % 7
-9223372036854775808 / -1, -9223372036854775808 * -1, 1 / 0
5 % 0
-5 % 3, 5 % -3, 5.5 % 2, 5 % 0.5
1 / 3, 6 / 3, -6 / 4, 1e3 / 7
100000000000000000000 * 3, 100000000000000000000 / 10, 100000000000000000000 % 7
1.0, 1.50, 100000000000000000000, 0.1 + 0.2
[1.0, 1] | unique
{} < [], [] < "a", "a" < 1, 1 < true, true < false, false < null
{a: 1} < {a: 2}, {a: 1} < {b: 0}, {a: 1, b: 2} < {a: 1, c: 0}
[{}, [], "a", 1, true, false, null] | sort
limit(3; range(1; infinite))
[splits("b"; null, "i")]?
ascii_downcase as $d | $d | length
.[1.7]?
.[nan]?
.[1.2:3.5]?
.[null:2]?
.[-2:]?
.[:1.5] = ["z"]
.[1.5] = 1
.[5:7] = [1]
.[null] = 1
del(.[1, 0, 3]), del(.[0:2], .[1])
to_entries[]? | select(.value) | .key
[(.a, .b)?] | map(. // "x")
try (.a.b.c.d) catch .
.a."b"?.c?
."a"[0]?
..?
[.. | scalars]
.[]?.a?
.[]? |= (.a? // .)
`
