package proto

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
)

// maxBytes bounds what one load reads.
const maxBytes = 256 << 20

// parsed is the files of a load: what is named and what that imports, as far as
// the roots have it. The compiler would stop at the first import that it cannot
// find, so they are parsed, and their imports looked up, before it begins.
type parsed struct {
	tree  *tree
	c     *collector
	files map[string]*ast.FileNode // by import path
	bytes int
}

// parse reads the named files and everything that they import. What is wrong in
// them goes to c.
func parse(t *tree, c *collector, named []string) (*parsed, error) {
	p := &parsed{tree: t, c: c, files: make(map[string]*ast.FileNode)}
	todo := named
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if p.files[path] != nil {
			continue
		}
		if len(p.files) == maxFiles {
			return nil, fmt.Errorf("there are more than %d .proto files to compile", maxFiles)
		}
		file, err := p.file(path)
		if errors.Is(err, errEnough) {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		p.files[path] = file
		for _, decl := range file.Decls {
			imp, ok := decl.(*ast.ImportNode)
			if !ok {
				continue
			}
			dep := imp.Name.AsString()
			switch {
			case t.has(dep):
				todo = append(todo, dep)
			case schema.Builtin(dep) == nil:
				at := file.NodeInfo(imp.Name).Start()
				if c.add(Problem{File: c.shown[path], Line: at.Line, Column: at.Col, Message: fmt.Sprintf(
					"import %q: no such file below %s, nor built in", dep, t.names())}) != nil {
					return p, nil
				}
			}
		}
	}
	return p, nil
}

// file parses one file. It is empty if that cannot be done.
func (p *parsed) file(path string) (*ast.FileNode, error) {
	text, shown, err := p.tree.read(path)
	p.c.shown[path] = shown
	none := ast.NewEmptyFileNode(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return none, p.c.add(Problem{File: shown, Message: err.Error()})
	}
	if p.bytes += len(text); p.bytes > maxBytes {
		return nil, fmt.Errorf("the files are larger than %d MiB in all", maxBytes>>20)
	}
	// The parser would stumble over the syntax of a later edition before it
	// came to speak of the edition.
	if edition, offset := editionOf(text); edition != "" && edition != "2023" {
		line, column := position(text, offset)
		return none, p.c.add(Problem{File: shown, Line: line, Column: column, Message: fmt.Sprintf(
			"edition %q cannot be compiled here, only proto2, proto3 and edition \"2023\" can: "+
				"run buf build -o image.binpb and give that as an image", edition)})
	}
	file, err := parser.Parse(path, bytes.NewReader(text), reporter.NewHandler(p.c))
	if file == nil || errors.Is(err, errEnough) {
		return none, err
	}
	return file, nil // what is wrong with it has been told
}

// FindFileByPath implements [protocompile.Resolver].
func (p *parsed) FindFileByPath(path string) (protocompile.SearchResult, error) {
	if file := p.files[path]; file != nil {
		return protocompile.SearchResult{AST: file}, nil
	}
	if fd := schema.Builtin(path); fd != nil {
		// The compiler may change what it is given.
		return protocompile.SearchResult{Proto: proto.Clone(fd).(*descriptorpb.FileDescriptorProto)}, nil
	}
	return protocompile.SearchResult{}, fs.ErrNotExist
}

// preamble is white space and comments, and then the edition.
var preamble = regexp.MustCompile(`^(?:\x{feff})?(?:\s+|//[^\n]*\n|/\*(?s:.*?)\*/)*(edition)\s*=\s*["']([^"'\n]*)["']`)

// editionOf finds the edition that text declares, if any, and where.
func editionOf(text []byte) (edition string, offset int) {
	m := preamble.FindSubmatchIndex(text)
	if m == nil {
		return "", 0
	}
	return string(text[m[4]:m[5]]), m[2]
}

// position counts from 1.
func position(text []byte, offset int) (line, column int) {
	before := text[:offset]
	return 1 + bytes.Count(before, []byte("\n")), offset - bytes.LastIndexByte(before, '\n')
}
