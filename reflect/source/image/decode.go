package image

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	utf8BOM   = []byte("\ufeff")
)

// decode recognises the form of raw by its content.
func decode(raw []byte, limit int) (*descriptorpb.FileDescriptorSet, error) {
	form := ""
	if bytes.HasPrefix(raw, gzipMagic) {
		form = "gzip of "
		r, err := gzip.NewReader(bytes.NewReader(raw))
		if err == nil {
			raw, err = readAll(r, limit)
		}
		if errors.Is(err, errTooLarge) {
			return nil, fmt.Errorf("%w, decompressed", err)
		}
		if err != nil {
			return nil, fmt.Errorf("taken for gzip: %w", err)
		}
	}
	switch {
	case len(raw) == 0:
		return nil, errors.New("the file is empty")
	case bytes.HasPrefix(raw, zstdMagic):
		return nil, errors.New("it is compressed with zstd: use gzip or none, as with buf build -o image.binpb")
	}
	set, err := decodeBinary(raw)
	if err == nil {
		return set, nil
	}
	// Binary comes first: it begins with a byte that JSON may begin with as
	// well, a line feed.
	if text := bytes.TrimSpace(bytes.TrimPrefix(raw, utf8BOM)); bytes.HasPrefix(text, []byte("{")) {
		set, err := decodeJSON(text)
		if err != nil {
			return nil, fmt.Errorf("taken for %sJSON: %w", form, err)
		}
		return set, nil
	}
	if raw[0] != '\n' {
		return nil, fmt.Errorf("neither a binary FileDescriptorSet nor JSON (it begins with %q)%s", raw[:min(len(raw), 16)], hint(raw))
	}
	return nil, fmt.Errorf("taken for a %sbinary FileDescriptorSet: %w", form, err)
}

// hint says what it is that people mistake for an image.
func hint(raw []byte) string {
	text := string(raw[:min(len(raw), 4096)])
	switch {
	case strings.Contains(text, "syntax = ") || strings.Contains(text, "edition = "):
		return ": this is .proto source, which belongs to descriptors of the kind proto"
	case strings.HasPrefix(text, "file {") || strings.HasPrefix(text, "file:"):
		return ": write it in another form, as with buf build -o image.binpb"
	}
	return ""
}

func decodeBinary(raw []byte) (*descriptorpb.FileDescriptorSet, error) {
	set := new(descriptorpb.FileDescriptorSet)
	// Options stay as they are: package schema reads them.
	o := proto.UnmarshalOptions{AllowPartial: true, Resolver: new(protoregistry.Types)}
	if err := o.Unmarshal(raw, set); err != nil {
		return nil, fmt.Errorf("%w: is the file complete?", clean(err))
	}
	return set, check(set)
}

// decodeJSON reads options that this program knows, google.api.http among them,
// and skips all others, with whatever else buf adds to a file.
func decodeJSON(text []byte) (*descriptorpb.FileDescriptorSet, error) {
	set := new(descriptorpb.FileDescriptorSet)
	o := protojson.UnmarshalOptions{AllowPartial: true, DiscardUnknown: true}
	if err := o.Unmarshal(text, set); err != nil {
		return nil, clean(err)
	}
	return set, check(set)
}

// check refuses what is a message by chance, or another than it should be.
func check(set *descriptorpb.FileDescriptorSet) error {
	if len(set.GetFile()) == 0 {
		return errors.New("it holds no files")
	}
	for _, fd := range set.GetFile() {
		if fd.GetName() == "" {
			return errors.New("it holds a file without a name: is it a FileDescriptorSet?")
		}
	}
	return nil
}

// clean takes the library's prefix off an error's text. (It varies its spaces on
// purpose.)
func clean(err error) error {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return errors.New(strings.TrimPrefix(text, "proto: "))
}
