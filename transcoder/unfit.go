package transcoder

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Unfit is the error of what programs made of a message, and what is none of this
// type; err is the codec's. The client is told which field it is, and not the value,
// which may be somebody else's.
func Unfit(name protoreflect.FullName, err error) *rpc.Error {
	out := &rpc.Error{Reason: rpc.ProgramFailed, Message: "what the programs made of the message is no " + string(name), Cause: err}
	var ce *codec.Error
	if errors.As(err, &ce) && ce.Path != "" {
		path := strings.ToValidUTF8(ce.Path, "\uFFFD")
		out.Message += ": field " + path
		out.Metadata = map[string]string{"field": path}
	}
	return out
}
