//go:build nogoogle

package builtin

import "github.com/dragoman-gateway/dragoman/upstream"

func addGoogle(*upstream.Kinds) {}
