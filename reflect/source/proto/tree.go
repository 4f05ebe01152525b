package proto

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// maxFiles bounds what a wrong root, say "/", makes the gateway read.
	maxFiles = 10_000
	// maxFileBytes bounds one file.
	maxFileBytes = 16 << 20
)

// tree is the roots, opened.
type tree struct {
	roots  []root
	opened []*os.Root
}

func openTree(roots []root) (*tree, error) {
	t := &tree{roots: roots}
	for _, r := range roots {
		err := isFolder(r.path)
		var dir *os.Root
		if err == nil {
			dir, err = os.OpenRoot(r.path)
		}
		if err != nil {
			t.close()
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			return nil, fmt.Errorf("root %q: %w", r.shown, err)
		}
		t.opened = append(t.opened, dir)
	}
	return t, nil
}

func (t *tree) close() {
	for _, dir := range t.opened {
		_ = dir.Close()
	}
}

// read returns the file of that import path, and the name to call it by. It is
// fs.ErrNotExist if no root has it.
func (t *tree) read(importPath string) (text []byte, shown string, err error) {
	if !fs.ValidPath(importPath) {
		return nil, importPath, fs.ErrNotExist
	}
	for i, dir := range t.opened {
		shown = filepath.Join(t.roots[i].shown, filepath.FromSlash(importPath))
		f, err := dir.Open(importPath)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, shown, err
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
		if err != nil {
			return nil, shown, err
		}
		if len(text) > maxFileBytes {
			return nil, shown, fmt.Errorf("file is larger than %d MiB", maxFileBytes>>20)
		}
		return text, shown, nil
	}
	return nil, importPath, fs.ErrNotExist
}

// has reports whether a root has the file of that import path. A file that
// cannot be read is there, too: reading it says why.
func (t *tree) has(importPath string) bool {
	if !fs.ValidPath(importPath) {
		return false
	}
	return slices.ContainsFunc(t.opened, func(dir *os.Root) bool {
		_, err := dir.Stat(importPath)
		return !errors.Is(err, fs.ErrNotExist)
	})
}

// find lists the import paths that patterns match, sorted; all files if there
// are no patterns. A pattern that matches nothing is an error.
func (t *tree) find(patterns []string) ([]string, error) {
	files, err := t.walk()
	if err != nil {
		return nil, err
	}
	if len(patterns) == 0 {
		if len(files) == 0 {
			return nil, fmt.Errorf("there are no .proto files below %s", t.names())
		}
		return files, nil
	}
	var found []string
	var errs []error
	for _, pattern := range patterns {
		before := len(found)
		for _, f := range files {
			if match(pattern, f) {
				found = append(found, f)
			}
		}
		if len(found) > before {
			continue
		}
		err := fmt.Errorf("files: %q matches nothing below %s", pattern, t.names())
		for _, r := range t.roots {
			if rest, ok := strings.CutPrefix(pattern, filepath.ToSlash(r.shown)+"/"); ok {
				err = fmt.Errorf("%w: it is relative to a root, write %q", err, rest)
				break
			}
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// walk lists the import paths of all .proto files, sorted. Hidden folders are
// left out: they are version control, or the older copies of a mounted volume.
// A root inside another is left to itself, or its files would occur twice, by
// different paths.
func (t *tree) walk() ([]string, error) {
	var files []string
	for i, dir := range t.opened {
		err := fs.WalkDir(dir.FS(), ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return fmt.Errorf("root %q: %w", t.roots[i].shown, err)
			}
			if d.IsDir() {
				if p != "." && (strings.HasPrefix(d.Name(), ".") || t.isRoot(filepath.Join(t.roots[i].path, filepath.FromSlash(p)))) {
					return fs.SkipDir
				}
				return nil
			}
			if path.Ext(p) != ".proto" {
				return nil
			}
			if len(files) == maxFiles {
				return fmt.Errorf("there are more than %d .proto files below %s: is that the right folder?", maxFiles, t.names())
			}
			files = append(files, p)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func (t *tree) isRoot(dir string) bool {
	return slices.ContainsFunc(t.roots, func(r root) bool { return r.path == dir })
}

// names lists the roots for a message.
func (t *tree) names() string {
	var names []string
	for _, r := range t.roots {
		names = append(names, fmt.Sprintf("%q", r.shown))
	}
	return strings.Join(names, ", ")
}
