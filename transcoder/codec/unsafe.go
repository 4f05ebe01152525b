package codec

import "unsafe"

// text views b as a string without copying, for the parsers of package strconv
// and for comparisons, which keep nothing. The bytes must not change while the
// string lives, so it is never stored and never returned to a caller.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
