package transform

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/frame"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// streaming is an answer whose messages programs look at as the handler writes them.
// The head waits for the first message; what stands before that is held with it. What
// the writer holds is the beginning of a message.
type streaming struct {
	form     frame.Form
	splitter frame.Splitter
	// feeder undoes the coding of what comes, encoder does that of what goes; nil
	// if there is none.
	feeder  *coding.Feeder
	encoder *coding.Encoder
	// piece is the first message.
	piece frame.Piece
	// headed says that the head was sent.
	headed bool
	// out is what is to be sent.
	out []byte
	// came is all that came before the head was sent, if no program writes messages:
	// it then goes out as it is, and so does the rest.
	came []byte
}

// maxGathered is how much is gathered of one write before it is sent.
const maxGathered = 64 << 10

// open begins the messages, when a program waits for the first.
func (w *writer) open() {
	s := w.stream
	if err := w.k.resp.body.broken; err != nil {
		// No message can be found in it.
		w.sealed, w.k.resp.ready, w.stream = err, true, nil
		w.advance()
		return
	}
	w.mode = splitting
	s.splitter.Reset(s.form)
	if w.coding != "" {
		s.feeder = coding.NewFeeder(w.coding, w.k.chain.options.MaxResponseBytes)
	}
}

func (s *streaming) release() {
	if s.feeder != nil {
		s.feeder.Release()
		s.feeder = nil
	}
	if s.encoder != nil {
		s.encoder.Release()
		s.encoder = nil
	}
}

// split takes what the handler writes, and sends what programs have made of the
// messages in it. An error means that the answer has got another end.
func (w *writer) split(p []byte, end bool) error {
	s := w.stream
	if !w.k.chain.reshapes {
		if len(p) > w.k.chain.options.MaxResponseBytes-len(s.came) {
			return w.fail(tooLarge(w.k.chain.options.MaxResponseBytes))
		}
		s.came = append(s.came, p...)
	}
	err := w.undo(p, end)
	if err == nil && w.mode == splitting {
		err = w.drain()
	}
	return err
}

