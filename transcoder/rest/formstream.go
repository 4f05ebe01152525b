package rest

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// formMessages are the messages of a multipart form whose last part is a file: the
// first one has all that comes before the file, its type and its beginning, the
// others a piece of it each. Without a file there is one message. They are reused.
type formMessages struct {
	*rule
	in      inlet
	form    formReader
	request plan.Request
	scratch plan.Scratch
	checks  validate.Scratch
	// parts are those of the next message, the last of which is the file if
	// content, the rest of it, is not nil.
	parts   []plan.Part
	content io.Reader
	// left is how many bytes the parts before the file may have yet.
	left int
	// bound says that the first message has been bound, ended that all is read.
	bound, ended bool
	// piece is the memory of the file's part, nil while its message is on the way.
	piece *rpc.Buffer
}

var _ messages = (*formMessages)(nil)

var formsPool = sync.Pool{New: func() any { return new(formMessages) }}

// formMessages reads the head of the request, and makes k.call of it.
func (l *rule) formMessages(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange, control *http.ResponseController, boundary string) (*formMessages, *rpc.Error) {
	request, err := l.head(k, w, r, x, control, time.Now())
	if err != nil {
		return nil, err
	}
	coding, err := codingOf(w, r)
	if err != nil {
		return nil, err
	}
	f := formsPool.Get().(*formMessages)
	f.rule, f.request = l, request
	f.request.Multipart = true
	f.left = l.settings.MaxRequestBytes
	f.in.open(r, coding, l.settings.MaxRequestBytes)
	f.form.begin(&f.in, boundary, l.settings.MaxQueryParameters, l.settings.ContentTypes)
	return f, nil
}

// next implements [messages].
func (f *formMessages) next() (*rpc.Buffer, *rpc.Error) {
	if f.ended {
		return nil, nil
	}
	if !f.bound {
		if err := f.begin(); err != nil {
			return nil, f.blame(err)
		}
	} else {
		f.forget()
		if n, err := f.readPiece(); err != nil {
			return nil, f.blame(err)
		} else if n == 0 {
			return nil, f.finish()
		}
	}
	message, err := f.bind()
	if err == nil && f.content == nil {
		if err = f.finish(); err != nil {
			message.Release()
		}
	}
	if err != nil {
		return nil, err
	}
	return message, nil
}

// begin reads the parts up to the file, and the first piece of that.
func (f *formMessages) begin() error {
	for {
		part, content, err := f.form.next()
		if err != nil {
			return err
		}
		if content == nil {
			return nil
		}
		f.parts = append(f.parts, part)
		own := &f.parts[len(f.parts)-1]
		if !part.File {
			if own.Data, err = f.readValue(content); err != nil {
				return err
			}
			continue
		}
		own.Piece, f.content = true, content
		if n, err := f.readPiece(); err != nil {
			return err
		} else if n > 0 || part.FileName != "" {
			return nil
		}
		// It is a file that nobody has chosen.
	}
}

// readValue reads a part before the file, or one that must not be there.
func (f *formMessages) readValue(content io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(content, int64(f.left)+1))
	if err != nil {
		return nil, f.form.fault(err)
	}
	if f.left -= len(data); f.left < 0 {
		return nil, coding.TooLarge(f.settings.MaxRequestBytes)
	}
	return data, nil
}

// readPiece reads the next piece of the file into the last part, and says how long
// it is. Behind the last piece there is no content.
func (f *formMessages) readPiece() (n int, err error) {
	if f.piece == nil {
		f.piece = rpc.NewBufferFor(chunkMessage)
	}
	f.piece.B = slices.Grow(f.piece.B[:0], chunkBytes)
	data := f.piece.B[:chunkBytes]
	for n < len(data) && err == nil {
		var more int
		more, err = f.content.Read(data[n:])
		n += more
	}
	if err == io.EOF {
		f.content, err = nil, nil
	}
	if err != nil {
		return 0, f.form.fault(err)
	}
	f.parts[len(f.parts)-1].Data = data[:n]
	return n, nil
}

// drop gives the memory of the piece back, whose message has been made.
func (f *formMessages) drop() {
	f.piece.Release()
	f.piece = nil
}

// forget leaves of the parts what the messages behind the first one have: the file
// alone, of which the type is known.
func (f *formMessages) forget() {
	file := f.parts[len(f.parts)-1]
	file.Type = ""
	clear(f.parts)
	f.parts = append(f.parts[:0], file)
}

// bind makes a message of the parts at hand.
func (f *formMessages) bind() (*rpc.Buffer, *rpc.Error) {
	message := rpc.NewBufferFor(chunkMessage)
	var fault error
	f.request.Parts = f.parts
	if !f.bound || f.settings.Stream.BindAll {
		message.B, fault = f.plan.Bind(message.B, &f.request, &f.scratch)
	} else {
		message.B, fault = f.plan.BindFurther(message.B, &f.request, &f.scratch)
	}
	f.drop()
	if fault != nil {
		message.Release()
		return nil, badRequest(fault)
	}
	if err := transcoder.Check(f.rules, message.B, &f.checks); err != nil {
		message.Release()
		return nil, err
	}
	f.bound = true
	return message, nil
}

// finish reads what is behind the file, in which nothing may be set any more.
func (f *formMessages) finish() *rpc.Error {
	f.ended = true
	for {
		part, content, err := f.form.next()
		if err == nil && content != nil {
			var data []byte
			if data, err = f.readValue(content); err == nil && len(data) > 0 {
				return rpc.Errorf(rpc.InvalidBody, "part %d of the form: %.100q comes behind the file, and the file must be the last: its message has been sent", f.form.n, part.Name)
			}
		}
		if err != nil {
			return f.blame(err)
		}
		if content == nil {
			break
		}
	}
	// Over HTTP/1 the connection is of use again behind the body's own end.
	if _, err := io.CopyN(io.Discard, &f.in, maxPartHead); err != nil && err != io.EOF {
		return f.blame(err)
	}
	return nil
}

// blame is the client's copy of an error of the form or of the body.
func (f *formMessages) blame(err error) *rpc.Error {
	var own *rpc.Error
	if errors.As(err, &own) {
		return own
	}
	if fault := f.in.fault(err); fault != nil {
		return fault
	}
	return &rpc.Error{Reason: rpc.Internal, Message: "the form could not be read", Cause: err}
}

// release implements [messages].
func (f *formMessages) release() {
	f.in.release()
	f.drop()
	f.rule, f.in, f.form, f.request = nil, inlet{}, formReader{}, plan.Request{}
	f.parts, f.content, f.bound, f.ended = emptied(f.parts), nil, false, false
	formsPool.Put(f)
}
