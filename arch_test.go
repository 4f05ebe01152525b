package dragoman_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The import table: imports point one way, and this is the table that says
// which. ARCHITECTURE.md has the reasons; a row changes only with one in the
// commit.

// row says what packages may import of this project, outside their tests. A
// package may always import what is below it (transcoder/rest: transcoder/rest/…).
type row struct {
	// packages are paths in the module. At the end, /* stands for every package
	// in a folder, and /** for the folder and all below it.
	packages []string
	may      []string
	// not are imports from anywhere that are refused all the same, each itself
	// and all below it.
	not []string
	// tool is a row of programs and test beds that are no part of the gateway:
	// they may import everything, and nothing but they may import them.
	tool bool
	// dynamic are packages that may make messages without generated code.
	dynamic bool
}

var (
	layer0 = []string{"gen/**", "kind", "reflect/schema", "transcoder/httprule", "internal/near"}
	layer1 = append([]string{"rpc", "rpc/adapt", "transcoder/codec", "transcoder/validate", "config", "transform/jq", "transform/body", "transform/frame", "transcoder/coding", "transcoder/entity", "rewrite", "forwarded"}, layer0...)
	layer2 = append([]string{"transcoder", "transcoder/outbound", "route", "upstream", "upstream/retry", "proxy", "filter", "transform", "transform/view", "header", "reply", "reflect/source", "reflect/service"}, layer1...)
	layer3 = []string{"transcoder/rest", "transcoder/grpc", "upstream/*", "reflect/source/*", "filter/*", "transcoder/validate/cel"}
	layer4 = []string{"gateway", "server"}
	layer5 = []string{"builtin", "admin"}
)

// pure is what translators do without: they see bytes and answer with bytes.
var pure = []string{"net/http", "context", "sync", "google.golang.org/grpc"}

