package upstream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"
)

// About is what is known of a request besides what is sent. Whoever sends requests to
// an upstream whose [Origin] is Aware puts it into their contexts. It is read-only.
type About struct {
	// Method, Scheme, Host, Path and RawQuery are those of the request when the
	// programs of the configuration have run, and before the path is rewritten. Path is
	// escaped.
	Method, Scheme, Host, Path, RawQuery string
	// Client is the address of the client, without port.
	Client string
	// Route is the name of the route.
	Route string
	// Resource is the path of the match as a template, /v1/books/{id}, a prefix with /**
	// behind it; empty if it is something else.
	Resource string
	// Vars are what the match has captured.
	Vars []Var
	// RequestID names the request, and no other one.
	RequestID string
	// Time is when the request came.
	Time time.Time
}

// Var is a part of a path that has a name; Text is decoded.
type Var struct{ Name, Text string }

type aboutKey struct{}

// WithAbout is ctx with a.
func WithAbout(ctx context.Context, a *About) context.Context {
	return context.WithValue(ctx, aboutKey{}, a)
}

// AboutOf is what ctx has, or nil.
func AboutOf(ctx context.Context) *About {
	a, _ := ctx.Value(aboutKey{}).(*About)
	return a
}

// NewRequestID is a name for a request: one of 128 random bits, as UUIDs are written (RFC 9562, version 4).
func NewRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	out := make([]byte, 36)
	hex.Encode(out, b[:4])
	hex.Encode(out[9:], b[4:6])
	hex.Encode(out[14:], b[6:8])
	hex.Encode(out[19:], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out)
}
