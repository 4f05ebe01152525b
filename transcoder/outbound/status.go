package outbound

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/api/httpbody"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// maxFault bounds what is read of the body of an error.
const maxFault = 64 << 10

// refused is the status of an answer that is not one of success.
func (r *reading) refused() rpc.Status {
	status := r.res.StatusCode
	if st := r.readAll(maxFault); st.Code != 0 && r.ctx.Err() != nil {
		return st
	}
	if status/100 == 3 {
		// It is not followed: where it leads is not what was configured.
		return rpc.Status{Code: codes.Unknown, Message: fmt.Sprintf("upstream %q answered with status %d and the location %q", r.Name, status, short(r.res.Header.Get("Location")))}
	}
	code := rpc.CodeFromHTTP(status)
	if code == codes.OK {
		code = codes.Unknown
	}
	var out rpc.Status
	if st, is := r.parsed(r.in); is && isJSON(r.media()) {
		out = st
		if out.Code == codes.OK || out.Code > codes.Unauthenticated {
			out.Code = code
		}
	} else {
		out = r.wrapped(code, status)
	}
	out.RetryAfter = retryAfter(r.res.Header)
	return out
}

// told is the status of an error in a stream.
func (r *reading) told(json []byte) rpc.Status {
	st, is := r.parsed(json)
	if !is || st.Code == codes.OK || st.Code > codes.Unauthenticated {
		st.Code = codes.Unknown
	}
	if !is {
		st.Message = short(string(json))
	}
	return st
}

// parsed is a google.rpc.Status in one of the forms in which it comes as JSON: by
// itself, or as the member error of an object (google.aip.dev/193).
func (r *reading) parsed(json []byte) (rpc.Status, bool) {
	if inner, is := errorMember(json); is {
		if st, is := r.parsed(inner); is {
			return st, true
		}
	}
	if r.status == nil || !bytes.HasPrefix(bytes.TrimLeft(json, " \t\r\n"), []byte("{")) {
		return rpc.Status{}, false
	}
	r.work.codec.Parse.IgnoreUnknown = true
	wire, err := r.status.AppendWire(nil, json, &r.work.codec, nil)
	if err != nil {
		return r.bare(json)
	}
	var st spb.Status
	if proto.Unmarshal(wire, &st) != nil || st.GetCode() == 0 && st.GetMessage() == "" {
		return rpc.Status{}, false
	}
	// In the form of AIP-193 the code is an HTTP status.
	if st.GetCode() > int32(codes.Unauthenticated) {
		st.Code = int32(rpc.CodeFromHTTP(int(st.GetCode())))
	}
	out := rpc.Status{Code: codes.Code(uint32(st.GetCode())), Message: st.GetMessage()} //nolint:gosec // G115: bounded above, and a negative one is none
	if len(st.GetDetails()) > 0 {
		out.Details, _ = proto.Marshal(&st)
	}
	return out, true
}

// bare is a status with details that these descriptors do not know: it is what is left
// of it without them.
func (r *reading) bare(json []byte) (rpc.Status, bool) {
	at := bytes.Index(json, []byte(`"details"`))
	if at < 0 {
		return rpc.Status{}, false
	}
	head := bytes.TrimRight(json[:at], " \t\r\n")
	head = bytes.TrimSuffix(head, []byte(","))
	return r.parsed(append(bytes.Clone(head), '}'))
}

// wrapped is the status of an answer that tells of its error in its own way.
func (r *reading) wrapped(code codes.Code, status int) rpc.Status {
	out := rpc.Status{Code: code, Message: fmt.Sprintf("upstream %q answered with status %d %s", r.Name, status, http.StatusText(status))}
	if len(r.in) == 0 {
		return out
	}
	body := &httpbody.HttpBody{ContentType: strings.ToValidUTF8(r.res.Header.Get("Content-Type"), "\uFFFD"), Data: r.in}
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
