package jq_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// hostile are programs that ask for more than there is, or harmless ones with
// inputs that do.
var hostile = []struct {
	name, src string
	in        string
	// limit is the limit that is met: time, memory, or any of both; empty if the
	// program ends by itself.
	limit string
}{
	{name: "endless call", src: "def f: f; f", limit: "any"},
	{name: "endless recursion", src: "def f: 1 + f; f", limit: "memory"},
	{name: "endless recursion with forks", src: "def f: f, 1; f", limit: "any"},
	{name: "endless recursion with labels", src: "def f: label $x | f; f", limit: "any"},
	{name: "endless recursion with try", src: "def f: try f; f", limit: "any"},
	{name: "endless recursion in an argument", src: "def f(g): f(g | g); f(.)", limit: "any"},
	{name: "endless recursion of two", src: "def f(g): def h: f(1, g); [h]; f(1)", limit: "any"},
	{name: "until", src: "until(false; .)", limit: "any"},
	{name: "range in an array", src: "[range(infinite)]", limit: "any"},
	{name: "repeat in an array", src: "[repeat(1)]", limit: "any"},
	{name: "repeat of objects", src: "[repeat({a: .})]", limit: "any"},
	{name: "recurse", src: "last(recurse(.))", limit: "any"},
	{name: "recurse of more", src: "[recurse([.])]", limit: "any"},
	{name: "string doubling", src: `reduce range(100) as $i ("x"; . + .)`, limit: "any"},
	{name: "array doubling", src: "reduce range(100) as $i ([1]; . + .)", limit: "any"},
	{name: "object growth", src: `reduce range(1e7) as $i ({}; . + {"\($i)": $i})`, limit: "any"},
	{name: "object assignment", src: `reduce range(1e7) as $i ({}; .["\($i)"] = $i)`, limit: "any"},
	{name: "caught doubling", src: `def f: (try reduce range(100) as $i ("x"; . + .) catch .) | f; f`, limit: "any"},
	{name: "doubling with an alternative", src: `[range(1e9) | (reduce range(100) as $i ("x"; . + .)) // 1]`, limit: "any"},
	{name: "string times number", src: `"x" * 2e9`, limit: "memory"},
	{name: "string times number twice", src: `"x" * 2e7 * 2e7`, limit: "memory"},
	{name: "index assignment", src: ".[500000000] = 1", limit: "memory"},
	{name: "index update", src: ".[500000000] |= 1", limit: "memory"},
	{name: "index of the input", src: ".a[.n] = 1", in: `{"a": [], "n": 500000000}`, limit: "memory"},
	{name: "setpath", src: "setpath([500000000]; 1)", limit: "memory"},
	{name: "setpath that is deep", src: `setpath([range(1e6) | "a"]; 1)`, limit: "any"},
	{name: "assignments to the ends", src: "reduce range(1e6) as $i ([]; .[$i * 1000] = 1)", limit: "any"},
	{name: "base64 chain", src: `reduce range(100) as $i ("xxx"; @base64)`, limit: "any"},
	{name: "uri chain", src: `reduce range(100) as $i ("%%%"; "\(.)\(.)" | @uri)`, limit: "any"},
	{name: "html chain", src: `reduce range(1000) as $i ("&&&"; "\(.)\(.)" | @html)`, limit: "any"},
	{name: "sh chain", src: `reduce range(1000) as $i ("'"; @sh)`, limit: "any"},
	{name: "csv chain", src: `reduce range(1000) as $i ("\""; [.] | @csv)`, limit: "any"},
	{name: "tojson chain", src: `reduce range(1000) as $i ("\""; tojson)`, limit: "any"},
	{name: "interpolation", src: `reduce range(100) as $i ("x"; "\(.)\(.)")`, limit: "any"},
	{name: "key interpolation", src: `reduce range(100) as $i ("x"; {"\(.)\(.)": 1} | keys[0])`, limit: "any"},
	{name: "pattern", src: `test("^" * 7e7)`, in: `"x"`, limit: "memory"},
	{name: "pattern within memory", src: `try test("^" * 1e7) catch "refused"`, in: `"x"`},
	{name: "pattern of the input", src: `try (.re as $re | .text | test($re)) catch "refused"`, in: `{"re": "((((a{30}){30}){30}){30}){30}", "text": "a"}`},
	{name: "many patterns", src: `[range(1e6) | . as $n | "x" | test("a\($n){100}")]`, limit: "any"},
	{name: "match that goes back", src: `("x" * 200000) | [match("x*y|x"; "g")] | length`, limit: "any"},
	{name: "match of a long text", src: `("x" * 3e7) | test("(x+x+)+y")`, limit: "any"},
	{name: "many matches", src: `("x" * 1e7) | [match(""; "g")]`, limit: "any"},
	{name: "gsub that grows", src: `reduce range(100) as $i ("xx"; gsub("x"; "xx"))`, limit: "any"},
	{name: "splits", src: `("x" * 1e7) | [splits("")]`, limit: "any"},
	{name: "limit and add", src: `[limit(1e8; repeat("xxxxxxxxxx"))] | add`, limit: "any"},
	{name: "add of shared strings", src: `("x" * 1e6) as $x | [range(1000) | $x] | add`, limit: "memory"},
	{name: "join of shared strings", src: `("x" * 1e6) as $x | [range(1000) | $x] | join(",")`, limit: "memory"},
	{name: "join by a long one", src: `("x" * 1e6) as $x | [range(1000) | "a"] | join($x)`, limit: "memory"},
	{name: "csv of shared strings", src: `("x" * 1e6) as $x | [range(1000) | $x] | @csv`, limit: "memory"},
	{name: "combinations", src: "[[range(10)] | combinations(12)]", limit: "any"},
	{name: "combinations that are many", src: "[[[range(300)], [range(300)], [range(300)]] | combinations]", limit: "any"},
	{name: "shared tree", src: "reduce range(40) as $i (1; [., .])", limit: "any"},
	{name: "shared tree as JSON", src: "reduce range(40) as $i (1; [., .]) | tojson", limit: "any"},
	{name: "shared tree in a string", src: `reduce range(40) as $i (1; [., .]) | "\(.)"`, limit: "any"},
	{name: "shared trees compared", src: "(reduce range(40) as $i (1; [., .])) as $x | (reduce range(40) as $i (1; [., .])) == $x", limit: "any"},
	{name: "shared trees contained", src: "(reduce range(40) as $i (1; [., .])) as $x | $x | contains($x)", limit: "any"},
	{name: "shared trees merged", src: "(reduce range(40) as $i ({}; {a: ., b: .})) as $x | $x * $x", limit: "any"},
	{name: "shared tree flattened", src: "reduce range(40) as $i (1; [., .]) | flatten", limit: "any"},
	{name: "shared tree walked", src: "reduce range(40) as $i (1; [., .]) | walk(.)", limit: "any"},
	{name: "shared tree streamed", src: "reduce range(40) as $i (1; [., .]) | [tostream]", limit: "any"},
	{name: "shared tree with its paths", src: "reduce range(40) as $i (1; [., .]) | [paths]", limit: "any"},
	{name: "shared tree deleted from", src: "reduce range(40) as $i (1; [., .]) | del(.[0]) | length"},
	{name: "shared tree sorted", src: "(reduce range(40) as $i (1; [., .])) as $x | [$x, $x] | sort | length", limit: "any"},
	{name: "shared tree as an error", src: "reduce range(40) as $i (1; [., .]) | error", limit: "failed"},
	{name: "shared tree as a key", src: "(reduce range(40) as $i (1; [., .])) as $x | {($x): 1}", limit: "failed"},
	{name: "deep value", src: "reduce range(1e7) as $i (0; [.])", limit: "any"},
	{name: "deep value as JSON", src: "reduce range(50000) as $i (0; [.]) | tojson", limit: "any"},
	{name: "deep values compared", src: "reduce range(50000) as $i (0; [.]) | . == [.]", limit: "any"},
	{name: "subtraction", src: "[range(1e5)] as $x | $x - [$x[] | -. - 1]", limit: "time"},
	{name: "contained arrays", src: "[range(1e5)] as $x | $x | contains([range(1e5) | 99999.5])", limit: "any"},
	{name: "indices of an array", src: "[range(2e5) | 1] as $x | $x | indices($x[:100000])", limit: "time"},
	{name: "index by an array", src: "[range(2e5) | 1] as $x | $x | .[$x[:100000]]", limit: "time"},
	{name: "path with an array", src: "[range(2e5) | 1] as $x | try ($x | getpath([$x[:100000]])) catch 1", limit: "any"},
	{name: "indices of a string", src: `("x" * 1e6) as $x | $x | indices($x[:500000])`, limit: "any"},
	{name: "characters of a string", src: `("x" * 6e7) | .[0:1]`, limit: "memory"},
	{name: "explode", src: `("x" * 6e7) | explode`, limit: "memory"},
	{name: "implode", src: "[limit(1e7; repeat(1114111))] | implode", limit: "any"},
	{name: "split", src: `("x" * 3e7) | split("")`, limit: "memory"},
	{name: "division", src: `("x" * 3e7) / ""`, limit: "memory"},
	{name: "transpose", src: "[[range(3000)], (range(3000) | [])] | transpose", limit: "any"},
	{name: "big integers", src: "reduce range(100) as $i (10; . * .) ", limit: "any"},
	{name: "big integers as text", src: "last(range(1e9) as $i | 7 | until(. > 1e300; . * .) | . * . | tostring)", limit: "any"},
	{name: "number of the input", src: "try (. + 1) catch 1", in: strings.Repeat("9", 4<<20)},
	{name: "number of the input compared", src: "[., 1] | sort", in: strings.Repeat("9", 4<<20), limit: "memory"},
	{name: "number of the input rounded", src: "try floor catch 1", in: strings.Repeat("9", 4<<20)},
	{name: "number of the input as a count", src: "[try limit(.; 1, 2), try skip(.; 1), try nth(.; 1)] | length", in: strings.Repeat("9", 4<<20)},
	{name: "number of the input as an index", src: "[., [1]] | [try .[1][.[0]], try .[1][.[0]:], try (.[1] | nth(1e5)), try (. as $x | .[1] | nth($x[0]))]", in: strings.Repeat("9", 4<<20)},
	{name: "number as text", src: "try (.n | tonumber) catch 1", in: `{"n": "` + strings.Repeat("9", 4<<20) + `"}`},
	{name: "number within JSON text", src: "try (.n | fromjson) catch 1", in: `{"n": "` + strings.Repeat("9", 4<<20) + `"}`},
	{name: "Bessel functions", src: "try jn(4e18; 5e18) catch 1"},
	{name: "JSON text of objects", src: `.t | fromjson`, in: `{"t": "[` + strings.Repeat(`{\"a\":1},`, 400_000) + `0]"}`, limit: "memory"},
	{name: "JSON text that is deep", src: `try (.t | fromjson) catch 1`, in: `{"t": "` + strings.Repeat(`[`, 1_000_000) + `"}`},
	{name: "fromjson of tojson", src: "reduce range(100) as $i ([{}]; tojson | fromjson | . + .)", limit: "any"},
	{name: "time formats", src: `0 | strftime("%1024d" * 1e6)`, limit: "memory"},
	{name: "to_entries", src: "[range(1e6)] | to_entries", limit: "any"},
	{name: "group_by", src: "[range(1e6) | [.]] | group_by(.)", limit: "any"},
	{name: "iteration in recursion", src: "[range(2e5)] as $x | def f: $x[] | f; f", limit: "any"},
	{name: "iteration in recursion of any", src: "[range(2e5)] as $x | def f: $x | any(f); f", limit: "any"},
	{name: "elements of a big body", src: "[.[] | {a: ., b: [.]}]", in: "[" + strings.Repeat("1,", 2_000_000) + "1]", limit: "any"},
	{name: "sum of a big body", src: "map(. + 1)", in: "[" + strings.Repeat("1,", 2_000_000) + "1]", limit: "any"},
	{name: "deep body", src: "..", in: strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000), limit: "failed"},
	{name: "deep body walked", src: "walk(.) | 1", in: strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000)},
	{name: "tree of a straight program", src: strings.Repeat("{a: ., b: .} | ", 40) + ".", limit: "memory"},
	{name: "tree of assignments", src: strings.Repeat(".a = . | .b = .a | ", 40) + ".", in: `{"b": 1}`, limit: "memory"},
	{name: "many outputs", src: "range(1e6)", limit: "failed"},
}

