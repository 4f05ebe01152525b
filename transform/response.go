package transform

import (
	"net/http"
	"strconv"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
	"github.com/dragoman-gateway/dragoman/transcoder/entity"
	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// answering is what a writer knows of the answer that programs work on.
type answering struct {
	phase view.Phase
	// given is the body of an answer that a program has given.
	given *content
	// bare says that there is no body, but for reasons that have nothing to do with
	// the answer: programs that look at it are left out.
	bare bool
	// heading says that the head goes out before the first message: there is no body
	// that programs could write.
	heading bool
	// coded says that the body has a coding.
	coded bool
	forwarding
	// inside says that a chain around this one may give another body.
	inside bool
}

// begin runs the programs over the head, up to the first that needs the body.
func (w *writer) begin() {
	k := w.k
	l := &k.resp
	w.phase = view.Response
	if w.given == nil && k.own() {
		if k.lines != nil {
			if err, outer := k.lines.failure(); err != nil {
				// What the handler could not do was that.
				k.refuse(err, outer)
				return
			}
		}
		w.phase = view.Error
	}
	l.head = k.req.head
	l.head.Header, l.head.Status = w.header, w.status
	l.body = content{limits: k.chain.limits(k.chain.options.MaxResponseBytes), want: k.chain.phases[w.phase].want}
	if k.trace != nil {
		l.body.want = jq.Paths{All: true}
	}
	l.at, l.passed, l.ready = k.many.reach(k), false, bodiless(w.status)
	if w.phase == view.Response && w.given == nil {
		w.recognise()
	}
	switch {
	case w.phase == view.Error:
		l.head.Error = k.failure()
		if k.shape.rpc {
			l.at = 0
		}
	case w.given != nil:
		l.body, l.ready = *w.given, true
	case k.shape.rpc && len(w.header["Grpc-Status"]) > 0:
		// The call has ended before its first message.
		w.bare = true
	case w.status == http.StatusNotModified:
		// The client has the body, as programs have made it.
		w.bare = true
	case w.on:
	case k.many.on && k.many.responses && w.status < 300:
		if k.many.head(w) {
			l.at, l.head.Status = 0, w.status
		} else {
			w.heading = true
		}
		l.body.messages, l.ready = true, true
	}
	w.advance()
}

// advance runs the programs from where they are on.
func (w *writer) advance() {
	k := w.k
	l := &k.resp
	for ; l.at > 0; l.at-- {
		i := l.at - 1
		s := &k.chain.steps[i]
		if s.programs[w.phase] == nil || w.bare && s.needsBody(w.phase) {
			continue
		}
		before := k.trace.before(l, w.phase, s)
		change, ran, wait, err := k.step(i, w.phase, l)
		if wait && w.stream != nil {
			w.open()
			return
		}
		if wait {
			w.mode = collecting
			if n, known := w.length(); known && n > int64(k.chain.options.MaxResponseBytes) {
				_, _ = w.overflow(nil)
			}
			return
		}
		if err == nil && ran && w.sealed != nil && change.HasBody {
			// Who reads it has been told.
			if ran = false; !s.skip {
				err = k.malformed(s.programs[w.phase], w.sealed)
			}
		}
		if err == nil && ran {
			err = w.apply(&change, s)
		}
		k.trace.after(l, w.phase, s, before, &change, ran, err)
		if err == nil {
			continue
		}
		if w.phase == view.Error {
			// It goes out as it was.
			l.passed = false
			k.noteProgram(err)
			continue
		}
		k.refuse(err, outside(i, err))
		return
	}
	w.deliver()
}

// length is what the head says of the body's length.
func (w *writer) length() (n int64, known bool) {
	v := w.header["Content-Length"]
	if len(v) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(v[0], 10, 64)
	return n, err == nil
}

// apply makes the changes of a step to the answer.
func (w *writer) apply(c *view.Change, s *step) *rpc.Error {
	l := &w.k.resp
	if c.Status != 0 {
		if w.k.shape.rpc && c.Status >= 300 {
			return answerRPC(c.Status, c.Body)
		}
		w.status, l.head.Status = c.Status, c.Status
	}
	view.Apply(w.header, c.Headers)
	if c.HasBody {
		l.body.set(c.Body, s.as, contentTypeOf(w.header), s.programs[w.phase])
	}
	if len(c.Log) > 0 {
		w.k.log(c.Log)
	}
	return nil
}

// answerRPC is the end of a gRPC call for an HTTP status, with the message that a
// body has.
func answerRPC(status int, body any) *rpc.Error {
	message := http.StatusText(status)
	if object, ok := body.(map[string]any); ok {
		body = object["message"]
	}
	if text, ok := body.(string); ok && text != "" {
		message = text
	}
	return &rpc.Error{Code: rpc.CodeFromHTTP(status), Message: message}
}

// overflow is what becomes of an answer that is too large to be held, of which p is
// more.
func (w *writer) overflow(p []byte) (int, error) {
	if w.phase == view.Error {
		// It goes out without the programs that would look at it.
		w.send()
		if _, err := w.k.w.Write(w.held); err != nil {
			return 0, err
		}
		return w.k.w.Write(p)
	}
	w.k.refuse(tooLarge(w.k.chain.options.MaxResponseBytes), w.k.resp.at)
	return 0, errAnswered
}

// complete runs the programs that have waited for the body.
func (w *writer) complete() {
	l := &w.k.resp
	l.ready, l.body.raw = true, w.held
	name, err := w.coding, (*rpc.Error)(nil)
	if !w.on {
		name, err = coding.Of(w.header)
	}
	if err != nil {
		l.body.broken = err
	} else if name != "" && len(w.held) > 0 {
		w.coded = true
		if l.body.raw, err = coding.Inflate(nil, w.held, name, w.k.chain.options.MaxResponseBytes); err != nil {
			l.body.broken = err
		}
	}
	w.advance()
}

// deliver sends the answer as programs have made it.
func (w *writer) deliver() {
	if w.mode == splitting {
		w.lead()
		return
	}
	b := &w.k.resp.body
	held := w.held
	if w.heading {
		b.changed = false
	}
	if b.changed {
		out, contentType, err := b.append(w.k.many.tmp[:0])
		if err != nil {
			if w.phase != view.Error {
				w.k.refuse(unwritable(b.writer, err), w.k.stepOf(b.writer))
				return
			}
			w.k.noteProgram(unwritable(b.writer, err))
		} else {
			w.k.many.tmp, held = out, out
			if w.on {
				held = w.recoded(out)
			}
			w.redress(held, contentType)
		}
	} else if w.on {
		held = w.unchanged(held)
	}
	w.compare()
	if bodiless(w.status) {
		delete(w.header, "Content-Length")
		if b.changed {
			delete(w.header, "Content-Type")
		}
	}
	collected := w.mode == collecting || w.given != nil || b.changed
	b.value = nil // what takes it may take its time
	w.send()
	if collected && w.mode == passing {
		// A failure means that nobody is there to be told.
		_, _ = w.k.w.Write(held)
	}
}

// stepOf is the place of a program in the chain.
func (k *run) stepOf(p *program) int {
	for i := range k.chain.steps {
		if k.chain.steps[i].programs[p.phase] == p {
			return i
		}
	}
	return 0
}

// redress makes the header fit a body that a program has made.
func (w *writer) redress(out []byte, contentType string) {
	h, b := w.header, &w.k.resp.body
	switch {
	case contentType != "":
		h["Content-Type"] = []string{contentType}
	case b.value == nil:
		delete(h, "Content-Type")
	}
	if w.on {
		w.loosen()
	}
	if !w.on || len(out) == 0 {
		delete(h, "Content-Encoding")
	}
	if delete(h, "Content-Length"); !w.hasTrailers() {
		h["Content-Length"] = []string{strconv.Itoa(len(out))}
	}
	if tag := w.k.x.Tag; tag != "" && w.given == nil && len(h["Etag"]) == 1 && h["Etag"][0] == tag {
		// Any other is not made of the bytes, and stands for what they say.
		w.k.x.Tag = entity.Tag(out)
		h["Etag"] = []string{w.k.x.Tag}
	}
}

// compare makes 304 of an answer that the client has, going by a tag that is made of
// the bytes: the handler has left that to the chain.
func (w *writer) compare() {
	r, tag, tags := w.k.came, w.k.x.Tag, w.header["Etag"]
	if tag == "" || w.inside || w.given != nil || len(tags) != 1 || tags[0] != tag || w.status != http.StatusOK {
		return
	}
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && entity.NoneMatch(r.Header["If-None-Match"], tag) {
		w.status = http.StatusNotModified
	}
}

// respond gives the answer of a program, that of step k.outer.
func (k *run) respond(a *view.Answer) {
	p := k.chain.steps[k.outer].programs[view.Request]
	if k.shape.rpc {
		err := refused(p, "answers a call of gRPC with status %d: only one of 300 or more ends it", a.Status)
		if a.Status >= 300 {
			err = answerRPC(a.Status, a.Body)
		}
		k.refuse(err, k.outer)
		return
	}
	w := &k.answer
	w.restart()
	k.leave()
	view.Apply(w.header, a.Headers)
	given := answerBody(a, w.header, p, k.chain.limits(k.chain.options.MaxResponseBytes))
	w.given, w.status = &given, a.Status
	w.begin()
}
