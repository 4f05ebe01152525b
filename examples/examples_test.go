// Package examples_test runs the examples: the servers and the command as they
// are built, and every line of their try.sh and README.
package examples_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

var update = flag.Bool("update", false, "rewrite what the commands print, and fail")

// listening finds the address in the gateway's log.
const listening = `"msg":"listening","listener":"(?:default|public)","address":"([^"]+)"`

// try runs try.sh against address and compares what it prints with try.out.
func try(t *testing.T, dir, address string) {
	t.Helper()
	out, err := gatewaytest.Shell(t, dir, "./try.sh "+address).CombinedOutput()
	require.NoError(t, err, "%s", out)
	got := strings.ReplaceAll(string(out), address, "localhost:8080")
	golden := filepath.Join(dir, "try.out")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		t.Errorf("%s was rewritten: read the difference", golden)
		return
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestExamples(t *testing.T) {
	gatewaytest.NeedsCurl(t)
	dragoman := gatewaytest.Build(t, "./cmd/dragoman")
	t.Run("hello", func(t *testing.T) { hello(t, dragoman) })
	t.Run("library", func(t *testing.T) { library(t, dragoman) })
	t.Run("fall-through", func(t *testing.T) {
		forwarding(t, dragoman, "fall-through", map[string]string{"-rest": "localhost:8000", "-grpc": "localhost:9090"})
	})
	t.Run("routing", func(t *testing.T) {
		forwarding(t, dragoman, "routing", map[string]string{
			"-stable": "localhost:8001", "-canary": "localhost:8002", "-flaky": "localhost:8003",
		})
	})
	t.Run("azure-function", func(t *testing.T) {
		forwarding(t, dragoman, "azure-function", map[string]string{"-app": "localhost:7071"})
	})
	t.Run("http-function", func(t *testing.T) {
		forwarding(t, dragoman, "http-function", map[string]string{"-knative": "localhost:8001", "-openfaas": "localhost:8002"})
	})
	t.Run("google-function", func(t *testing.T) { google(t, dragoman) })
	emulator := gatewaytest.Build(t, "./internal/lambdatest/cmd/lambdatest")
	t.Run("lambda", func(t *testing.T) {
		functions(t, dragoman, emulator, "lambda", []string{"greet", "upper", "count"}, "-throttled", "busy")
	})
	t.Run("grpc-to-lambda", func(t *testing.T) {
		functions(t, dragoman, emulator, "grpc-to-lambda", []string{"report", "watch", "average"})
	})
}

func hello(t *testing.T, dragoman string) {
	service := gatewaytest.Run(t, "hello", false, gatewaytest.Build(t, "./examples/hello"), "-listen", "127.0.0.1:0")
	target := service.WaitFor(`serving gRPC on (.*)`)[1]
	gateway := gatewaytest.Run(t, "hello", true, dragoman, "serve", target,
		"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json")
	address := gateway.WaitFor(listening)[1]
	try(t, "hello", address)
	gatewaytest.Console(t, "hello/README.md", "hello", "localhost:8080", address, *update)
}

// library runs try.sh once with each of the two configurations: the answers are
// the same wherever the descriptors come from.
func library(t *testing.T, dragoman string) {
	server := gatewaytest.Build(t, "./examples/library")
	for _, name := range []string{"dragoman.yaml", "dragoman-proto.yaml"} {
		t.Run(name, func(t *testing.T) {
			service := gatewaytest.Run(t, "library", false, server, "-listen", "127.0.0.1:0")
			target := service.WaitFor(`serving gRPC on (.*)`)[1]
			// A copy with addresses that are free here.
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS("library")))
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			local := strings.NewReplacer(`":8080"`, `"127.0.0.1:0"`, `"localhost:9090"`, `"`+target+`"`).Replace(string(text))
			local += "\nadmin: { address: \"127.0.0.1:0\" }\n"
			require.NoError(t, os.WriteFile(path, []byte(local), 0o600))
			gateway := gatewaytest.Run(t, dir, true, dragoman, "serve", "-c", path, "--log-format", "json")
			address := gateway.WaitFor(listening)[1]
			try(t, "library", address)
			if name == "dragoman.yaml" {
				gatewaytest.Console(t, "library/README.md", "library", "localhost:8080", address, *update)
			}
		})
	}
}

