//go:build !noazure

package builtin

import (
	"github.com/dragoman-gateway/dragoman/kind"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/azure"
)

func addAzure(kinds *upstream.Kinds) { kind.Add(kinds, azure.New) }
