package proxy

import (
	"context"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

var (
	trailers = []string{"trailers"}
	upgrade  = []string{"Upgrade"}
	chunked  = []string{"chunked"}
)

// request makes the request for the upstream.
func (f *forwarding) request(ctx context.Context) (*http.Request, *rpc.Error) {
	h, r := f.handler, f.r
	if r.Method == http.MethodConnect {
		// What follows its answer belongs to no request, so the gateway could not tell
		// where the next one on that connection begins (RFC 9110, section 9.3.6).
		return nil, rpc.Errorf(rpc.InvalidRequest, "CONNECT is for tunnels, and this gateway makes none")
	}
	if h.MaxRequestBytes > 0 && r.ContentLength > h.MaxRequestBytes {
		return nil, tooLarge(h.MaxRequestBytes)
	}
	if err := CheckPath(f.x.Path, h.AllowPaths); err != nil {
		return nil, err
	}
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	out := (&http.Request{Method: r.Method, URL: &f.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: h.origin.Host}).WithContext(ctx)
	if out.Host == "" {
		out.Host = r.Host
	}
	if err := f.address(out); err != nil {
		return nil, err
	}
	if err := f.header(out); err != nil {
		return nil, err
	}
	f.length(out)
	return out, nil
}

// address makes the URL, of a path that has been checked, and the host if there is a
// rule for it.
func (f *forwarding) address(out *http.Request) *rpc.Error {
	path, rule := f.x.Path, f.handler.Rewrite
	var buf [512]byte
	// A program that has given the request another path has had the last word.
	if rule.RewritesPath() && f.x.Matched == "" {
		text, err := rule.AppendPath(buf[:0], path, f.x)
		if err != nil {
			return &rpc.Error{Reason: rpc.InvalidPath, Message: err.Error()}
		}
		path = string(text)
	}
	switch {
	case f.x.Host != "":
		out.Host = f.x.Host
	case rule.RewritesHost():
		host, err := rule.AppendHost(buf[:0], f.x)
		if err != nil {
			return &rpc.Error{Reason: rpc.InvalidPath, Message: err.Error()}
		}
		out.Host = string(host)
	}
	path = escaped(path)
	if base := f.handler.origin.BasePath; base != "" {
		path = base + path
	}
	// RawPath is sent if it is a way to write Path, which it is.
	f.url = url.URL{Path: unescaped(path), RawPath: path, RawQuery: f.r.URL.RawQuery, ForceQuery: f.r.URL.ForceQuery}
	return nil
}

// header makes the header of out.
func (f *forwarding) header(out *http.Request) *rpc.Error {
	r := f.r
	h := make(http.Header, len(r.Header)+4)
	underscored := false
	for name, values := range r.Header {
		if isHop(name) || name == "Content-Length" || name == "Host" || forwarded.Made(name) {
			continue
		}
		underscored = underscored || strings.IndexByte(name, '_') >= 0
		h[name] = values
	}
	dropNamed(h, r.Header)
	if te := r.Header["Te"]; len(te) > 0 && hasToken(te, "trailers") {
		h["Te"] = trailers
	}
	if f.upgrades != nil {
		h["Connection"], h["Upgrade"] = upgrade, f.upgrades
	}
	flags := f.handler.origin.Forwarded
	forwarded.Write(h, route.PeerOf(r), f.x.Client, r.Header, forwarded.Headers{
		List: flags&upstream.XForwarded != 0, Standard: flags&upstream.StandardForwarded != 0,
	})
	if f.handler.Headers != nil {
		if err := f.handler.Headers.RequestHeader(h, r, f.x); err != nil {
			return err
		}
	}
	if underscored {
		if err := checkTwins(h, f.handler.Headers, f.x.Entry); err != nil {
			return err
		}
	}
	out.Header = h
	return nil
}

// upgradesOf is the Upgrade header of a request that asks for another protocol and can
// have it: over HTTP/1.1, without a body. An upgrade to HTTP/2 is none that could be
// passed on: nobody would look at its requests.
func upgradesOf(r *http.Request) []string {
	upgrade := r.Header["Upgrade"]
	if len(upgrade) != 1 || r.ProtoMajor != 1 || r.ProtoMinor < 1 || r.ContentLength != 0 ||
		!hasToken(r.Header["Connection"], "upgrade") || hasToken(upgrade, "h2c") || hasToken(upgrade, "h2") {
		return nil
	}
	return upgrade
}

// length sets the framing of the body.
func (f *forwarding) length(out *http.Request) {
	r := f.r
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return
	}
	out.ContentLength = r.ContentLength
	for name := range r.Trailer {
		if !mayTrail(name) {
			continue
		}
		if out.Trailer == nil {
			out.Trailer = make(http.Header)
		}
		out.Trailer[name] = nil
	}
	if out.Trailer != nil {
		out.ContentLength = -1
	}
	if out.ContentLength < 0 {
		// Or else the library would wait a while for the first byte, to know whether
		// there is one.
		out.TransferEncoding = chunked
	}
	f.in.f, f.in.body, f.in.most, f.in.trailer = f, r.Body, f.handler.MaxRequestBytes, out.Trailer
	out.Body = &f.in
}

// mayTrail reports whether a header, by any name, may be sent behind a body: not those
// that say who sends it, where it goes, or how it is framed (RFC 9110, section 6.5.1).
func mayTrail(name string) bool {
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch name {
	case "Authorization", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Cookie", "Host", "Set-Cookie":
		return false
	}
	return !isHop(name) && !forwarded.Is(name) && strings.IndexByte(name, '_') < 0
}