var table = []row{
	// 0: leaves.
	{packages: []string{"gen/**"}, may: []string{"gen/**"}},
	{packages: []string{"kind"}},
	{packages: []string{"reflect/schema"}},
	{packages: []string{"transcoder/httprule"}, not: pure},
	// What a misspelt name was meant to be, for errors of every layer.
	{packages: []string{"internal/near"}, not: pure},

	// 1: vocabulary of the RPC plane, codec, configuration.
	{packages: []string{"rpc"}, may: layer0},
	// An adapter of rpc at the library's edge, in the same layer.
	{packages: []string{"rpc/adapt"}, may: with(layer0, "rpc")},
	// The codec gets types by an interface of its own.
	{packages: []string{"transcoder/codec"}, may: []string{"internal/near"}, not: pure},
	// How bodies travel: what inflates them, and the tags of what they are. REST
	// and programs both read and write them.
	{packages: []string{"transcoder/coding", "transcoder/entity"}, may: []string{"rpc"}},
	// Rules of messages, from descriptors alone.
	{packages: []string{"transcoder/validate"}, may: []string{"gen/**"}, not: pure},
	// Rules in CEL need message objects, and bring dynamicpb: only who makes a
	// gateway chooses them.
	{packages: []string{"transcoder/validate/cel"}, may: []string{"transcoder/validate"}, dynamic: true},
	// New paths of old ones: text in, text out.
	{packages: []string{"rewrite"}, may: []string{"internal/near"}, not: pure},
	{packages: []string{"config"}, may: layer0},
	// jq programs. A run ends with its context.
	{packages: []string{"transform/jq"}, may: []string{"internal/near"}, not: []string{"net/http", "google.golang.org/grpc", "google.golang.org/protobuf"}},
	// What programs work on, of bytes: it needs to know which parts they ask for.
	{packages: []string{"transform/body"}, may: []string{"transform/jq"}, not: []string{"net/http", "context", "google.golang.org/grpc", "google.golang.org/protobuf"}},
	// Where messages begin and end in a stream of bytes.
	{packages: []string{"transform/frame"}, not: pure},

	// Who a client is, from headers alone.
	{packages: []string{"forwarded"}, not: []string{"context", "sync", "google.golang.org/grpc"}},

	// 2: contracts. Those of one layer know each other only where it is said.
	// An exchange knows its client.
	{packages: []string{"route"}, may: with(layer0, "rpc", "transcoder/codec", "config", "forwarded")},
	// A protocol hands out routes.
	{packages: []string{"transcoder"}, may: with(layer1, "route")},
	// A filter stands around the handlers of routes.
	{packages: []string{"filter"}, may: with(layer1, "route")},
	// What jq programs see of a request and may change of it.
	{packages: []string{"transform/view"}, may: layer1},
	// It runs programs around the handlers of routes.
	{packages: []string{"transform"}, may: with(layer1, "transform/view", "route")},
	// What the gateway answers by itself, perhaps by a program.
	{packages: []string{"reply"}, may: with(layer1, "transform", "route")},
	// It changes headers around the handlers of routes; expressions see what programs
	// see.
	{packages: []string{"header"}, may: with(layer1, "transform", "transform/view", "route")},
	{packages: []string{"upstream"}, may: layer1},
	// The endpoints of an upstream: no kind, but what kinds are made with.
	{packages: []string{"upstream/balance"}, may: with(layer1, "upstream")},
	// It stands around upstreams of any kind, for one route.
	{packages: []string{"upstream/retry"}, may: with(layer1, "upstream")},
	// What functions of AWS Lambda are called with and answer with: bytes and plain
	// structs, and of net/http the header.
	{packages: []string{"upstream/lambda/event"}, not: []string{"context", "sync", "google.golang.org/grpc", "google.golang.org/protobuf"}},
	// How connections to upstreams are secured, whatever is spoken on them.
	{packages: []string{"upstream/tlsconfig"}, may: with(layer0, "upstream/file"), not: []string{"net/http", "google.golang.org/grpc"}},
	// The files that configurations of upstreams name.
	{packages: []string{"upstream/file"}, not: []string{"net/http"}},
	// It forwards the requests of routes to upstreams.
	{packages: []string{"proxy"}, may: with(layer1, "route", "upstream", "header", "rewrite")},
	{packages: []string{"reflect/source"}, may: layer1},
	{packages: []string{"reflect/service"}, may: layer1},

	// 3: kinds. Each knows its contract, and none another kind.
	{packages: []string{"transcoder/rest", "transcoder/grpc"}, may: with(layer1, "transcoder", "route")},
	{packages: []string{"transcoder/rest/plan"}, may: layer1, not: pure},
	{packages: []string{"transcoder/rest/split"}, not: pure},
	// Rules read backwards: what transcoder/rest/plan reads, this writes.
	{packages: []string{"transcoder/outbound/plan"}, may: layer1, not: pure},
	// It takes calls and sends requests; the elements of streams are found as in those
	// of clients.
	{packages: []string{"transcoder/outbound"}, may: with(layer1, "transcoder", "upstream", "transcoder/rest/split")},
	// Tokens of upstreams, whoever issues them.
	{packages: []string{"upstream/token"}, may: with(layer1, "upstream")},
	// Functions that are called by HTTP: upstream/http sends their requests, these have
	// the tokens and the keys.
	{packages: []string{"upstream/google", "upstream/azure"}, may: with(layer1, "upstream", "upstream/http", "upstream/token", "upstream/file")},
	// The SDK sends its requests; its credentials are kept as tokens are.
	{packages: []string{"upstream/lambda"}, may: with(layer1, "upstream", "upstream/balance", "upstream/file", "upstream/token")},
	{packages: []string{"upstream/*"}, may: with(layer1, "upstream", "upstream/balance", "upstream/tlsconfig", "upstream/file")},
	{packages: []string{"reflect/source/*"}, may: with(layer1, "reflect/source")},
	{packages: []string{"filter/*"}, may: with(layer1, "filter", "route")},

	// 4: what puts them together, blind to the kinds.
	{packages: []string{"gateway"}, may: layer2},
	// It opens listeners for handlers of any sort.
	{packages: []string{"server"}, may: nil, not: []string{"google.golang.org/grpc", "google.golang.org/protobuf"}},

	// 5 and 6: the list of kinds, and the command.
	{packages: []string{"builtin", "admin"}, may: slices.Concat(layer2, layer3, layer4)},
	{packages: []string{"cmd/*"}, may: slices.Concat(layer2, layer3, layer4, layer5, []string{"internal/demo"})},

	// The service behind `dragoman demo`. It is an upstream like any other, so
	// it knows its generated code and nothing of the gateway.
	{packages: []string{"internal/demo"}, may: []string{"gen/**"}},

	{packages: []string{
		"examples/**", "internal/azuretest", "internal/bench", "internal/conformance/**", "internal/e2e", "internal/etcdtest",
		"internal/child", "internal/gatewaytest", "internal/googletest/**", "internal/lambdatest/**", "internal/npmtest", "internal/readme", "internal/scenario", "internal/testsum",
	}, tool: true},
}

// serving is what a message meets on its way, and what is built for that from
// descriptors. Nothing it links, of anyone's, may bring dynamicpb with it.
// What reads configuration and .proto files cannot do without: protovalidate,
// protoyaml and protocompile link it.
var serving = []string{
	"rpc", "rpc/adapt", "kind", "route", "server", "upstream", "upstream/*", "upstream/lambda/event", "proxy", "reflect/schema", "reflect/service",
	"transcoder", "transcoder/coding", "transcoder/entity", "transcoder/httprule", "transcoder/codec", "transcoder/validate", "filter", "filter/*", "transcoder/rest", "transcoder/rest/plan", "transcoder/rest/split", "transcoder/grpc",
	"transcoder/outbound", "transcoder/outbound/plan",
	"transform", "transform/body", "transform/frame", "transform/jq", "transform/view", "header", "internal/near", "rewrite", "forwarded", "reply",
}