// undo is pieces for what comes in a coding.
func (w *writer) undo(p []byte, end bool) error {
	s := w.stream
	if s.feeder == nil {
		return w.pieces(p, end)
	}
	fault, err := s.feeder.Feed(p, end, func(plain []byte) error {
		if err := w.pieces(plain, false); err != nil {
			return err
		}
		if w.mode != splitting {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		return err
	case fault != nil:
		return w.fail(&rpc.Error{Reason: rpc.UpstreamProtocol, Message: "the upstream's answer: " + fault.Message, Cause: fault.Cause})
	case end:
		return w.pieces(nil, true)
	}
	return nil
}

// errEnough says that what comes need not be looked at any more.
var errEnough = errors.New("enough has been seen of the answer")

// pieces finds the messages in what has come.
func (w *writer) pieces(p []byte, end bool) error {
	s, limit := w.stream, w.k.chain.options.MaxResponseBytes
	rest := p
	if len(w.held) > 0 {
		w.held = append(w.held, p...)
		rest = w.held
	}
	found := len(w.held) == 0
	for {
		piece, n := s.splitter.Next(rest, end)
		if n > limit || n == 0 && len(rest) > limit {
			return w.fail(tooLarge(limit))
		}
		if n == 0 {
			break
		}
		found, rest = true, rest[n:]
		if err := w.piece(piece); err != nil || w.mode != splitting {
			return err
		}
	}
	if found {
		w.held = append(w.held[:0], rest...)
	}
	return nil
}

// piece takes one piece.
func (w *writer) piece(p frame.Piece) error {
	k, s := w.k, w.stream
	if !p.IsMessage {
		s.out = append(s.out, p.Raw...)
		return w.gathered()
	}
	l := &k.resp
	l.body = content{raw: p.Message, limits: k.chain.limits(k.chain.options.MaxResponseBytes), want: k.chain.phases[view.Response].want, messages: true}
	if !s.headed {
		s.piece, l.ready = p, true
		w.advance()
		if w.mode == discarding {
			return errAnswered
		}
		return nil
	}
	l.passed = false
	_, err := k.later(view.Response, l)
	if err == nil {
		s.out, err = s.message(s.out, &l.body, p)
	}
	l.body = content{}
	k.give(l)
	if err != nil {
		return w.fail(err)
	}
	return w.gathered()
}

// message appends a piece with the message that programs have made of it.
func (s *streaming) message(dst []byte, c *content, p frame.Piece) ([]byte, *rpc.Error) {
	if !c.changed || c.value == nil && len(p.Message) == 0 {
		return append(dst, p.Raw...), nil
	}
	text, err := c.line(nil, s.form)
	if err != nil {
		return dst, err
	}
	return s.splitter.Append(dst, p, text), nil
}

// line is message for one that may not have line breaks.
func (c *content) line(dst []byte, form frame.Form) ([]byte, *rpc.Error) {
	out, err := c.message(dst)
	if err == nil && c.changed && form == frame.Lines && c.kind != body.JSON && bytes.ContainsAny(out, "\r\n") {
		return dst, refused(c.writer, "gives a message with a line break, which cannot be a line of NDJSON")
	}
	return out, err
}

// gathered sends what is there if that is much.
func (w *writer) gathered() error {
	s := w.stream
	switch {
	case !s.headed && len(s.out) > w.k.chain.options.MaxResponseBytes:
		return w.fail(tooLarge(w.k.chain.options.MaxResponseBytes))
	case len(s.out) < maxGathered:
		return nil
	}
	return w.drain()
}

// drain sends what is there, if the head was.
func (w *writer) drain() (err error) {
	s := w.stream
	if !s.headed || len(s.out) == 0 {
		return nil
	}
	if s.encoder != nil {
		_, err = s.encoder.Write(s.out)
	} else {
		_, err = w.k.w.Write(s.out)
	}
	s.out = trimmed(s.out)
	return err
}

// lead sends the head, as programs have made it with the first message or without
// any.
func (w *writer) lead() {
	k, s := w.k, w.stream
	c := &k.resp.body
	if !w.heading && k.chain.reshapes {
		out, err := s.message(s.out, c, s.piece)
		if err != nil {
			k.refuse(err, k.stepOf(c.writer))
			return
		}
		s.out = out
	}
	*c = content{}
	s.headed = true
	if !k.chain.reshapes {
		w.send()
		if w.mode == passing {
			// A failure means that nobody is there to be told.
			_, _ = k.w.Write(s.came)
		}
		s.came = nil
		return
	}
	w.loosen()
	if bodiless(w.status) {
		delete(w.header, "Content-Type")
	}
	name := codingOf(w.header)
	if w.send(); w.mode != passing {
		return
	}
	w.mode = splitting
	if name != "" {
		s.encoder = coding.NewEncoder(k.w, name)
	}
}

// conclude ends an answer whose handler has returned.
func (w *writer) conclude() {
	s := w.stream
	if w.split(nil, true) != nil {
		return
	}
	if w.mode == splitting && !s.headed {
		l := &w.k.resp
		w.heading, l.ready = true, true
		l.body = content{messages: true, limits: l.body.limits, want: l.body.want}
		w.advance()
	}
	if w.mode != splitting {
		return
	}
	// A failure means that nobody is there to be told.
	if w.drain() == nil && s.encoder != nil {
		_ = s.encoder.Close()
	}
}

// flushStream is flush for messages.
func (w *writer) flushStream() error {
	s := w.stream
	if !s.headed {
		return nil
	}
	if s.encoder != nil {
		if err := s.encoder.Flush(); err != nil {
			return err
		}
	}
	return w.flush()
}

// fail ends the answer with an error: by telling it in place of the answer, or, if
// that has begun, by cutting it off behind what is right of it.
func (w *writer) fail(err *rpc.Error) error {
	k := w.k
	if !w.stream.headed {
		k.refuse(err, k.resp.at)
		return errAnswered
	}
	if w.drain() == nil {
		_ = w.flushStream()
	}
	k.x.Code, k.x.Reason, k.x.Error, k.x.Failure = -1, string(err.Reason), err.Cause, nil
	if k.x.Error == nil {
		k.x.Error = err
	}
	k.settle()
	w.mode = cutting
	return errAnswered
}

// cut breaks the connection off, if the answer has to end so.
func (k *run) cut() {
	if k.answer.mode == cutting {
		panic(http.ErrAbortHandler)
	}
}
