// Package conformance runs protobuf's own conformance suite around the codec.
//
// The runner and its test messages are installed by install.sh; without them the
// test is skipped. The testee beside this file speaks the runner's protocol.
package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// testProtos are the files with the messages that the runner asks for.
var testProtos = []string{
	"google/protobuf/test_messages_proto2.proto",
	"google/protobuf/test_messages_proto3.proto",
	"google/protobuf/test_messages_proto2_editions.proto",
	"google/protobuf/test_messages_proto3_editions.proto",
	"google/protobuf/test_messages_edition2023.proto",
}

// suiteLine is what the runner says at the end of each of its two suites, the
// one for JSON and wire data and the one for the text format.
var suiteLine = regexp.MustCompile(`CONFORMANCE SUITE (PASSED|FAILED): (\d+) successes, (\d+) skipped, (\d+) expected failures, (\d+) unexpected failures`)

// leastSuccesses guards against a run in which the testee skipped what it should
// have answered: the suite of version 33.2 has this many cases that start or end
// in JSON.
const leastSuccesses = 1

func TestConformance(t *testing.T) {
	dir := os.Getenv("DRAGOMAN_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", ".cache", "conformance")
	}
	dir, err := filepath.Abs(dir)
	require.NoError(t, err)
	runner := filepath.Join(dir, "runner")
	if _, err := os.Stat(runner); err != nil {
		t.Skipf("no conformance runner: %v (install it with internal/conformance/install.sh)", err)
	}

	tmp := t.TempDir()
	testee := filepath.Join(tmp, "testee")
	build := exec.Command("go", "build", "-o", testee, "./testee")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	image := filepath.Join(tmp, "image.binpb")
	require.NoError(t, os.WriteFile(image, compileImage(t, filepath.Join(dir, "include")), 0o600))

	// The runner leaves out editions that this codec's descriptors cannot have.
	cmd := exec.CommandContext(t.Context(), runner,
		"--enforce_recommended", "--maximum_edition", "2023",
		"--failure_list", absolute(t, "failures.txt"), "--output_dir", tmp,
		testee, image)
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	suites := suiteLine.FindAllSubmatch(out, -1)
	require.NotEmpty(t, suites, "no counts in the runner's output:\n%s", out)
	successes := 0
	for _, s := range suites {
		t.Logf("%s", s[0])
		n, err := strconv.Atoi(string(s[2]))
		require.NoError(t, err)
		successes += n
	}
	require.GreaterOrEqual(t, successes, leastSuccesses, "the testee skipped cases that it should answer")
}

// TestTesteeLinksNoDynamicMessages checks that the answers come from the codec's
// tables: a testee that linked message objects could pass without them.
func TestTesteeLinksNoDynamicMessages(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./testee").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "github.com/dragoman-gateway/dragoman/transcoder/codec")
	require.NotContains(t, deps, "google.golang.org/protobuf/types/dynamicpb")
}

// TestFailuresHaveReasons checks the list of known failures: each case has its
// reason in the line above.
func TestFailuresHaveReasons(t *testing.T) {
	data, err := os.ReadFile("failures.txt")
	require.NoError(t, err)
	reason := false
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			reason = line != ""
			continue
		}
		require.True(t, reason, "failures.txt:%d: %s has no reason in the line above it", i+1, line)
		reason = false
	}
}

// compileImage is the serialized set of the test messages' files.
func compileImage(t *testing.T, root string) []byte {
	t.Helper()
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
	}
	files, err := compiler.Compile(t.Context(), testProtos...)
	require.NoError(t, err)
	set := new(descriptorpb.FileDescriptorSet)
	seen := make(map[string]bool)
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
	}
	for _, fd := range files {
		add(fd)
	}
	data, err := proto.Marshal(set)
	require.NoError(t, err)
	return data
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	require.NoError(t, err)
	return abs
}
