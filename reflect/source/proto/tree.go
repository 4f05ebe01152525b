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
	// maxFiles bounds what one load compiles.
	maxFiles = 10_000
	// maxWalked bounds the entries of the roots that are looked at: a wrong
	// root, say "/", must not be walked for ever.
	maxWalked = 500_000
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
// are no patterns. A pattern that matches nothing is an error. The roots are not
// walked for plain paths: some are large.
func (t *tree) find(patterns []string) ([]string, error) {
	var files, found []string
	if len(patterns) == 0 || slices.ContainsFunc(patterns, isPattern) {
		var err error
		if files, err = t.walk(); err != nil {
			return nil, err
		}
	}
	if len(patterns) == 0 {
		if len(files) == 0 {
			return nil, fmt.Errorf("there are no .proto files below %s", t.names())
		}
		found = files
	}
	var errs []error
	for _, pattern := range patterns {
		before := len(found)
		if !isPattern(pattern) && t.has(pattern) {
			found = append(found, pattern)
		}
		for _, f := range files {
			if match(pattern, f) {
				found = append(found, f)
			}
		}
		if len(found) == before {
			errs = append(errs, t.noMatch(pattern))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.Sort(found)
	if found = slices.Compact(found); len(found) > maxFiles {
		return nil, fmt.Errorf("there are %d .proto files to compile below %s, more than %d: name fewer in files", len(found), t.names(), maxFiles)
	}
	return found, nil
}

func (t *tree) noMatch(pattern string) error {
	for _, r := range t.roots {
		if rest, ok := strings.CutPrefix(pattern, filepath.ToSlash(r.shown)+"/"); ok {
			return fmt.Errorf("files: %q matches nothing below %s: it is relative to a root, write %q", pattern, t.names(), rest)
		}
	}
	return fmt.Errorf("files: %q matches nothing below %s", pattern, t.names())
}

// walk lists the import paths of all .proto files, sorted. Hidden folders are
// left out: they are version control, or the older copies of a mounted volume.
// A root inside another is left to itself, or its files would occur twice, by
// different paths.
func (t *tree) walk() ([]string, error) {
	var files []string
	walked := 0
	for i, dir := range t.opened {
		err := fs.WalkDir(dir.FS(), ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return fmt.Errorf("root %q: %w", t.roots[i].shown, err)
			}
			if walked++; walked > maxWalked {
				return fmt.Errorf("there are more than %d files and folders below %s: is that the right folder?", maxWalked, t.names())
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
