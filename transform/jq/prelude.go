package jq

import (
	"sync"

	"github.com/itchyny/gojq"
)

// prelude defines what gojq has in jq, with its operators unchecked, and what
// stands for assignments. It is rewritten like a program, and a definition calls
// only what stands before it, so that those which a program needs are found in one
// pass. What is not here either does nothing that can grow, as select, or is a
// native of ours.
const prelude = `
def __assign(place; $value):
  reduce path(place) as $at (__edit; __put($at; $value)) | __edited;
def __modify(place; change):
  reduce path(place) as $at (__edit;
    . as $edit | label $done |
    (__open($at) | change) as $new | $edit | __put($at; $new) | break $done) |
  __edited;

def values: if type == "null" then empty else . end;
def nulls: if type == "null" then . else empty end;
def abs: if . < 0 then -. else . end;
def map(f): [.[] | f];
def map_values(f): .[] |= f;
def add(f): [f] | add;
def range($upto): _range(0; $upto | __number; 1);
def range($from; $upto): _range($from | __number; $upto | __number; 1);
def range($from; $upto; $by): _range($from | __number; $upto | __number; $by | __number);

def recurse(f): def down: ., (f | down); down;
def recurse: recurse(.[]?);
def recurse(f; cond): recurse(f | select(cond));
def while(cond; next): def go: if cond then ., (next | go) else empty end; go;
def until(cond; next): def go: if cond then . else next | go end; go;
def repeat(f): def again: f, again; again;

def to_entries: [keys[] as $key | {key: $key, value: .[$key]}];
def from_entries:
  [.[] | {(.key // .Key // .name // .Name): (if has("value") then .value else .Value end)}] | add // {};
def with_entries(f): [keys[] as $key | {key: $key, value: .[$key]} | f] | from_entries;

def nth($at): .[$at];
def min_by(f): __min_by([.[] | [f]]);
def max_by(f): __max_by([.[] | [f]]);
def sort_by(f): __sort_by([.[] | [f]]);
def group_by(f): __group_by([.[] | [f]]);
def unique_by(f): __unique_by([.[] | [f]]);

def __combine($at): if $at == length then [] else .[$at][] as $one | [$one] + __combine($at + 1) end;
def combinations: __combine(0);
def combinations(n): [limit(n; repeat(.))] | __combine(0);

def walk(f):
  def inside:
    (if type == "array" then [.[] | inside] elif type == "object" then .[] |= inside else . end) | f;
  inside;

def all(generator; cond): isempty(generator | select(cond | not));
def all(cond): all(.[]; cond);
def all: all(.[]; .);
def any(generator; cond): isempty(generator | select(cond)) | not;
def any(cond): any(.[]; cond);
def any: any(.[]; .);

def del(place): delpaths([path(place)]);
def paths: path(..) | select(length > 0);
def paths(cond): path(.. | select(cond)) | select(length > 0);
def pick(place): . as $whole |
  reduce path(place) as $at (null; setpath($at; $whole | getpath($at)));

def __events($at):
  if (type == "array" or type == "object") and length > 0
  then (keys as $keys | ($keys[] as $key | .[$key] | __events($at + [$key])), [$at + $keys[-1:]])
  else [$at, .]
  end;
def tostream: __events([]);
def fromstream(events):
  foreach events as $event ({};
    $event[0] as $at |
    if .whole then {} else . end |
    if $event | length == 2
    then setpath(["value"] + $at; $event[1]) | .whole = ($at | length == 0)
    else .whole = ($at | length == 1)
    end;
    if .whole then .value else empty end);
def truncate_stream(events): . as $depth | null | events |
  if .[0] | length > $depth then .[0] |= .[$depth:] else empty end;

def match($re; $flags): __match($re; $flags; false)[];
def match($re): if $re | type == "array" then match($re[0]; $re[1]) else match($re; null) end;
def test($re; $flags): __match($re; $flags; true);
def test($re): if $re | type == "array" then test($re[0]; $re[1]) else test($re; null) end;
def capture($re; $flags): match($re; $flags).captures | __captures;
def capture($re): if $re | type == "array" then capture($re[0]; $re[1]) else capture($re; null) end;
def scan($re; $flags): match($re; $flags + "g") |
  if .captures | length > 0 then [.captures[].string] else .string end;
def scan($re): scan($re; null);
def split($re; $flags): __pieces([match($re; $flags + "g") | [.offset, .length]]);
def splits($re; $flags): split($re; $flags)[];
def splits($re): split($re; null)[];
def sub($re; text; $flags):
  __replaced([match($re; $flags) | [.offset, .length, [.captures | __captures | text]]])[];
def sub($re; text): sub($re; text; null);
def gsub($re; text; $flags): sub($re; text; $flags + "g");
def gsub($re; text): sub($re; text; "g");

def INDEX(rows; key): reduce rows as $row ({}; .[$row | key | tostring] = $row);
def INDEX(key): INDEX(.[]; key);
def JOIN($index; key): [.[] | [., $index[key]]];
def JOIN($index; rows; key): rows | [., $index[key]];
def JOIN($index; rows; key; joined): rows | [., $index[key]] | joined;
def IN(among): any(among == .; .);
def IN(rows; among): any(rows == among; .);
`

var preludeDefs = sync.OnceValue(func() []*gojq.FuncDef {
	q, err := gojq.Parse(prelude + " .")
	if err != nil {
		panic(err)
	}
	return q.FuncDefs
})

// renamed are the natives of gojq that have a checked one here.
var renamed = func() map[callee]string {
	names := map[callee]string{{"tojson", 0}: "__tojson", {"tostring", 0}: "__tostring", {"add", 0}: "__sum"}
	for name, args := range map[string][]int{
		"length": {0}, "keys": {0}, "reverse": {0}, "tonumber": {0}, "fromjson": {0}, "format": {1},
		"contains": {1}, "inside": {1}, "indices": {1}, "index": {1}, "rindex": {1}, "explode": {0}, "implode": {0},
		"split": {1}, "join": {1}, "ascii_downcase": {0}, "ascii_upcase": {0}, "flatten": {0, 1}, "min": {0}, "max": {0},
		"sort": {0}, "unique": {0}, "setpath": {2}, "delpaths": {1}, "transpose": {0}, "bsearch": {1},
		"strftime": {1}, "strflocaltime": {1}, "strptime": {1}, "mktime": {0}, "gmtime": {0}, "localtime": {0},
	} {
		for _, n := range args {
			names[callee{name, n}] = "__" + name
		}
	}
	return names
}()

// numeric are the natives of gojq that compute with one number or more.
var numeric = func() map[callee]bool {
	out := map[callee]bool{}
	for n, names := range [][]string{
		{
			"sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "floor", "round",
			"nearbyint", "rint", "ceil", "trunc", "significand", "fabs", "sqrt", "cbrt", "exp", "exp10", "exp2", "expm1",
			"frexp", "modf", "log", "log10", "log1p", "log2", "logb", "gamma", "tgamma", "lgamma", "erf", "erfc", "j0", "j1",
			"y0", "y1", "isfinite", "isinfinite", "isnan", "isnormal", "finites", "normals", "todate", "todateiso8601",
		},
		{"has"},
		{
			"atan2", "copysign", "drem", "fdim", "fmax", "fmin", "fmod", "hypot", "jn", "nextafter", "nexttoward", "remainder",
			"ldexp", "scalb", "scalbln", "yn", "pow",
		},
		{"fma"},
	} {
		for _, name := range names {
			out[callee{name, n}] = true
		}
	}
	return out
}()
