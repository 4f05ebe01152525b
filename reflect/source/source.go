// Package source is the contract of the places that descriptors come from. One
// kind lives in one package below this one and registers a factory for its
// configuration message.
package source

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/kind"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// Source loads the descriptors of one upstream. It is used by one goroutine.
type Source interface {
	// Load reads the descriptors and links them. It may be called again at any
	// time and keeps nothing of an earlier call that would change the result.
	// An error that a retry may cure (the upstream does not answer) satisfies
	// errors.Is(err, ErrUnavailable); any other is the user's to mend.
	Load(ctx context.Context) (*schema.Schema, error)
	// Offline reports whether Load needs no network.
	Offline() bool
}

// Env is what a kind may use besides its own configuration message.
type Env struct {
	// Name is the name of the upstream that the descriptors are for.
	Name string
	// Upstream is that upstream, for sources that ask it.
	Upstream rpc.Upstream
	// Dial makes a further upstream from the configuration message of any kind,
	// for a source with an address of its own. The gateway closes it.
	Dial func(cfg proto.Message) (rpc.Upstream, error)
	// Dir is what relative file names are relative to: the folder of the
	// configuration file.
	Dir string
	Log *slog.Logger
}

// Kinds maps the configuration message of each kind to its factory.
type Kinds = kind.Registry[Env, Source]

// ErrUnavailable marks an error that may pass by itself.
var ErrUnavailable = errors.New("descriptor source unavailable")
