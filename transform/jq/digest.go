package jq

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

func sha256sum(in any, args []any) any {
	s, err := text("sha256", in)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(s))
	return encoded("sha256", sum[:], args)
}

// hmacSHA256 is RFC 2104 with SHA-256 and the key in its first argument.
func hmacSHA256(in any, args []any) any {
	s, err := text("hmac_sha256", in)
	if err != nil {
		return err
	}
	key, ok := args[0].(string)
	if !ok {
		return fmt.Errorf("hmac_sha256: the key is %s, and must be a string", kindOf(args[0]))
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(s))
	return encoded("hmac_sha256", mac.Sum(nil), args[1:])
}

// encoded is a digest in the encoding that an argument names, hex without one.
func encoded(function string, sum []byte, args []any) any {
	if len(args) == 0 || args[0] == "hex" {
		return hex.EncodeToString(sum)
	}
	switch args[0] {
	case "base64":
		return base64.StdEncoding.EncodeToString(sum)
	case "base64url":
		return base64.RawURLEncoding.EncodeToString(sum)
	}
	return fmt.Errorf("%s: %s is no encoding; there are hex, base64, base64url", function, show(args[0]))
}
