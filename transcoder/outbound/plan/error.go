package plan

import (
	"errors"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// fromCodec makes an error of the codec one that a client may see. place is the part
// of the request that was being made.
func fromCodec(reason rpc.Reason, place string, err error) *rpc.Error {
	var ce *codec.Error
	if !errors.As(err, &ce) {
		return &rpc.Error{Reason: rpc.Internal, Message: "the request could not be made", Cause: err}
	}
	switch ce.Kind {
	case codec.KindTooLarge:
		reason = rpc.RequestTooLarge
	case codec.KindWire:
		reason = rpc.InvalidRequest
	}
	e := rpc.Errorf(reason, "%s: %v", place, ce)
	if ce.Path != "" {
		e.Violations = []rpc.Violation{{Field: ce.Path, Description: ce.Message}}
	}
	return e
}

// invalid is an error about one field.
func invalid(reason rpc.Reason, field, description, message string) *rpc.Error {
	return &rpc.Error{
		Reason: reason, Message: message,
		Violations: []rpc.Violation{{Field: field, Description: description}},
	}
}
