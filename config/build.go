package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxNodes bounds the nodes of one file with its aliases resolved. A few lines
// of aliases to aliases would make more than any memory holds.
const maxNodes = 1 << 20

// builder copies the part of a tree that the schema knows and notes the place
// of each field by its path. What is wrong goes into report and is left out.
type builder struct {
	file   *source
	getenv func(string) (string, bool) // nil if nothing is filled in
	report Report
	// paths finds the field whose value is the node at a place. Of several (an
	// alias is the value of more than one) it is the first.
	paths map[mark]string
	// nodes counts the nodes copied, filled the bytes that the environment
	// gave. lines is the last line of a node.
	nodes, filled, lines int
	// beyond is set once there were too many of either.
	beyond bool
	// aliases are those being resolved, to find one that contains itself.
	aliases []*yaml.Node
}

// mark is where a node of the file begins.
type mark struct{ line, column int }

func (b *builder) problem(at *yaml.Node, path, advice, format string, args ...any) {
	if b.beyond {
		return
	}
	p := b.file.Problem(path, format, args...)
	p.Line, p.Column, p.Advice = at.Line, at.Column, advice
	b.report = append(b.report, p)
}

// node copies n without its content; nil if there have been too many.
func (b *builder) node(n *yaml.Node) *yaml.Node {
	b.nodes++
	if b.nodes > maxNodes {
		b.overflow("the file has more than %d values, with aliases resolved", maxNodes)
		return nil
	}
	b.lines = max(b.lines, n.Line)
	return &yaml.Node{Kind: n.Kind, Style: n.Style, Tag: n.Tag, Value: n.Value, Line: n.Line, Column: n.Column}
}

// overflow reports that the file is beyond a bound, once, and as the only
// problem: what the builder has is cut off somewhere.
func (b *builder) overflow(format string, limit int) {
	if !b.beyond {
		b.beyond = true
		b.report = Report{b.file.Problem("", format, limit)}
	}
}

// place notes that the field at path has the value n under key, which is nil for
// elements of a list. A value that is not a scalar begins on a later line, or
// has the place of its own first field, so its key stands for it.
func (b *builder) place(path string, key, n *yaml.Node) {
	at := n
	if key != nil && n.Kind != yaml.ScalarNode {
		at = key
	}
	text, style := "", yaml.Style(0)
	if n.Kind == yaml.ScalarNode {
		text, style = n.Value, n.Style
	}
	b.file.places[path] = place{line: at.Line, column: at.Column, text: text, style: style}
	if value := (mark{n.Line, n.Column}); b.paths[value] == "" {
		b.paths[value] = path
	}
}

// resolve follows aliases and calls use with what n stands for.
func (b *builder) resolve(n *yaml.Node, path string, use func(*yaml.Node) *yaml.Node) *yaml.Node {
	if n.Kind != yaml.AliasNode {
		return use(n)
	}
	if slices.Contains(b.aliases, n.Alias) {
		b.problem(n, path, "", "the alias *%s contains itself", n.Value)
		return nil
	}
	b.aliases = append(b.aliases, n.Alias)
	out := b.resolve(n.Alias, path, use)
	b.aliases = b.aliases[:len(b.aliases)-1]
	if out != nil {
		// What is wrong with the whole of it is wrong here, not at the anchor.
		out.Line, out.Column = n.Line, n.Column
		b.lines = max(b.lines, n.Line)
	}
	return out
}

