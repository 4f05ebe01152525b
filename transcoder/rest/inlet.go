package rest

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
)

// inlet is the body of a request that is read as it comes.
type inlet struct {
	r      *http.Request
	source *watched
	// coding is that of the body, inflater what undoes it; it is nil until the
	// first read, which waits for the body's first bytes.
	coding   string
	inflater *coding.Inflater
	limit    int
}

// watched is a body that notes its end.
type watched struct {
	body  io.Reader
	n     int64
	whole atomic.Bool
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.n += int64(n)
	if err == io.EOF {
		b.whole.Store(true)
	}
	return n, err
}

// open begins a body; what it inflates to comes in pieces of limit bytes at most.
func (b *inlet) open(r *http.Request, name string, limit int) {
	*b = inlet{r: r, source: &watched{body: r.Body}, coding: name, limit: limit}
	if r.ContentLength == 0 {
		b.source.whole.Store(true)
	}
}

// Read implements [io.Reader]. The error that is not [io.EOF] is for fault.
func (b *inlet) Read(p []byte) (n int, err error) {
	if b.coding == "" {
		return b.source.Read(p)
	}
	if b.inflater == nil {
		// It may be of any length: what is large is bounded as it comes out.
		b.inflater = coding.NewInflater(b.source, b.coding, b.limit, 1<<62)
	}
	return b.inflater.Read(p)
}

// fault is the error of a body that could not be read on, or nil.
func (b *inlet) fault(err error) *rpc.Error {
	if errors.Is(err, io.EOF) && b.inflater == nil {
		return nil
	}
	if b.inflater == nil {
		return coding.Unreadable(b.r, b.limit, err)
	}
	return b.inflater.Fault(b.r, err)
}

func (b *inlet) release() {
	if b.inflater != nil {
		b.inflater.Release()
		b.inflater = nil
	}
}
