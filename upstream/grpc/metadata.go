package grpc

import (
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// fromMD is md in the order of its keys, without what the protocol itself owns.
// Values of "-bin" keys are bytes already.
func fromMD(md metadata.MD) rpc.Header {
	n := 0
	for key, values := range md {
		if !owns(key) {
			n += len(values)
		}
	}
	if n == 0 {
		return nil
	}
	h := make(rpc.Header, 0, n)
	for key, values := range md {
		if owns(key) {
			continue
		}
		for _, v := range values {
			h = append(h, rpc.HeaderField{Name: key, Value: v})
		}
	}
	slices.SortStableFunc(h, func(a, b rpc.HeaderField) int { return strings.Compare(a.Name, b.Name) })
	return h
}

// owns reports whether a key is the protocol's.
func owns(key string) bool {
	switch key {
	case "content-type", "te", "trailer":
		return true
	}
	return strings.HasPrefix(key, "grpc-") || strings.HasPrefix(key, ":")
}