// message copies a mapping with the fields of md. Nodes of other kinds are
// copied as they are, for protoyaml to refuse.
func (b *builder) message(n *yaml.Node, md protoreflect.MessageDescriptor, path string) *yaml.Node {
	return b.resolve(n, path, func(n *yaml.Node) *yaml.Node {
		out := b.node(n)
		if out == nil || n.Kind != yaml.MappingNode || isScalarMessage(md) {
			if n.Kind == yaml.ScalarNode && out != nil {
				return b.scalar(out, path)
			}
			return out
		}
		seen := make(map[protoreflect.FieldNumber]*yaml.Node)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			field := b.field(key, md, path)
			if field == nil {
				continue
			}
			at := fieldPath(path, string(field.Name()))
			if first := seen[field.Number()]; first != nil {
				b.problem(key, at, "", "the field is set twice, first on line %d", first.Line)
				continue
			}
			seen[field.Number()] = key
			if isNull(value) && !nullIsEmpty(field) {
				continue
			}
			b.place(at, key, value)
			outKey, outValue := b.node(key), b.value(value, field, at)
			if outKey == nil || outValue == nil {
				continue
			}
			outKey.Value = string(field.Name())
			out.Content = append(out.Content, outKey, outValue)
		}
		return out
	})
}

// field is the field that key names; nil, with a problem, if there is none.
func (b *builder) field(key *yaml.Node, md protoreflect.MessageDescriptor, path string) protoreflect.FieldDescriptor {
	if key.Kind != yaml.ScalarNode {
		b.problem(key, path, "", "wants the name of a field here")
		return nil
	}
	fields := md.Fields()
	if field := fields.ByName(protoreflect.Name(key.Value)); field != nil {
		return field
	}
	if field := fields.ByJSONName(key.Value); field != nil {
		return field
	}
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = string(fields.Get(i).Name())
	}
	b.problem(key, fieldPath(path, key.Value), advise(key.Value, names, "the fields here are "), "no such field")
	if meant := nearestName(key.Value, names); meant != "" {
		b.report[len(b.report)-1].meant = fieldPath(path, meant)
	}
	return nil
}

func (b *builder) value(n *yaml.Node, field protoreflect.FieldDescriptor, path string) *yaml.Node {
	switch {
	case field.IsMap():
		return b.mapping(n, field, path)
	case field.IsList():
		return b.list(n, field, path)
	}
	return b.single(n, field, path)
}

// single copies one value of a field: a message or a scalar.
func (b *builder) single(n *yaml.Node, field protoreflect.FieldDescriptor, path string) *yaml.Node {
	if md := field.Message(); md != nil {
		if isAnyValue(md) || isAnyObject(md) {
			return b.anything(n, path)
		}
		return b.message(n, md, path)
	}
	return b.resolve(n, path, func(n *yaml.Node) *yaml.Node {
		out := b.node(n)
		if out == nil || n.Kind != yaml.ScalarNode {
			return out
		}
		return b.scalar(out, path)
	})
}

func (b *builder) list(n *yaml.Node, field protoreflect.FieldDescriptor, path string) *yaml.Node {
	return b.resolve(n, path, func(n *yaml.Node) *yaml.Node {
		out := b.node(n)
		if out == nil || n.Kind != yaml.SequenceNode {
			return out
		}
		for i, item := range n.Content {
			at := indexPath(path, i)
			b.place(at, nil, item)
			if isNull(item) {
				b.problem(item, at, "remove it, or write a value", "is empty")
			} else if item := b.single(item, field, at); item != nil {
				out.Content = append(out.Content, item)
				continue
			}
			// A stand-in keeps the indices of the elements behind it.
			out.Content = append(out.Content, standIn(item, field))
		}
		return out
	})
}

// standIn is an element of a list in the place of one that has been reported.
func standIn(at *yaml.Node, field protoreflect.FieldDescriptor) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: at.Line, Column: at.Column}
	if field.Message() != nil {
		n.Kind = yaml.MappingNode
	}
	return n
}

