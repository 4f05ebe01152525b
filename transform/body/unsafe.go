package body

import "unsafe"

// view is the bytes of s without copying, for scanning alone: they must not be
// changed, nor kept.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
