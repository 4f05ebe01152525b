//go:build !noaws

package builtin

import (
	"github.com/dragoman-gateway/dragoman/kind"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda"
)

func addLambda(kinds *upstream.Kinds) { kind.Add(kinds, lambda.New) }
