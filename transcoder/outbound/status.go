package outbound

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/api/httpbody"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// maxFault bounds what is read of the body of an error.
const maxFault = 64 << 10

// maxDetail bounds what a status has of such a body that is none of ours: it travels in
// a header field, of which few take more than 8 KiB.
const maxDetail = 4 << 10

// refused is the status of an answer that is not one of success.
func (r *reading) refused() rpc.Status {
	status := r.res.StatusCode
	if status/100 == 3 {
		// It is not followed: where it leads is not what was configured.
		return rpc.Status{Code: codes.Unknown, Message: fmt.Sprintf("upstream %q answered with status %d and the location %q", r.Name, status, short(r.res.Header.Get("Location")))}
	}
	if r.readFault(); r.ctx.Err() != nil {
		return r.cut(r.ctx.Err())
	}
	out, is := rpc.Status{}, false
	if isJSON(r.media()) {
		out, is = r.parsed(bytes.TrimPrefix(r.in, mark))
	}
	if !is {
		out = r.wrapped(rpc.CodeFromHTTP(status), status)
	}
	out.RetryAfter = retryAfter(r.res.Header)
	return out
}

// readFault reads what there is of the body of an error. If that breaks off, the error
// is known all the same.
func (r *reading) readFault() {
	r.in = r.in[:0]
	if r.encoding() != "" {
		return
	}
	if cap(r.in) == 0 {
		r.in = make([]byte, 0, 4<<10)
	}
	for len(r.in) < maxFault {
		if len(r.in) == cap(r.in) {
			r.in = append(r.in, make([]byte, len(r.in))...)[:len(r.in)]
		}
		n, err := r.res.Body.Read(r.in[len(r.in):min(cap(r.in), maxFault)])
		if r.in = r.in[:len(r.in)+n]; err != nil {
			return
		}
	}
}

// told is the status of an error in a stream.
func (r *reading) told(json []byte) rpc.Status {
	st, is := r.parsed(json)
	if !is {
		return rpc.Status{Code: codes.Unknown, Message: short(string(json))}
	}
	return st
}

// fault is a google.rpc.Status as JSON, or an object with one (google.aip.dev/193), of
// which Code is a status of HTTP and Status the name of the code.
type fault struct {
	Error, Code, Status json.RawMessage
	Message             any
	Details             json.RawMessage
}

// parsed is the status in one of the forms in which it comes as JSON: by itself, as the
// member error of an object, or that as the only element of an array, as services of
// Google answer where they would stream.
func (r *reading) parsed(text []byte) (rpc.Status, bool) {
	text = bytes.TrimLeft(text, " \t\r\n")
	if bytes.HasPrefix(text, []byte("[")) {
		var list []json.RawMessage
		if json.Unmarshal(text, &list) != nil || len(list) == 0 {
			return rpc.Status{}, false
		}
		text = list[0]
	}
	var outer, inner fault
	if !bytes.HasPrefix(text, []byte("{")) || json.Unmarshal(text, &outer) != nil {
		return rpc.Status{}, false
	}
	if bytes.HasPrefix(outer.Error, []byte("{")) && json.Unmarshal(outer.Error, &inner) == nil {
		if st, is := r.statusOf(&inner); is {
			return st, true
		}
	}
	return r.statusOf(&outer)
}

// statusOf is the status that f is, if it has a code.
func (r *reading) statusOf(f *fault) (rpc.Status, bool) {
	code, is := codeNamed(f.Status)
	if !is {
		code, is = codeNamed(f.Code)
	}
	if n, err := strconv.Atoi(string(f.Code)); !is && err == nil {
		switch {
		case 0 < n && n <= int(codes.Unauthenticated):
			code, is = codes.Code(n), true
		case 400 <= n && n <= 599:
			code, is = rpc.CodeFromHTTP(n), true
		}
		// Others are of the service's own, which the status of the answer says more than.
	}
	if !is || code == codes.OK {
		return rpc.Status{}, false
	}
	out := rpc.Status{Code: code}
	out.Message, _ = f.Message.(string)
	st := &spb.Status{Code: int32(code), Message: out.Message, Details: r.details(f.Details)} // a code is one of 17
	if len(st.Details) > 0 {
		// Its strings are valid.
		out.Details, _ = proto.Marshal(st)
	}
	return out, true
}

// codeNamed is a code by its name, "NOT_FOUND".
func codeNamed(text json.RawMessage) (code codes.Code, is bool) {
	return code, bytes.HasPrefix(text, []byte(`"`)) && code.UnmarshalJSON(text) == nil
}

// details are those of a status whose types are in the descriptors, or among those of
// google.rpc. A program can do nothing with others.
func (r *reading) details(text []byte) []*anypb.Any {
	var list []json.RawMessage
	if len(text) == 0 || json.Unmarshal(text, &list) != nil {
		return nil
	}
	var out []*anypb.Any
	for _, one := range list {
		if r.status != nil {
			var st spb.Status
			whole := append(append([]byte(`{"details":[`), one...), "]}"...)
			wire, err := r.status.AppendWire(nil, whole, &r.work.codec, nil)
			if err == nil && proto.Unmarshal(wire, &st) == nil {
				out = append(out, st.Details...)
				continue
			}
		}
		detail := new(anypb.Any)
		if (protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: r.MaxDepth}).Unmarshal(one, detail) == nil {
			out = append(out, detail)
		}
	}
	// One without a type says nothing at all.
	return slices.DeleteFunc(out, func(detail *anypb.Any) bool { return detail.GetTypeUrl() == "" })
}

// wrapped is the status of an answer that tells of its error in its own way.
func (r *reading) wrapped(code codes.Code, status int) rpc.Status {
	out := rpc.Status{Code: code, Message: fmt.Sprintf("upstream %q answered with status %d %s", r.Name, status, http.StatusText(status))}
	if len(r.in) == 0 {
		return out
	}
	body := &httpbody.HttpBody{ContentType: strings.ToValidUTF8(r.res.Header.Get("Content-Type"), "\uFFFD"), Data: r.in[:min(len(r.in), maxDetail)]}
	detail, err := anypb.New(body)
	if err != nil {
		return out
	}
	// Both are valid.
	out.Details, _ = proto.Marshal(&spb.Status{Code: int32(code), Message: out.Message, Details: []*anypb.Any{detail}})
	return out
}

// short is a text that fits an error.
func short(text string) string {
	const most = 200
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	cut := most
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// retryAfter is what an answer says in Retry-After (RFC 9110, section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