// forwarding runs the example in dir, whose server has several addresses: those of
// dragoman.yaml, by their flags.
func forwarding(t *testing.T, dragoman, dir string, addresses map[string]string) {
	// Nothing listens on port 1.
	local := []string{`":8080"`, `"127.0.0.1:0"`, "localhost:8009", "127.0.0.1:1"}
	var args []string
	for name := range addresses {
		args = append(args, name, "127.0.0.1:0")
	}
	service := gatewaytest.Run(t, dir, false, gatewaytest.Build(t, "./examples/"+dir), args...)
	for range addresses {
		m := service.WaitFor(`serving (\w+) on (.*)`)
		local = append(local, addresses["-"+strings.ToLower(m[1])], m[2])
	}
	served(t, dragoman, dir, local)
}

// functions runs the example in dir, whose program is the functions of that name in the
// emulator of AWS Lambda.
func functions(t *testing.T, dragoman, emulator, dir string, names []string, args ...string) {
	program := gatewaytest.Build(t, "./examples/"+dir)
	args = append(args, "-address", "127.0.0.1:0", "-sts-address", "127.0.0.1:0")
	for _, name := range names {
		args = append(args, "-function", name+"="+program)
	}
	service := gatewaytest.Run(t, dir, true, emulator, args...)
	address := service.WaitFor(`AWS_ENDPOINT_URL_LAMBDA=http://(.*)`)[1]
	served(t, dragoman, dir, []string{`":8080"`, `"127.0.0.1:0"`, "127.0.0.1:9001", address})
}

// google runs the example whose program is functions of Google Cloud, behind stand-ins of
// front doors and of the metadata server.
func google(t *testing.T, dragoman string) {
	args := []string{"-metadata-address", "127.0.0.1:0", "-program", gatewaytest.Build(t, "./examples/google-function")}
	doors := []struct{ name, address, rest string }{
		{"hello", "127.0.0.1:9101", ""}, {"hello", "127.0.0.1:9102", "/hello"},
		{"weather", "127.0.0.1:9103", ",https://weather.example.com"}, {"uploaded", "127.0.0.1:9104", ""},
	}
	for _, d := range doors {
		args = append(args, "-function", d.name+"=127.0.0.1:0"+d.rest)
	}
	service := gatewaytest.Run(t, "google-function", true, gatewaytest.Build(t, "./internal/googletest/cmd/googletest"), args...)
	metadata := service.WaitFor(`^GCE_METADATA_HOST=.*`)[0]
	local := []string{`":8080"`, `"127.0.0.1:0"`}
	for _, d := range doors {
		local = append(local, d.address, service.WaitFor("^" + d.name + "=http://([^/]*)")[1])
	}
	// Nor may there be credentials of whoever runs the test.
	served(t, dragoman, "google-function", local, metadata, "HOME="+t.TempDir(), "GOOGLE_APPLICATION_CREDENTIALS=")
	service.WaitFor("^com.example.upload from //gateway.example.com: /uploads/report.csv, 5 bytes of text/csv$")
}

// served runs the gateway of the example in dir, with the addresses in local, old and new
// ones by turns, and with env in its environment, and all that its try.sh and README say.
func served(t *testing.T, dragoman, dir string, local []string, env ...string) {
	// A copy with addresses that are free here, beside what it may name.
	examples := t.TempDir()
	require.NoError(t, os.CopyFS(examples, os.DirFS(".")))
	path := filepath.Join(examples, dir, "dragoman.yaml")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	config := strings.NewReplacer(local...).Replace(string(text)) + "\nadmin: { address: \"127.0.0.1:0\" }\n"
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	args := slices.Concat(env, []string{dragoman, "serve", "-c", path, "--log-format", "json"})
	address := gatewaytest.Run(t, dir, true, "env", args...).WaitFor(listening)[1]
	try(t, dir, address)
	t.Setenv("PATH", filepath.Dir(dragoman)+string(os.PathListSeparator)+os.Getenv("PATH"))
	gatewaytest.Console(t, filepath.Join(dir, "README.md"), gatewaytest.Root(), "localhost:8080", address, *update)
}