const (
	module    = "github.com/dragoman-gateway/dragoman/"
	dynamicpb = "google.golang.org/protobuf/types/dynamicpb"
)

func TestImportTable(t *testing.T) {
	imports := importGraph(t)
	used := make(map[string]bool)
	for _, pkg := range ours(imports) {
		r, pattern := rowOf(pkg)
		if r == nil {
			t.Errorf("package %s is not in the import table", pkg)
			continue
		}
		used[pattern] = true
		for _, imported := range imports[module+pkg] {
			if slices.ContainsFunc(r.not, func(not string) bool { return imported == not || strings.HasPrefix(imported, not+"/") }) {
				t.Errorf("package %s must not import %s", pkg, imported)
			}
			if imported == dynamicpb && !r.tool && !r.dynamic {
				t.Errorf("package %s imports %s, which is for tests only", pkg, imported)
			}
			dep, own := strings.CutPrefix(imported, module)
			if !own || r.tool || strings.HasPrefix(dep, pkg+"/") {
				continue
			}
			if !slices.ContainsFunc(r.may, func(pattern string) bool { return matches(pattern, dep) }) {
				t.Errorf("package %s may not import %s: the table lets it import %v", pkg, dep, r.may)
			}
		}
	}
	for _, r := range table {
		for _, pattern := range r.packages {
			if !used[pattern] {
				t.Errorf("the import table has a row for %s, and there is no such package", pattern)
			}
		}
	}
}

func TestServingDoesNotLinkDynamicMessages(t *testing.T) {
	imports := importGraph(t)
	require.Contains(t, reach(imports, module+"config"), dynamicpb, "the test must be able to find it: config links protovalidate")
	checked := make(map[string]bool)
	for _, pkg := range ours(imports) {
		for _, pattern := range serving {
			if !matches(pattern, pkg) {
				continue
			}
			checked[pattern] = true
			if chain := chainTo(imports, module+pkg, dynamicpb); chain != nil {
				t.Errorf("package %s links dynamicpb: %s", pkg, strings.Join(chain, " → "))
			}
		}
	}
	for _, pattern := range serving {
		require.True(t, checked[pattern], "no package %s", pattern)
	}
}

// with is a list with more behind it, never in the same array.
func with(list []string, more ...string) []string { return slices.Concat(list, more) }

// rowOf finds the row that names pkg, and the pattern that does.
func rowOf(pkg string) (*row, string) {
	for i, r := range table {
		for _, pattern := range r.packages {
			if matches(pattern, pkg) {
				return &table[i], pattern
			}
		}
	}
	return nil, ""
}

func matches(pattern, pkg string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/**"); ok {
		return pkg == prefix || strings.HasPrefix(pkg, prefix+"/")
	}
	ok, err := path.Match(pattern, pkg)
	return ok && err == nil
}

// ours are the packages of this module, by their paths in it.
func ours(imports map[string][]string) []string {
	var pkgs []string
	for pkg := range imports {
		if rel, ok := strings.CutPrefix(pkg, module); ok {
			pkgs = append(pkgs, rel)
		}
	}
	slices.Sort(pkgs)
	return pkgs
}

// importGraph maps every package that this module links, outside tests, to what
// it imports.
func importGraph(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	imports := make(map[string][]string)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		err := dec.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			require.NotEmpty(t, imports)
			return imports
		}
		require.NoError(t, err)
		imports[pkg.ImportPath] = pkg.Imports
	}
}

// reach is everything that pkg links.
func reach(imports map[string][]string, pkg string) []string {
	seen := map[string]bool{pkg: true}
	queue := []string{pkg}
	for i := 0; i < len(queue); i++ {
		for _, next := range imports[queue[i]] {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return queue
}

// chainTo is a shortest chain of imports from one package to another; nil if
// there is none.
func chainTo(imports map[string][]string, from, to string) []string {
	via := map[string]string{from: ""}
	queue := []string{from}
	for i := 0; i < len(queue); i++ {
		if queue[i] == to {
			var chain []string
			for pkg := to; pkg != ""; pkg = via[pkg] {
				chain = append(chain, pkg)
			}
			slices.Reverse(chain)
			return chain
		}
		for _, next := range imports[queue[i]] {
			if _, seen := via[next]; !seen {
				via[next] = queue[i]
				queue = append(queue, next)
			}
		}
	}
	return nil
}
