package transcoder

import (
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// AppendMetadata appends the request metadata that r's headers become, in the
// order of their names. Everything crosses but what belongs to the hop or to
// the protocol (see [crosses]); p narrows it. Values under a "-bin" name are
// base64, padded or not, one or more separated by commas, and arrive as bytes:
// one that is not base64 is an [rpc.Error] with reason InvalidRequest. A name
// that gRPC does not know as a metadata key, or a value that is not printable
// ASCII, is left out: the call works without it.
//
// x-forwarded-for, -proto and -host say what the gateway saw; those that came are
// dropped, and forwarded with them. client, if it is not nil, is who a trusted proxy tells of: then they say
// what that has seen. The values alias r's.
func AppendMetadata(dst rpc.Header, r *http.Request, client *forwarded.Client, p *rpc.HeaderPolicy) (rpc.Header, error) {
	start := len(dst)
	connection := r.Header["Connection"]
	for key, values := range r.Header {
		name, ok := metadataName(key)
		if !ok || !crosses(name) || own(name) || forwarded.Made(key) || !p.Passes(name) || named(connection, name) {
			continue
		}
		if strings.HasSuffix(name, "-bin") {
			var err error
			if dst, err = appendBinary(dst, name, values); err != nil {
				return dst[:start], err
			}
			continue
		}
		for _, v := range values {
			if printable(v) {
				dst = append(dst, rpc.HeaderField{Name: name, Value: v})
			}
		}
	}
	dst = appendForwarded(dst, r, client, p)
	// http.Header is a map: without an order the same request would not give
	// the same call. The sort is stable, so the values of a name keep theirs.
	slices.SortStableFunc(dst[start:], func(a, b rpc.HeaderField) int { return strings.Compare(a.Name, b.Name) })
	return dst, nil
}

// AppendAnswer appends the response metadata that the header of an upstream's answer
// becomes, by the rule of [AppendMetadata]. A "-bin" value that is not base64 is left
// out, as is what only the gateway may say.
func AppendAnswer(dst rpc.Header, header http.Header, p *rpc.HeaderPolicy) rpc.Header {
	start := len(dst)
	connection := header["Connection"]
	for key, values := range header {
		name, ok := metadataName(key)
		if !ok || !crosses(name) || own(name) || !p.Passes(name) || named(connection, name) {
			continue
		}
		if strings.HasSuffix(name, "-bin") {
			if more, err := appendBinary(dst, name, values); err == nil {
				dst = more
			}
			continue
		}
		for _, v := range values {
			if printable(v) {
				dst = append(dst, rpc.HeaderField{Name: name, Value: v})
			}
		}
	}
	slices.SortStableFunc(dst[start:], func(a, b rpc.HeaderField) int { return strings.Compare(a.Name, b.Name) })
	return dst
}

// WriteMetadata adds upstream metadata to h, by the same rule: what belongs to
// the hop or the protocol stays behind, "-bin" values become unpadded base64, and
// a value that is not printable ASCII is dropped. So are x-dragoman-error and
// x-dragoman-ignored, which only the gateway may say.
func WriteMetadata(h http.Header, md rpc.Header, p *rpc.HeaderPolicy) {
	WriteMetadataPrefix(h, md, p, "")
}

// WriteMetadataPrefix is [WriteMetadata] with prefix in front of each key, which
// with [http.TrailerPrefix] makes trailers of them.
func WriteMetadataPrefix(h http.Header, md rpc.Header, p *rpc.HeaderPolicy, prefix string) {
	for _, f := range md {
		if !validName(f.Name) || !crosses(f.Name) || own(f.Name) || !p.Passes(f.Name) {
			continue
		}
		value := f.Value
		if strings.HasSuffix(f.Name, "-bin") {
			value = base64.RawStdEncoding.EncodeToString([]byte(value))
		} else if !printable(value) {
			continue
		}
		key := prefix + http.CanonicalHeaderKey(f.Name)
		h[key] = append(h[key], value)
	}
}

// crosses reports whether metadata of this name (lower case) may pass from one
// side to the other: not if it is about the hop (RFC 9110, section 7.6.1), about
// the body's form, which changes on the way, or reserved by gRPC.
func crosses(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
		"te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "expect",
		"host", "accept-encoding":
		return false
	}
	return !strings.HasPrefix(name, "grpc-") && !strings.HasPrefix(name, "content-") && !strings.HasPrefix(name, "sec-websocket-")
}

// own reports whether only the gateway may say this.
func own(name string) bool { return name == rpc.ErrorHeader || name == rpc.IgnoredHeader }

func appendForwarded(dst rpc.Header, r *http.Request, client *forwarded.Client, p *rpc.HeaderPolicy) rpc.Header {
	asked, proto := r.Host, "http"
	if r.TLS != nil {
		proto = "https"
	}
	peer := r.RemoteAddr
	if host, _, err := net.SplitHostPort(peer); err == nil {
		peer = host
	}
	if client != nil {
		peer, asked, proto = client.For(r.RemoteAddr, r.Header), client.Host, client.Scheme
	}
	for _, f := range [...]rpc.HeaderField{
		{Name: "x-forwarded-for", Value: peer},
		{Name: "x-forwarded-host", Value: asked},
		{Name: "x-forwarded-proto", Value: proto},
	} {
		if f.Value != "" && printable(f.Value) && p.Passes(f.Name) {
			dst = append(dst, f)
		}
	}
	return dst
}

func appendBinary(dst rpc.Header, name string, values []string) (rpc.Header, error) {
	for _, list := range values {
		for one := range strings.SplitSeq(list, ",") {
			raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(one), "="))
			if err != nil {
				return dst, rpc.Errorf(rpc.InvalidRequest, "header %q: the value is not base64", name)
			}
			dst = append(dst, rpc.HeaderField{Name: name, Value: string(raw)})
		}
	}
	return dst, nil
}

// named reports whether the Connection header names the header: it is then about
// this hop only.
func named(connection []string, name string) bool {
	for _, list := range connection {
		for one := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(one), name) {
				return true
			}
		}
	}
	return false
}

// lowerNames spares the allocation of lower-casing for the headers that nearly
// every request has.
var lowerNames = func() map[string]string {
	m := make(map[string]string)
	for _, name := range []string{
		"accept", "accept-encoding", "accept-language", "authorization", "cache-control", "connection",
		"content-length", "content-type", "cookie", "dnt", "expect", "forwarded", "grpc-accept-encoding",
		"grpc-encoding", "grpc-timeout", "host", "if-match", "if-none-match", "origin", "pragma", "priority",
		"range", "referer", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest",
		"sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "te", "traceparent", "tracestate",
		"transfer-encoding", "upgrade", "user-agent", "via", "x-api-key", "x-b3-sampled", "x-b3-spanid",
		"x-b3-traceid", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
		"x-request-id", "x-requested-with", "x-server-timeout",
	} {
		m[http.CanonicalHeaderKey(name)] = name
	}
	return m
}()

// metadataName is the metadata key for a header, and whether there is one.
func metadataName(key string) (string, bool) {
	if name, ok := lowerNames[key]; ok {
		return name, true
	}
	name := strings.ToLower(key)
	return name, validName(name)
}

// validName reports whether name is a metadata key (gRPC over HTTP/2,
// "Header-Name").
func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return name != ""
}

// printable reports whether v can be a metadata value (gRPC over HTTP/2,
// "ASCII-Value").
func printable(v string) bool {
	for i := range len(v) {
		if v[i] < 0x20 || v[i] > 0x7e {
			return false
		}
	}
	return true
}
