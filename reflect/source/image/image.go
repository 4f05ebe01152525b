// Package image loads descriptors that were built ahead: a FileDescriptorSet of
// protoc, or an image of buf, which is one too.
package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/reflect/source"
)

// maxBytes bounds a file, and what it holds once decompressed.
const maxBytes = 256 << 20

const missingAdvice = "build the image with everything that it imports: buf build does, protoc needs --include_imports"

// Source reads one file anew with each Load.
type Source struct {
	name  string // of the upstream
	shown string // as the user wrote it, for messages
	path  string
}

var _ source.Source = (*Source)(nil)

// New makes the source that cfg describes. It reads nothing yet.
func New(cfg *configpb.ImageSource, env source.Env) (source.Source, error) {
	if cfg.GetPath() == "" {
		return nil, errors.New("image: path is empty: name the file")
	}
	s := &Source{name: env.Name, shown: cfg.GetPath(), path: cfg.GetPath()}
	if !filepath.IsAbs(s.path) {
		s.path = filepath.Join(env.Dir, s.path)
	}
	return s, nil
}

// Offline implements [source.Source]: nothing but the file is read.
func (s *Source) Offline() bool { return true }

// Load implements [source.Source].
func (s *Source) Load(context.Context) (*schema.Schema, error) {
	raw, err := readFile(s.path)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", s.shown, err)
	}
	set, err := decode(raw, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", s.shown, err)
	}
	sch, err := schema.Options{Name: s.name, MissingAdvice: missingAdvice}.New(set)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", s.shown, err)
	}
	return sch, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var raw []byte
		if raw, err = readAll(f, maxBytes); err == nil {
			return raw, nil
		}
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the message names the file already
	}
	return nil, err
}

var errTooLarge = errors.New("too large")

func readAll(r io.Reader, limit int) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > limit {
		return nil, fmt.Errorf("%w: an image may have %d MiB", errTooLarge, limit>>20)
	}
	return raw, nil
}
