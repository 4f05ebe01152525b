package jq

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
)

// uuid is a random one, of version 4 (RFC 9562, section 5.4). It is as hard to
// guess as a key.
func uuid(any, []any) any {
	var id [16]byte
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, group := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, group)
	}
	return string(text)
}

// random is a number from 0 up to 1, or a whole one below its argument. It is for
// sampling, not for secrets.
func random(_ any, args []any) any {
	if len(args) == 0 {
		return mathrand.Float64()
	}
	n, ok := whole(args[0])
	if !ok || n < 1 {
		return fmt.Errorf("random: %s is no whole number from 1 to 2^53", show(args[0]))
	}
	return mathrand.IntN(n)
}
