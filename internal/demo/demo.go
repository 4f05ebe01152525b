// Package demo is the example service behind `dragoman demo`: a small library
// with shelves and books, in memory.
//
// It exists to be called: its API has every sort of HTTP rule and every kind of
// stream, and errors with details. Its answers are the same in every run: names
// are counted, and its clock starts at a fixed time and moves by one minute with
// each change.
package demo

import (
	"google.golang.org/grpc/reflection"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
)

// Register puts a new library, with its first shelves and books, and the
// reflection service (v1 and v1alpha) on s. It is called before s serves.
func Register(s reflection.GRPCServer) {
	librarypb.RegisterLibraryServer(s, New())
	reflection.Register(s)
}
