package jq

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// longestToken is how long a token may be. Decoded it takes some dozen times as
// much.
const longestToken = 64 << 10

// jwtClaims is the payload of a JSON Web Token (RFC 7519) in compact form, with or
// without the word Bearer before it. Nothing is verified: anybody can write such a
// token. Errors do not show it.
func jwtClaims(in any, _ []any) any {
	token, err := text("jwt_claims", in)
	if err != nil {
		return err
	}
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimLeft(rest, " ")
	}
	claims, err := claimsOf(token)
	if err != nil {
		return fmt.Errorf("jwt_claims: not a JWT: %w", err)
	}
	return claims
}

func claimsOf(token string) (map[string]any, error) {
	if len(token) > longestToken {
		return nil, fmt.Errorf("it has %d bytes, and at most %d are taken", len(token), longestToken)
	}
	switch parts := strings.Count(token, ".") + 1; parts {
	case 3:
	case 5:
		return nil, errors.New("it is encrypted (RFC 7516)")
	default:
		return nil, fmt.Errorf("it has %d parts and not 3, with dots between them", parts)
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	if _, err := object("header", header); err != nil {
		return nil, err
	}
	claims, err := object("payload", payload)
	if err != nil {
		return nil, err
	}
	if _, err := decode64url(signature); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return claims, nil
}

// object is a part of a token, a JSON object in base64url. Its numbers keep their
// text.
func object(part, encoded string) (map[string]any, error) {
	text, err := decode64url(encoded)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", part, err)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%s: no JSON", part)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one JSON value", part)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: %s and no object", part, kindOf(v))
	}
	return m, nil
}