// TestHostile runs each program in a process of its own, as what is measured is
// whether the process lives, and with how much memory.
func TestHostile(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes time and memory, too")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	for i, row := range hostile {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(self, "-test.run=^TestHostileProcess$")
			cmd.Env = append(os.Environ(), fmt.Sprintf("JQ_HOSTILE=%d", i))
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			_, text, ok := strings.Cut(string(out), "RESULT ")
			require.True(t, ok, "%s", out)
			var got result
			require.NoError(t, json.NewDecoder(strings.NewReader(text)).Decode(&got))
			t.Logf("%+v", got)
			switch row.limit {
			case "":
				require.Empty(t, got.Error)
			case "failed":
				require.NotEmpty(t, got.Error)
				require.Less(t, len(got.Error), 2000)
			case "any":
				require.Contains(t, []string{"time", "memory"}, got.Limit, got.Error)
			default:
				require.Equal(t, row.limit, got.Limit, got.Error)
			}
			require.Less(t, got.CPU, 20*jq.DefaultLimits.Time, "time")
			require.Less(t, got.Grown, jq.DefaultLimits.Memory+64<<20, "memory")
		})
	}
}

// result is what a process tells of its run.
type result struct {
	Error, Limit string
	// CPU is what the process has computed for, on all cores.
	CPU time.Duration
	// Grown is how many bytes of memory the process got during the run.
	Grown int
}

