// Package config turns a configuration file, YAML or JSON, into a validated
// message, and that into a [Plan] in which every name is resolved and every
// default is set; or it reports everything that is wrong, each with file, line,
// column and what to do.
//
// [Load] and [Parse] read a file, [FromMessage] takes a message made in code;
// [Link] makes the plan. None of them touches the network or the files that the
// configuration names. Passes that come later (rules, descriptors) report what
// they find at the place of the file that caused it with [File.Problem].
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// MaxBytes bounds a configuration file, and likewise what the environment adds
// to it.
const MaxBytes = 8 << 20

// File is one configuration, parsed and valid by the rules of its schema. It is
// immutable and safe for any goroutine.
type File struct {
	source
	// Message is the configuration. Nobody may change it.
	Message *configpb.Config

	// getenv looks up what programs may read of the environment; nil is an empty
	// one.
	getenv func(string) (string, bool)
}

// source is what a message was read from.
type source struct {
	// Name is the file's name as it was given, for messages.
	Name string

	places places
	// lines are those of the text, for places within a value; nil if the message
	// was made in code.
	lines []string
}

// Dir is the folder that relative file names in the configuration are relative
// to.
func (f *File) Dir() string { return filepath.Dir(f.Name) }

// Load reads and parses the file at path. getenv looks up a variable of the
// environment, like [os.LookupEnv]. The error is a [Report], or the reason why
// the file cannot be read.
func Load(path string, getenv func(string) (string, bool)) (*File, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data, getenv)
}

// read reads a file, but not much more of it than may be parsed.
func read(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	// One byte more is how the parser sees that there is too much.
	return io.ReadAll(io.LimitReader(in, MaxBytes+1))
}

// Parse parses and validates a configuration in YAML or JSON. name is the
// file's name for messages; getenv may be nil if the environment is empty. The
// error is a [Report] of everything that is wrong.
func Parse(name string, data []byte, getenv func(string) (string, bool)) (*File, error) {
	if getenv == nil {
		getenv = func(string) (string, bool) { return "", false }
	}
	f := &File{source: source{Name: name, places: places{}}, Message: &configpb.Config{}, getenv: getenv}
	report := f.parse(data, f.Message, func(doc *yaml.Node) (*yaml.Node, string) { return doc, "" }, getenv)
	return f.validated(report)
}

// FromMessage validates a configuration that was made in code. name stands for
// the file's name in messages, as in "command line". The file keeps cfg. The
// error is a [Report].
func FromMessage(name string, cfg *configpb.Config) (*File, error) {
	if cfg == nil {
		return nil, errors.New("configuration: no message")
	}
	f := &File{source: source{Name: name}, Message: cfg}
	return f.validated(nil)
}

// validated adds the violations of the schema's rules to what was found before,
// and then, if anything is wrong, what linking would find, so that the operator
// sees everything at once; but nothing that may follow from another problem.
func (f *File) validated(report Report) (*File, error) {
	report = append(report, f.validate(report)...)
	if len(report) > 0 {
		return nil, append(report, f.unlinked(report)...).Err()
	}
	return f, nil
}
