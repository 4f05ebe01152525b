package transform

import (
	"bytes"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// acceptedCodings are told to a client that used another one.
var acceptedCodings = coding.Accepted

// requests runs the request programs from where they are on, until one answers or
// fails, or needs a message that is still to come. With an answer or an error,
// k.outer says what it goes through.
func (k *run) requests() (*view.Answer, *rpc.Error) {
	l := &k.req
	for ; l.at < len(k.chain.steps); l.at++ {
		s := &k.chain.steps[l.at]
		if s.programs[view.Request] == nil {
			continue
		}
		before := k.trace.before(l, view.Request, s)
		change, ran, wait, err := k.step(l.at, view.Request, l)
		if wait {
			if k.shape.requests {
				return nil, nil
			}
			skipped, fault := k.load(s.skip)
			if fault != nil {
				k.outer = l.at + 1
				return nil, fault
			}
			if !skipped {
				l.ready = true
				l.at--
				continue
			}
			l.passed = false
		}
		if err == nil && ran {
			err = k.apply(&change, s)
		}
		k.trace.after(l, view.Request, s, before, &change, ran, err)
		if err != nil {
			k.outer = outside(l.at, err)
			return nil, err
		}
		if change.Respond != nil {
			k.outer = l.at
			return change.Respond, nil
		}
	}
	return nil, nil
}

// load reads the body of the request. skipped says that it has a coding that is not
// known, which the program can do without.
func (k *run) load(skip bool) (skipped bool, err *rpc.Error) {
	r := k.came
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return false, nil
	}
	name, err := coding.Of(r.Header)
	if err != nil {
		if skip {
			k.trace.leave(err)
		}
		return skip, maybe(err, !skip)
	}
	k.waitFor(k.chain.options.BodyTimeout)
	if k.isLines() {
		if err := k.loadLines(name); err != nil {
			return false, err
		}
		k.waitFor(0)
		return false, nil
	}
	source := r
	if name != "" && k.shape.forward {
		// If no program changes it, it goes on as it came.
		source = new(http.Request)
		*source = *r
		k.asCame = &inlet{ReadCloser: r.Body, keep: true, most: math.MaxInt}
		source.Body, k.coding = k.asCame, name
	}
	var n int64
	k.body, n, err = coding.Read(k.body[:0], source, name, k.chain.options.MaxRequestBytes)
	k.read, k.in = true, k.x.RequestBytes+n
	k.x.RequestBytes = k.in
	if err != nil {
		// The time stays set: net/http reads on before it answers.
		return false, err
	}
	// From now on the connection is only watched for the client's leaving.
	k.waitFor(0)
	k.req.body.raw = k.body
	if name != "" && !k.shape.forward {
		k.coded = true
		k.changeHeader()
		delete(k.r.Header, "Content-Encoding")
	}
	return false, nil
}

func maybe(err *rpc.Error, is bool) *rpc.Error {
	if is {
		return err
	}
	return nil
}

// change makes k.r a request of its own.
func (k *run) change() {
	if k.r != k.came {
		return
	}
	own := new(http.Request)
	*own = *k.came
	k.r = own
}

// changeHeader makes the header of k.r one of its own.
func (k *run) changeHeader() {
	if k.ownHeader {
		return
	}
	k.change()
	k.ownHeader = true
	k.r.Header = maps.Clone(k.came.Header)
	if k.r.Header == nil {
		k.r.Header = make(http.Header)
	}
	k.req.head.Header = k.r.Header
}

// changeURL makes the URL of k.r one of its own.
func (k *run) changeURL() {
	if k.ownURL {
		return
	}
	k.change()
	k.ownURL = true
	own := *k.came.URL
	k.r.URL = &own
}

