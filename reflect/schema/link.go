package schema

import (
	"errors"

	"google.golang.org/protobuf/types/descriptorpb"
)

// New is [New] with options.
func (o Options) New(set *descriptorpb.FileDescriptorSet) (*Schema, error) {
	return nil, errors.New("not linked")
}
