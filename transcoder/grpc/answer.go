package grpc

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// Many clients take no more than 8 KiB of headers in all, and an error that they
// cannot read helps nobody.
const (
	// maxMessageText bounds grpc-message before it is encoded: what is longer is cut.
	maxMessageText = 4 << 10
	// maxDetails bounds grpc-status-details-bin: what is larger is left out, as it
	// cannot be cut. Services that send more than most clients take know theirs.
	maxDetails = 64 << 10
)

// Header values that are the same for all answers. net/http only reads them.
var (
	contentTypes = []string{contentType}
	gzipOnly     = []string{"gzip"}
	statusOK     = []string{"0"}
)

// answer writes one response. Nothing is sent before the first message or the
// end, so that an answer without a head goes out as trailers only: one block of
// headers that ends the stream.
type answer struct {
	w      http.ResponseWriter
	policy *rpc.HeaderPolicy
	// gzip says that messages may be compressed.
	gzip bool
	// headed says that the header map has become the head of the response: what
	// is set from then on goes into the trailers.
	headed bool
	// out gathers frames: each write to w is a hand-over to the goroutine of the
	// connection, and beyond net/http's 4 KiB a frame of its own.
	out []byte
}

// batchBytes is what gathers before it is written: an HTTP/2 frame, if the
// downstream does not allow larger ones.
const batchBytes = 16 << 10

// head sets the response metadata and makes it final.
func (a *answer) head(md rpc.Header) {
	h := a.w.Header()
	h["Content-Type"] = contentTypes
	if a.gzip {
		h["Grpc-Encoding"] = gzipOnly
	}
	transcoder.WriteMetadata(h, md, a.policy)
	a.w.WriteHeader(http.StatusOK)
	a.headed = true
}

// message takes one message, to be written with others or by [answer.flush]. An
// error means that the downstream is gone.
func (a *answer) message(msg *rpc.Buffer) error {
	if !a.headed {
		a.head(nil)
	}
	flags := byte(0)
	if a.gzip {
		if small := deflate(msg); small != nil {
			msg.Release()
			msg, flags = small, flagCompressed
		}
	}
	defer msg.Release()
	a.out = binary.BigEndian.AppendUint32(append(a.out, flags), uint32(len(msg.B)))
	if len(a.out)+len(msg.B) <= batchBytes {
		a.out = append(a.out, msg.B...)
		return nil
	}
	if err := a.flush(); err != nil {
		return err
	}
	if len(msg.B) <= batchBytes/2 {
		a.out = append(a.out, msg.B...)
		return nil
	}
	_, err := a.w.Write(msg.B)
	return err
}

// flush writes what has gathered.
func (a *answer) flush() error {
	if len(a.out) == 0 {
		return nil
	}
	_, err := a.w.Write(a.out)
	a.out = a.out[:0]
	return err
}

// end sets the status and the trailers; returning from the handler sends them.
func (a *answer) end(st *rpc.Status, trailer rpc.Header) {
	// A downstream that is gone cannot be told anything more.
	_ = a.flush()
	h := a.w.Header()
	prefix := http.TrailerPrefix
	if !a.headed {
		prefix = ""
		h["Content-Type"] = contentTypes
	}
	transcoder.WriteMetadataPrefix(h, trailer, a.policy, prefix)
	writeStatus(h, st, prefix)
}

// writeStatus sets a status under keys that begin with prefix.
func writeStatus(h http.Header, st *rpc.Status, prefix string) {
	if st.Code == codes.OK {
		h[prefix+"Grpc-Status"] = statusOK
		return
	}
	h[prefix+"Grpc-Status"] = []string{strconv.Itoa(int(st.Code))}
	if st.Message != "" {
		h[prefix+"Grpc-Message"] = []string{percentEncode(st.Message)}
	}
	if len(st.Details) > 0 && len(st.Details) <= maxDetails {
		h[prefix+"Grpc-Status-Details-Bin"] = []string{base64.RawStdEncoding.EncodeToString(st.Details)}
	}
	if st.Reason != "" {
		h[prefix+"X-Dragoman-Error"] = []string{string(st.Reason)}
	}
	if st.Reason == rpc.UnsupportedEncoding {
		h[prefix+"Grpc-Accept-Encoding"] = []string{encodings}
	}
}

// record tells the access log how the call ended.
func record(x *route.Exchange, st *rpc.Status, read int64) {
	x.Code, x.Reason, x.Error = int(st.Code), string(st.Reason), st.Cause
	x.RequestBytes, x.UnknownFields = read, st.UnknownFields
	if x.Failure == nil && st.Reason != "" {
		x.Failure = &rpc.Error{Reason: st.Reason, Code: st.Code, Message: st.Message, Cause: st.Cause}
	}
}

// percentEncode makes a grpc-message of text: UTF-8 with everything but printable
// ASCII, and the percent sign itself, encoded (gRPC over HTTP/2, "Status-Message").
// Too long a text is cut.
func percentEncode(text string) string {
	if len(text) > maxMessageText {
		cut := maxMessageText
		for cut > maxMessageText-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	plain := true
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7e || text[i] == '%' {
			plain = false
			break
		}
	}
	if plain {
		return text
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(strings.ToValidUTF8(text, "\uFFFD")) {
		if c < 0x20 || c > 0x7e || c == '%' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
