// Command testsum reads the output of go test -json and prints what a person
// wants of it: a line for each package, why tests were skipped, everything that
// failed tests wrote, and in the last line how many tests there were. Its exit
// code is 1 if anything failed or nothing ran.
//
//	go test -json ./... | go run ./internal/testsum
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

func main() {
	if !summarize(os.Stdin, os.Stdout) {
		os.Exit(1)
	}
}

// summary counts tests, a subtest for one.
type summary struct {
	passed, failed, skipped, packages, failedPackages int
}

// summarize reports whether something ran and all of it passed.
func summarize(in io.Reader, out io.Writer) bool {
	var sum summary
	// What a test or package wrote, until it is known whether anybody wants it.
	written := make(map[string]*strings.Builder)
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		var e event
		if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
			// go itself says something: an unknown flag, a package that is not there.
			fmt.Fprint(out, line)
		} else {
			sum.add(e, written, out)
		}
		if err != nil {
			break
		}
	}
	fmt.Fprintf(out, "packages: %d passed, %d failed\n", sum.packages, sum.failedPackages)
	fmt.Fprintf(out, "tests: %d passed, %d failed, %d skipped\n", sum.passed, sum.failed, sum.skipped)
	return sum.failed == 0 && sum.failedPackages == 0 && sum.passed > 0
}

func (s *summary) add(e event, written map[string]*strings.Builder, out io.Writer) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		if e.Action == "build-output" {
			fmt.Fprint(out, e.Output)
			return
		}
		if written[key] == nil {
			written[key] = new(strings.Builder)
		}
		written[key].WriteString(e.Output)
		return
	case "pass", "skip", "fail":
	default:
		return
	}
	text := ""
	if w := written[key]; w != nil {
		text = w.String()
		delete(written, key)
	}
	if e.Test == "" {
		s.pkg(e, text, out)
		return
	}
	switch e.Action {
	case "pass":
		s.passed++
	case "skip":
		s.skipped++
		fmt.Fprintf(out, "skip  %s %s: %s\n", e.Package, e.Test, reason(text))
	case "fail":
		s.failed++
		fmt.Fprint(out, text)
	}
}

func (s *summary) pkg(e event, text string, out io.Writer) {
	switch e.Action {
	case "pass":
		s.packages++
		fmt.Fprintf(out, "ok    %s %.1fs\n", e.Package, e.Elapsed)
	case "fail":
		s.failedPackages++
		fmt.Fprint(out, text)
		fmt.Fprintf(out, "FAIL  %s %.1fs\n", e.Package, e.Elapsed)
	}
	// A package without tests is skipped, and no news.
}

// reason is what t.Skip said: the line that begins with FILE:LINE.
func reason(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if _, said, ok := strings.Cut(line, ".go:"); ok && !strings.HasPrefix(line, "---") {
			if _, said, ok = strings.Cut(said, ": "); ok {
				return said
			}
		}
	}
	return "no reason given"
}
