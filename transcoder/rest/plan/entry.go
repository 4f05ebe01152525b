package plan

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Entries of maps as parameters, m[k]=v or a.m[k]=v. The key is all between the
// first bracket behind the name of the map and the last one of all, so that it
// may have dots and brackets of its own. A field whose JSON name has brackets
// comes first.

// entry is a key of a map that was set: keys[start:end] at a node of the tree.
type entry struct {
	node       int32
	start, end int
}

// splitEntry finds the map and the key that a name is for, nil if it is none.
func splitEntry(m *codec.Message, name []byte) (f *codec.Field, key []byte) {
	i := bytes.IndexByte(name, '[')
	if i < 0 || name[len(name)-1] != ']' {
		return nil, nil
	}
	if f = m.FieldByName(name[:i]); f == nil || !f.Map() {
		return nil, nil
	}
	return f, name[i+1 : len(name)-1]
}

// claimEntry notes that a parameter sets an entry of field, a map and a child of
// node at.
func (p *Plan) claimEntry(name []byte, at int32, field *codec.Field, s *Scratch) error {
	if !field.MapText() {
		return s.badParameter(name, "the field is a map whose values are messages; a query has no form for them")
	}
	if s.part != nil {
		if s.use = useText; s.part.File || s.part.JSON() {
			return s.badParameter(name, "an entry of a map is given as plain text, and not as a file or as JSON")
		}
	}
	if err := p.set(name, at, field, s); err != nil {
		return err
	}
	if s.at, _ = s.tree.look(at, field); s.tree[s.at].whole {
		return s.badParameter(name, "another parameter has set all of the map")
	}
	return nil
}

// appendEntry appends the entry of field, a map, that s.key and s.text are.
func (p *Plan) appendEntry(dst []byte, field *codec.Field, s *Scratch) ([]byte, error) {
	// The key as it travels: two texts may be one number.
	start := len(s.keys)
	var err error
	if s.keys, err = field.AppendEntry(s.keys, s.key, s.text, &s.codec); err != nil {
		return nil, fromCodec(s.place, string(s.name), err)
	}
	_, _, tag := protowire.ConsumeTag(s.keys[start:])
	content, _ := protowire.ConsumeBytes(s.keys[start+tag:])
	_, _, size := protowire.ConsumeField(content)
	s.keys = append(s.keys[:start], content[:size]...)
	for _, e := range s.entries {
		if e.node == s.at && bytes.Equal(s.keys[e.start:e.end], s.keys[start:]) {
			return nil, s.badParameter(s.name, "the entry is set twice")
		}
	}
	s.entries = append(s.entries, entry{s.at, start, len(s.keys)})
	if dst, err = codec.AppendNestedEntry(dst, s.chain, field, s.key, s.text, &s.codec); err != nil {
		return nil, fromCodec(s.place, string(s.name), err)
	}
	return dst, nil
}
