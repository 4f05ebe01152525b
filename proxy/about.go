package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/dragoman-gateway/dragoman/upstream"
)

// about is what an upstream may want to know of the request besides what is sent.
func (f *forwarding) about() *upstream.About {
	r, x := f.r, f.x
	a := &upstream.About{
		Method: r.Method, Scheme: x.Scheme(r), Host: r.Host, Path: x.Path, RawQuery: r.URL.RawQuery,
		Client: x.Address(r), Options: f.handler.Kind, RequestID: requestID(), Time: time.Now(),
	}
	if e := x.Entry; e != nil {
		a.Route = e.Route
		if e.Whole == nil && e.Template != nil {
			a.Resource = e.Template.String()
		}
	}
	for _, v := range x.Variables() {
		a.Vars = append(a.Vars, upstream.Var{Name: v.Name, Text: v.Text})
	}
	return a
}

// requestID is one of 128 random bits, as UUIDs are written (RFC 9562, version 4).
func requestID() string {
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
