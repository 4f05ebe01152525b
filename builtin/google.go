//go:build !nogoogle

package builtin

import (
	"github.com/dragoman-gateway/dragoman/kind"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/google"
)

func addGoogle(kinds *upstream.Kinds) { kind.Add(kinds, google.New) }
