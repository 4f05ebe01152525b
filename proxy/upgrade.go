package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// upgraded takes the client's connection over and copies bytes both ways, until both
// sides have ended or one fails. The end of one side is passed on to the other, if that
// can be told of it. What goes over the connection is nobody's affair: when the gateway
// ends, it is closed.
func (f *forwarding) upgraded(res *http.Response) {
	up, ok := res.Body.(io.ReadWriteCloser)
	protocol := strings.Join(res.Header["Upgrade"], ", ")
	if !ok || !strings.EqualFold(protocol, strings.Join(f.upgrades, ", ")) {
		f.turnAway(rpc.Errorf(rpc.UpstreamProtocol, "the upstream changed to the protocol %q, and %q was asked for", protocol, f.upgrades[0]))
		return
	}
	h := f.w.Header()
	f.head(h, res)
	h["Connection"], h["Upgrade"] = upgrade, res.Header["Upgrade"]
	delete(h, "Content-Length")
	f.w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buffered, err := http.NewResponseController(f.w).Hijack()
	if err != nil {
		f.abort(err)
	}
	down := &tunnel{Conn: conn, early: buffered.Reader}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Time{})
	if err := buffered.Flush(); err != nil {
		f.note(&rpc.Error{Reason: rpc.ClientClosed, Message: errGone.Message, Cause: err})
		return
	}
	both := func() {
		_ = conn.Close()
		_ = up.Close()
	}
	f.watch.enter(answering)
	// The end of the gateway ends the context, and so does silence.
	stop := context.AfterFunc(f.ctx, both)
	defer stop()
	sent := make(chan error, 1)
	var came int64
	go func() {
		err := f.pipe(up, down, f.conn, &came)
		if err != nil {
			both()
		}
		sent <- err
	}()
	failure := f.pipe(conn, up, conn, &f.x.ResponseBytes)
	if failure != nil {
		both()
	}
	// The other side ends by itself, by the closing above, or by silence.
	if err := <-sent; failure == nil {
		failure = err
	}
	f.x.RequestBytes += came
	if err := f.late(failure); err != nil {
		f.note(err)
	}
}

// connected notes the connection that a request for an upgrade uses: the body of the
// answer to it cannot end one side alone.
func (f *forwarding) connected(info httptrace.GotConnInfo) {
	f.interim.Lock()
	defer f.interim.Unlock()
	if !f.begun {
		f.conn = info.Conn
	}
}

// tunnel is the client's side of an upgraded connection, with what it has sent already.
type tunnel struct {
	net.Conn
	early *bufio.Reader
}

// Read implements [io.Reader]. Behind what was read early it reads the connection
// itself: through net/http's reader the end of the client's side would end the context.
func (t *tunnel) Read(p []byte) (int, error) {
	if n := t.early.Buffered(); n > 0 {
		return t.early.Read(p[:min(n, len(p))])
	}
	return t.Conn.Read(p)
}

// pipe copies what comes from src to dst and then ends that side of conn, which dst
// writes to. If it cannot, that is an error: nobody would know.
func (f *forwarding) pipe(dst io.Writer, src io.Reader, conn net.Conn, count *int64) error {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			f.watch.touch()
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			*count += int64(n)
			f.watch.touch()
		}
		switch {
		case err == io.EOF:
			if half, ok := conn.(interface{ CloseWrite() error }); ok {
				return half.CloseWrite()
			}
			return io.EOF
		case err != nil:
			return err
		}
	}
}
