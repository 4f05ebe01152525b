package schema

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// fingerprint hashes the files in the order of their paths, each with its length
// before it. The built-in files are the same for every schema of one program.
func fingerprint(files map[string]*descriptorpb.FileDescriptorProto, services []protoreflect.FullName) string {
	h := sha256.New()
	var raw []byte
	write := func(b []byte) {
		h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, path := range sortedPaths(files) {
		// The file was unmarshalled before, so it can be marshalled.
		raw, _ = proto.MarshalOptions{Deterministic: true, AllowPartial: true}.MarshalAppend(raw[:0], files[path])
		write(raw)
	}
	if services != nil {
		names := slices.Clone(services)
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			write([]byte("service " + name))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
