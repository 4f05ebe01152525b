package grpc

import (
	"errors"
	"slices"
	"sync"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// codec hands messages through as they are: an *rpc.Buffer, an *owned one, or that
// of a *unaryCall, to the upstream, and what comes back into a *reply.
type codec struct{}

var _ encoding.CodecV2 = codec{}

// Name is empty: the content type is then plain application/grpc, which every
// server takes.
func (codec) Name() string { return "" }

// Marshal takes the ownership of the buffer, and gives it back to its pool when
// grpc-go has let go of it: after it was written, and after the last moment at
// which it could be sent again.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	var o *owned
	switch v := v.(type) {
	case *owned:
		o = v
	case *unaryCall:
		v.marshalled = true
		o = own(v.request, nil)
	case *rpc.Buffer:
		o = own(v, nil)
	}
	// Buffers that are too small for grpc-go to count are never given back: they
	// are garbage when it forgets them.
	o.slice[0] = mem.NewBuffer(&o.buf.B, o)
	return o.slice[:], nil
}

// owned is an [rpc.Buffer] while grpc-go has it. As the pool that its bytes
// "came from" it learns when they are free.
type owned struct {
	buf   *rpc.Buffer
	slice [1]mem.Buffer
	// ahead counts it until then, if it is not nil.
	ahead *ahead
}

func own(buf *rpc.Buffer, a *ahead) *owned {
	o := owneds.Get().(*owned)
	o.buf, o.ahead = buf, a
	return o
}

func (o *owned) Get(int) *[]byte {
	panic("grpc: the pool of one request message is only given back to")
}

func (o *owned) Put(*[]byte) {
	a, n := o.ahead, cap(o.buf.B)
	o.buf.Release()
	o.buf, o.slice[0], o.ahead = nil, nil, nil
	owneds.Put(o)
	if a != nil {
		a.free(n)
	}
}

var owneds = sync.Pool{New: func() any { return new(owned) }}

// reply receives the messages of one call, one at a time.
type reply struct {
	// single says that a second message is an error.
	single bool
	count  int
	buf    *rpc.Buffer
}

var errSecondMessage = errors.New("a second message, where the method answers with one")

// Unmarshal copies the message: what grpc-go holds are pieces of its read
// buffers, which go back to its pool at once this way.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	r := v.(*reply)
	r.count++
	if r.single && r.count > 1 {
		// An error here, and not later, makes grpc-go end the stream.
		return errSecondMessage
	}
	r.buf = rpc.NewBufferFor(data.Len())
	r.buf.B = slices.Grow(r.buf.B, data.Len())
	for _, piece := range data {
		r.buf.B = append(r.buf.B, piece.ReadOnlyData()...)
	}
	return nil
}

// take hands the last message over.
func (r *reply) take() *rpc.Buffer {
	buf := r.buf
	r.buf = nil
	return buf
}
