package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// smallBody is up to how many bytes of a body are taken in before the request is sent.
// They share a packet with the head then, and no connection waits for them.
const smallBody = 4 << 10

// gather takes in the body of out if it is a small one that its client is about to send
// whole. The transport sends at once what it knows to be in memory, and upstreams do not
// have to watch it.
func (f *forwarding) gather(out *http.Request) error {
	if out.ContentLength <= 0 || out.ContentLength > smallBody || out.Trailer != nil || len(f.r.Header["Expect"]) > 0 {
		return nil
	}
	// One more for what must not be there, or the end might be told later.
	body := make([]byte, out.ContentLength+1)
	n := 0
	for n < len(body) {
		read, err := f.in.Read(body[n:])
		n += read
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if n != int(out.ContentLength) {
		return fmt.Errorf("the body has not the %d bytes that it was to have", out.ContentLength)
	}
	body = body[:n]
	f.small.Reset(body)
	out.Body = io.NopCloser(&f.small)
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return nil
}
