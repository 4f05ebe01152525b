// Package upstream is the contract of the things a call can be sent to. One
// kind lives in one package below this one and registers a factory for its
// configuration message; the gateway knows only this contract.
package upstream

import (
	"log/slog"

	"github.com/dragoman-gateway/dragoman/kind"
)

// Upstream is one configured upstream. What can be sent to it is said by what else
// it implements: rpc.Upstream takes calls, [HTTP] takes requests. It dials lazily:
// making one neither connects nor fails because nobody listens.
type Upstream interface {
	// Close ends the connections after the calls that use them. It is called
	// once, when the last snapshot that names the upstream has been retired.
	Close() error
}

// Env is what a kind may use besides its own configuration message.
type Env struct {
	// Name is the upstream's name in the configuration, for messages.
	Name string
	// MaxMessageBytes bounds each message received, after decompression.
	MaxMessageBytes int
	// Dir is what relative file names (certificates) are relative to: the
	// folder of the configuration file.
	Dir string
	// Log is told what the operator should know of the upstream; nil is no log.
	Log *slog.Logger
}

// Kinds maps the configuration message of each kind to its factory.
type Kinds = kind.Registry[Env, Upstream]