// apply makes the changes of a step to the request.
func (k *run) apply(c *view.Change, s *step) *rpc.Error {
	h := &k.req.head
	p := s.programs[view.Request]
	if k.many.begun && (c.Method != "" || c.Path != "" || c.Host != "") {
		return refused(p, "changes method, path or host, which is too late where it looks at messages")
	}
	if c.Method != "" || c.Path != "" {
		if !k.shape.early && k.chain.options.Rematch == nil {
			return refused(p, "changes method or path, which cannot be done here")
		}
		k.moved = true
	}
	if c.Method != "" {
		k.change()
		k.r.Method, h.Method = c.Method, c.Method
	}
	if c.Host != "" {
		k.change()
		k.r.Host, h.Host = c.Host, c.Host
		if !k.shape.early {
			k.x.Host = c.Host
		}
	}
	if c.Path != "" {
		decoded, err := url.PathUnescape(c.Path)
		if err != nil {
			return k.mistaken(p, err)
		}
		k.changeURL()
		k.r.URL.Path, k.r.URL.RawPath, h.Path = decoded, c.Path, c.Path
	}
	if c.HasQuery {
		k.changeURL()
		k.r.URL.RawQuery, h.RawQuery = c.RawQuery, c.RawQuery
	}
	if c.Path != "" || c.HasQuery {
		k.r.RequestURI = h.Path
		if h.RawQuery != "" {
			k.r.RequestURI += "?" + h.RawQuery
		}
	}
	if len(c.Headers) > 0 {
		k.changeHeader()
		view.Apply(k.r.Header, c.Headers)
	}
	if c.HasBody {
		k.req.body.set(c.Body, s.as, contentTypeOf(h.Header), p)
	}
	if len(c.Log) > 0 {
		k.log(c.Log)
	}
	return nil
}

// depart makes k.r ready for the handler, which may become another one.
func (k *run) depart(next route.Handler) (route.Handler, *rpc.Error) {
	if k.chain.sentBody.Any() && !k.shape.requests && !k.read && k.lines == nil {
		// Without one that can be read there is nothing to see of it.
		if _, err := k.load(true); err != nil {
			return nil, err
		}
	}
	if k.lines != nil {
		if err := k.lines.depart(); err != nil {
			return nil, err
		}
	} else if k.read || k.req.body.changed {
		if err := k.repack(); err != nil {
			return nil, err
		}
	}
	if !k.moved || k.shape.early {
		return next, nil
	}
	k.outer = len(k.chain.steps)
	// A host that a program has set is for the upstream: the route was chosen by that
	// of the client.
	host := k.r.Host
	k.r.Host = k.came.Host
	found, err := k.chain.options.Rematch(k.r, k.x)
	k.r.Host = host
	if err != nil {
		return nil, err
	}
	if k.trace == nil {
		next = found
	}
	before := k.shape
	k.shape = shapeOf(k.x.Entry)
	if before.requests != k.shape.requests && k.req.at < len(k.chain.steps) {
		return nil, rpc.Errorf(rpc.ProgramFailed, "a program changes the path to that of another sort of stream, which one behind it cannot follow")
	}
	k.lookAtRoute()
	return next, nil
}

// repack gives k.r the body as programs have made it.
func (k *run) repack() *rpc.Error {
	k.changeHeader()
	b := &k.req.body
	data := b.raw
	if b.changed {
		out, contentType, err := b.append(k.out[:0])
		if err != nil {
			return unwritable(b.writer, err)
		}
		k.out, data = out, out
		switch {
		case contentType != "":
			k.r.Header["Content-Type"] = []string{contentType}
		case b.value == nil:
			delete(k.r.Header, "Content-Type")
		}
		if k.shape.forward {
			unpin(k.r.Header)
		}
		if !k.shape.forward || len(data) == 0 {
			delete(k.r.Header, "Content-Encoding")
		}
	}
	if k.shape.forward {
		delete(k.r.Header, "Expect") // it has come
		data = k.recode(data)
	}
	k.r.ContentLength, k.r.TransferEncoding = int64(len(data)), nil
	if len(data) == 0 {
		k.r.Body = http.NoBody
		delete(k.r.Header, "Content-Length")
		return nil
	}
	k.r.Header["Content-Length"] = []string{strconv.Itoa(len(data))}
	if k.shape.forward && len(k.r.Trailer) > 0 {
		// There are no trailers without chunks.
		k.r.ContentLength = -1
		delete(k.r.Header, "Content-Length")
	}
	// Who reads a stream may go on for a while after the handler has returned.
	k.lent = k.x.Entry == nil || k.shape.forward || len(k.x.Entry.In) > 0
	k.r.Body = io.NopCloser(bytes.NewReader(data))
	return nil
}

// recode is a body in the coding that the header names, as which it is forwarded.
func (k *run) recode(plain []byte) []byte {
	switch name := codingOf(k.r.Header); {
	case name == "":
		return plain
	case k.asCame != nil && name == k.coding && !k.req.body.changed:
		return k.asCame.kept
	case len(plain) == 0:
		return plain
	default:
		return coding.Append(nil, plain, name)
	}
}

// answerBody makes the body of an answer of a program.
func answerBody(a *view.Answer, header http.Header, p *program, l body.Limits) content {
	c := content{limits: l}
	if a.HasBody {
		c.set(a.Body, body.Auto, contentTypeOf(header), p)
	}
	return c
}
