//go:build noazure

package builtin

import "github.com/dragoman-gateway/dragoman/upstream"

func addAzure(*upstream.Kinds) {}
