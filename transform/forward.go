package transform

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/transcoder/coding"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/frame"
)

// A handler that forwards ([route.Entry.Forward]) copies bytes, so the chain finds
// the messages in them: NDJSON in requests (lines), NDJSON and server-sent events in
// answers (streaming). Everything else is one body. Bodies go on in the coding that
// the header names when the programs have run, which is the one they came in unless
// a program says otherwise; and what the header says of their bytes goes, if these
// may be others.

// ask makes the request one whose answer programs can look at: whole, and in a
// coding that can be undone.
func (k *run) ask() {
	accept := k.r.Header["Accept-Encoding"]
	narrowed, other := narrow(accept)
	_, ranged := k.r.Header["Range"]
	if !other && !ranged {
		return
	}
	k.changeHeader()
	if other {
		k.r.Header["Accept-Encoding"] = []string{narrowed}
	}
	delete(k.r.Header, "Range")
	delete(k.r.Header, "If-Range")
}

// narrow is an Accept-Encoding header (RFC 9110, section 12.5.3) without the codings
// that cannot be undone. It reports false if there is none in it. A client that says
// nothing is sent nothing that it may not understand, and so stays as it is.
func narrow(accept []string) (narrowed string, other bool) {
	var kept []string
	any, named := "", ""
	for _, list := range accept {
		for element := range strings.SplitSeq(list, ",") {
			name, weight, _ := strings.Cut(strings.Trim(element, " \t"), ";")
			name = strings.ToLower(strings.TrimRight(name, " \t"))
			switch name {
			case "":
				continue
			case "gzip", "x-gzip", "zstd", "identity":
				kept = append(kept, strings.Trim(element, " \t"))
				named += name + " "
				continue
			case "*":
				any = "*"
				if weight != "" {
					any += ";" + weight
				}
			}
			other = true
		}
	}
	if !other {
		return "", false
	}
	switch weight := strings.TrimPrefix(any, "*"); {
	case any == "":
	case strings.Trim(strings.ToLower(weight), "; \tq=0.") == "" && weight != "":
		// It refuses all that is not named.
		kept = append(kept, any)
	default:
		for _, name := range []string{"gzip", "zstd"} {
			if !strings.Contains(named, name) {
				kept = append(kept, name+weight)
			}
		}
	}
	if len(kept) == 0 {
		return "identity", true
	}
	return strings.Join(kept, ", "), true
}

// pinned are the headers that say something of the bytes of a body, or of parts of
// them.
var pinned = []string{"Content-Md5", "Digest", "Content-Digest", "Repr-Digest", "Content-Length", "Accept-Ranges"}

// unpin takes away what a header says of the bytes of a body that may be others.
func unpin(h http.Header) {
	for _, name := range pinned {
		delete(h, name)
	}
}

// codingOf is the coding that a header names; "" if it is none that can be done: then
// what a program gives is taken to be in it already.
func codingOf(h http.Header) string {
	name, err := coding.Of(h)
	if err != nil {
		return ""
	}
	return name
}

// forwarding is what a writer knows of an answer that was forwarded.
type forwarding struct {
	// on says that it is one.
	on bool
	// coding is that of the body as it came, tag its entity tag.
	coding, tag string
	// upgrading says that it made another protocol of the connection, before programs
	// had a say.
	upgrading bool
	// sealed is why the body cannot be replaced; nil if it can.
	sealed error
	// stream is set if the body is messages.
	stream *streaming
}

var errPart = errors.New("a part of the body (206), though the whole was asked for")

// recognise finds out what an answer is from its head as it came.
func (w *writer) recognise() {
	k, f := w.k, &w.forwarding
	e := k.x.Entry
	f.upgrading = w.status == http.StatusSwitchingProtocols
	f.on = k.shape.forward || k.shape.early && e != nil && e.Forward
	if !f.on {
		return
	}
	if tags := w.header["Etag"]; len(tags) == 1 {
		f.tag = tags[0]
	}
	l := &k.resp
	name, err := coding.Of(w.header)
	if f.coding = name; err != nil {
		l.body.broken = err
	}
	switch typed := contentTypeOf(w.header); {
	case w.upgrading, k.r.Method == http.MethodHead:
		// Nothing of it is for programs; to HEAD, what would be is not asked for.
		w.bare = true
	case w.status == http.StatusPartialContent:
		f.sealed, l.ready, l.body.broken = errPart, true, errPart
	case bodiless(w.status):
	case body.Lines(typed):
		f.stream = &streaming{}
	case body.Events(typed):
		f.stream = &streaming{form: frame.Events}
	}
}

// unchanged makes the head fit a body that no program has written, and gives that as
// it goes out.
func (w *writer) unchanged(held []byte) []byte {
	k := w.k
	switch name := codingOf(w.header); {
	case w.upgrading && w.status != http.StatusSwitchingProtocols:
		delete(w.header, "Connection")
		delete(w.header, "Upgrade")
	case w.bare && k.chain.reshapes:
		w.loosen()
	case w.mode == collecting && name != w.coding && len(held) > 0 && k.resp.body.broken == nil:
		// A program wants it in another coding.
		held = w.recoded(k.resp.body.raw)
		w.header["Content-Length"] = []string{strconv.Itoa(len(held))}
	}
	return held
}

// loosen makes the head fit a body whose bytes may be others than those that it was
// made for.
func (w *writer) loosen() {
	unpin(w.header)
	// What the upstream knows the body by stays what it is asked for, for what it
	// says, and not for its bytes. A tag that a program gave is the program's.
	tags := w.header["Etag"]
	if w.tag != "" && len(tags) == 1 && tags[0] == w.tag && strings.HasPrefix(w.tag, `"`) {
		w.header["Etag"] = []string{"W/" + w.tag}
	}
}

// recoded is a whole body in the coding that the header names, as which it goes out.
func (w *writer) recoded(plain []byte) []byte {
	name := codingOf(w.header)
	if name == "" || len(plain) == 0 {
		return plain
	}
	return coding.Append(nil, plain, name)
}
