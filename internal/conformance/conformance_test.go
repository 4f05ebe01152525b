// Package conformance runs protobuf's own conformance suite around the codec.
//
// The runner and its test messages are installed by install.sh; without them the
// test is skipped. The testee beside this file speaks the runner's protocol.
package conformance

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
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

// suiteLine is what the runner says at the end.
var suiteLine = regexp.MustCompile(`CONFORMANCE SUITE (PASSED|FAILED): (\d+) successes, (\d+) skipped, (\d+) expected failures, (\d+) unexpected failures`)

// skippedLine is what it says of a case that the testee does not answer.
var skippedLine = regexp.MustCompile(`(?m)^SKIPPED, test=(\S+) request=.*$`)

// successes is how many cases of version 33.2 start or end in JSON, but for
// those of failures.txt: the testee must answer them all.
const successes = 2742

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

	// Later editions than the test protos' are left out.
	cmd := exec.CommandContext(t.Context(), runner,
		"--enforce_recommended", "--maximum_edition", "2023", "--verbose",
		"--failure_list", absolute(t, "failures.txt"), "--output_dir", tmp,
		testee, image)
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", failures(out))

	suite := suiteLine.FindSubmatch(out)
	require.NotNil(t, suite, "no counts in the runner's output")
	t.Logf("%s", suite[0])
	require.Equal(t, strconv.Itoa(successes), string(suite[2]), "successes")

	wireToWire, text := 0, 0
	for _, m := range skippedLine.FindAllSubmatch(out, -1) {
		has := func(s string) bool { return bytes.Contains(m[0], []byte(s)) }
		switch {
		case has("test_category: TEXT_FORMAT_TEST"):
			text++
		case has("test_category: BINARY_TEST") && has("requested_output_format: PROTOBUF"):
			wireToWire++
		default:
			t.Errorf("%s is skipped, but neither from wire to wire nor in the text format", m[1])
		}
	}
	t.Logf("skipped: %d from wire to wire, %d in the text format", wireToWire, text)
}

// failures are the lines of the runner's output that tell what failed.
func failures(out []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "ERROR, test=") || strings.HasPrefix(line, "testee:") || suiteLine.MatchString(line) {
			b.WriteString(line)
		}
	}
	if b.Len() == 0 {
		return string(out)
	}
	return b.String()
}

// TestTesteeLinksNoDynamicMessages checks that the answers come from the codec's
// tables: a testee that linked message objects could pass without them.
func TestTesteeLinksNoDynamicMessages(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./testee").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.True(t, slices.Contains(deps, "github.com/dragoman-gateway/dragoman/transcoder/codec"), "the testee does not use the codec")
	require.False(t, slices.Contains(deps, "google.golang.org/protobuf/types/dynamicpb"), "the testee links dynamicpb")
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
		file := protodesc.ToFileDescriptorProto(fd)
		plainMessageSets(file.GetMessageType())
		set.File = append(set.File, file)
	}
	for _, fd := range files {
		add(fd)
	}
	data, err := proto.Marshal(set)
	require.NoError(t, err)
	return data
}

// plainMessageSets makes ordinary messages of proto1's message sets. Go's library
// refuses to link one, and only cases without JSON use the one that there is.
func plainMessageSets(messages []*descriptorpb.DescriptorProto) {
	for _, m := range messages {
		plainMessageSets(m.GetNestedType())
		if !m.GetOptions().GetMessageSetWireFormat() {
			continue
		}
		m.Options.MessageSetWireFormat = nil
		for _, r := range m.GetExtensionRange() {
			r.End = proto.Int32(min(r.GetEnd(), int32(protowire.MaxValidNumber)+1))
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	require.NoError(t, err)
	return abs
}
