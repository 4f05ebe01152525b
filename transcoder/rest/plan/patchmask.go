package plan

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// A PATCH says which fields it changes by a google.protobuf.FieldMask, and the
// body says the same: what it has. A plan with a patchMask fills the one from
// the other where the request has not done so itself.

// patchMask is the field that is filled.
type patchMask struct {
	field *codec.Field
	// group says that the field is delimited by tags and not by a length.
	group bool
	// without are the paths that are not listed, nor what is below them: the mask,
	// what the path binds, and other members of oneofs that the path is in.
	without []string
}

// maskPaths is google.protobuf.FieldMask.paths.
const maskPaths = protowire.Number(1)

// patchMask finds the mask that a rule fills. It is none if the rule is not for
// PATCH, if its body has no fields to list, if the path binds the field, or if the
// message lacks it or, for "*", does not have exactly one: the option is for a whole
// route.
func (c *compiler) patchMask(b *httprule.Binding) {
	p := c.plan
	if p.options.PatchMask == "" || b.Method != "PATCH" || !p.TakesForm() || len(c.problems) > 0 {
		return
	}
	fd := maskField(p.descriptor, p.options.PatchMask)
	if fd == nil || p.mode == fieldBody && fd.Number() == p.body.Number() {
		return
	}
	field, _ := lookUp(p.input, p.descriptor, string(fd.Name()))
	if field == nil {
		return
	}
	if child, _ := p.base.look(0, field); child != 0 && p.base[child].origin == fromPath {
		return // it is never missing, where it may be set
	}
	p.mask = &patchMask{field: field, group: fd.Kind() == protoreflect.GroupKind}
	if p.mode == wholeBody {
		p.mask.without = append(p.mask.without, field.Name())
	}
	for i := range p.variables {
		v := &p.variables[i]
		p.mask.leaveOut(p.descriptor, append(slices.Clone(v.parents), v.field), p.body)
	}
}

// leaveOut adds what a path variable takes from a mask: the field at the end of
// its chain, and the other members of all oneofs on the way. md is the request
// message; below is the field that the body is, nil if it is all of md.
func (m *patchMask) leaveOut(md protoreflect.MessageDescriptor, chain []*codec.Field, below *codec.Field) {
	names := 0 // how many of the chain are in front of a path
	if below != nil {
		if chain[0] != below {
			return
		}
		names = 1
	}
	for i, f := range chain {
		fd := md.Fields().ByNumber(f.Number())
		parents := string(appendNames(nil, chain[min(names, i):i]))
		if oneof := fd.ContainingOneof(); oneof != nil && i >= names {
			for j := range oneof.Fields().Len() {
				if other := oneof.Fields().Get(j); other != fd {
					m.without = append(m.without, join(parents, string(other.Name())))
				}
			}
		}
		if i == len(chain)-1 {
			m.without = append(m.without, join(parents, f.Name()))
		}
		md = fd.Message()
	}
}

// maskField is the field of md that is named, or its only FieldMask for "*". A
// member of a oneof is none: it would displace what the request says itself, the
// path above all.
func maskField(md protoreflect.MessageDescriptor, name string) (found protoreflect.FieldDescriptor) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if oneof := fd.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
			continue
		}
		if fd.IsList() || fd.Message() == nil || fd.Message().FullName() != "google.protobuf.FieldMask" {
			continue
		}
		switch {
		case name == string(fd.Name()):
			return fd
		case name == "*" && found != nil:
			return nil
		case name == "*":
			found = fd
		}
	}
	return found
}

// appendMask appends the mask of a request that has none. Its message begins at
// dst[start]. A body that sets nothing makes no mask.
func (p *Plan) appendMask(dst []byte, start int, r *Request, s *Scratch) ([]byte, error) {
	if len(r.Body) == 0 && !r.Multipart || has(dst[start:], p.mask.field.Number()) {
		return dst, nil
	}
	if !r.Form && !r.Multipart {
		var err error
		s.mask = s.mask[:0]
		if p.mode == fieldBody {
			s.mask, err = p.body.AppendMask(s.mask, r.Body, nil, &s.codec)
		} else {
			s.mask, err = p.input.AppendMask(s.mask, r.Body, nil, &s.codec)
		}
		if err != nil {
			return nil, fromCodec(InBody, "", err)
		}
		p.mask.filter(s, 0)
	}
	if len(s.mask) == 0 {
		return dst, nil
	}
	s.filled = true
	if p.mask.group {
		dst = protowire.AppendTag(dst, p.mask.field.Number(), protowire.StartGroupType)
		dst = append(dst, s.mask...)
		return protowire.AppendTag(dst, p.mask.field.Number(), protowire.EndGroupType), nil
	}
	dst = protowire.AppendTag(dst, p.mask.field.Number(), protowire.BytesType)
	return protowire.AppendBytes(dst, s.mask), nil
}

// maskText is a mask as people write it: title,author.given_name.
func maskText(mask []byte) []byte {
	var out []byte
	for len(mask) > 0 {
		_, _, tag := protowire.ConsumeTag(mask)
		path, size := protowire.ConsumeBytes(mask[tag:])
		mask = mask[tag+size:]
		if out != nil {
			out = append(out, ',')
		}
		out = append(out, path...)
	}
	return out
}

// filter takes out of s.mask[from:] what is not to be listed.
func (m *patchMask) filter(s *Scratch, from int) {
	if len(m.without) == 0 {
		return
	}
	kept := s.mask[:from]
	for rest := s.mask[from:]; len(rest) > 0; {
		_, _, tag := protowire.ConsumeTag(rest)
		path, size := protowire.ConsumeBytes(rest[tag:])
		one := rest[:tag+size]
		rest = rest[len(one):]
		if !m.leavesOut(path) {
			kept = append(kept, one...)
		}
	}
	s.mask = kept
}

func (m *patchMask) leavesOut(path []byte) bool {
	for _, without := range m.without {
		n := len(without)
		if len(path) >= n && string(path[:n]) == without && (len(path) == n || path[n] == '.') {
			return true
		}
	}
	return false
}

// addToMask lists a field that a form sets, whose parents are s.chain.
func (p *Plan) addToMask(field *codec.Field, s *Scratch) {
	// A form of body: "field" begins below the field.
	chain := s.chain
	if p.mode == fieldBody {
		chain = chain[1:]
	}
	s.text = appendNames(s.text[:0], chain)
	if len(chain) > 0 {
		s.text = append(s.text, '.')
	}
	s.text = append(s.text, field.Name()...)
	if !p.mask.leavesOut(s.text) {
		s.mask = protowire.AppendTag(s.mask, maskPaths, protowire.BytesType)
		s.mask = protowire.AppendBytes(s.mask, s.text)
	}
}

// appendNames appends the path of a chain of fields by their proto names.
func appendNames(dst []byte, chain []*codec.Field) []byte {
	for i, f := range chain {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = append(dst, f.Name()...)
	}
	return dst
}

// has reports whether a well-formed message has a field.
func has(wire []byte, number protowire.Number) bool {
	for len(wire) > 0 {
		num, _, n := protowire.ConsumeField(wire)
		if n < 0 {
			return false
		}
		if num == number {
			return true
		}
		wire = wire[n:]
	}
	return false
}