func TestHostileProcess(t *testing.T) {
	var i int
	if _, err := fmt.Sscan(os.Getenv("JQ_HOSTILE"), &i); err != nil {
		return // TestHostile runs it in a process of its own
	}
	row := hostile[i]
	var in any
	if row.in != "" {
		d := json.NewDecoder(strings.NewReader(row.in))
		d.UseNumber()
		require.NoError(t, d.Decode(&in))
	}
	limits := jq.DefaultLimits
	if row.limit == "" || row.limit == "memory" {
		limits.Time *= 100 // what ends before its time does so on a busy machine
	}
	p, err := jq.Compile(row.src, jq.Config{Name: "test", Limits: limits})
	require.NoError(t, err)
	before, start := usage(t)
	_, err = p.Run(t.Context(), in)
	peak, end := usage(t)
	got := result{CPU: end - start, Grown: peak - before}
	if err != nil {
		var failure *jq.RunError
		require.ErrorAs(t, err, &failure)
		got.Error, got.Limit = err.Error(), failure.Limit
		stats := p.Stats()
		require.Equal(t, failure.Limit == "time", stats.OverTime == 1)
		require.Equal(t, failure.Limit == "memory", stats.OverMemory == 1)
	}
	text, err := json.Marshal(got)
	require.NoError(t, err)
	fmt.Printf("RESULT %s\n", text)
}

// usage is the most memory that the process has had, and what it has computed for.
// That is measured, not the time that has passed: the machine has others to serve.
func usage(t *testing.T) (peak int, cpu time.Duration) {
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return int(u.Maxrss) << 10, time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