func (b *builder) mapping(n *yaml.Node, field protoreflect.FieldDescriptor, path string) *yaml.Node {
	return b.resolve(n, path, func(n *yaml.Node) *yaml.Node {
		out := b.node(n)
		if out == nil || n.Kind != yaml.MappingNode {
			return out
		}
		seen := make(map[string]*yaml.Node)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind != yaml.ScalarNode {
				b.problem(key, path, "", "wants a single value as key here")
				continue
			}
			at := keyPath(path, key.Value)
			if first := seen[key.Value]; first != nil {
				b.problem(key, at, "", "the key is set twice, first on line %d", first.Line)
				continue
			}
			seen[key.Value] = key
			b.place(at, key, value)
			if md := field.MapValue().Message(); isNull(value) && (md == nil || !isAnyValue(md)) {
				b.problem(value, at, `write "" for an empty value`, "is empty")
				continue
			}
			outKey, outValue := b.node(key), b.single(value, field.MapValue(), at)
			if outKey != nil && outValue != nil {
				out.Content = append(out.Content, outKey, outValue)
			}
		}
		return out
	})
}

// anything copies a value that the schema says nothing of, of any shape. What the
// environment fills in is text.
func (b *builder) anything(n *yaml.Node, path string) *yaml.Node {
	return b.resolve(n, path, func(n *yaml.Node) *yaml.Node {
		out := b.node(n)
		if out == nil {
			return nil
		}
		if n.Kind == yaml.ScalarNode {
			text := out.Value
			if out = b.scalar(out, path); out != nil && out.Value != text {
				out.Tag = "!!str"
			}
			return out
		}
		if n.Kind == yaml.MappingNode {
			return b.names(n, out, path)
		}
		for i, item := range n.Content {
			at := indexPath(path, i)
			b.place(at, nil, item)
			if item = b.anything(item, at); item == nil {
				return nil
			}
			out.Content = append(out.Content, item)
		}
		return out
	})
}

// names copies what is in the mapping n, whatever its names and values are, to out.
func (b *builder) names(n, out *yaml.Node, path string) *yaml.Node {
	seen := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			b.problem(key, path, "", "wants a single value as name here")
			return nil
		}
		at := keyPath(path, key.Value)
		if first := seen[key.Value]; first != nil {
			b.problem(key, at, "", "the name is there twice, first on line %d", first.Line)
			return nil
		}
		seen[key.Value] = key
		b.place(at, nil, value)
		outKey, outValue := b.node(key), b.anything(value, at)
		if outKey == nil || outValue == nil {
			return nil
		}
		out.Content = append(out.Content, outKey, outValue)
	}
	return out
}

// scalar fills the environment in. It changes n.
func (b *builder) scalar(n *yaml.Node, path string) *yaml.Node {
	if b.getenv == nil || !strings.Contains(n.Value, "${") {
		return n
	}
	text := n.Value
	value, problems := expand(text, b.getenv)
	for _, p := range problems {
		b.problem(n, path, p.advice, "%s", p.message)
	}
	if len(problems) > 0 {
		return nil
	}
	if b.filled += len(value); b.filled > MaxBytes {
		b.overflow("the environment makes the configuration larger than %d MiB", MaxBytes>>20)
		return nil
	}
	// Without a tag, protoyaml takes the value for whatever the field wants.
	n.Value, n.Tag = value, ""
	at := b.file.places[path]
	at.text, at.filled = text, value
	b.file.places[path] = at
	return n
}

// isScalarMessage reports whether md is written as one value: 10s.
func isScalarMessage(md protoreflect.MessageDescriptor) bool {
	return md.FullName() == "google.protobuf.Duration"
}

// isAnyValue reports whether a field of this type takes any value.
func isAnyValue(md protoreflect.MessageDescriptor) bool {
	return md.FullName() == "google.protobuf.Value"
}

// isAnyObject reports whether a field of this type takes any names with any values.
func isAnyObject(md protoreflect.MessageDescriptor) bool {
	return md.FullName() == "google.protobuf.Struct"
}

// nullIsEmpty reports whether a field without a value, as in "reflection:", is
// an empty message; otherwise it counts as absent.
func nullIsEmpty(field protoreflect.FieldDescriptor) bool {
	md := field.Message()
	return md != nil && !field.IsList() && !field.IsMap() && !isScalarMessage(md) && !isAnyObject(md)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
