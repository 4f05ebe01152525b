package route

import (
	"net/http"
	"time"
)

// Linger is how long a client over HTTP/1.1 that is still sending when it has its
// answer is listened to: a connection that is closed with bytes that nobody read is
// reset, and the answer may be lost with it.
const Linger = 500 * time.Millisecond

// connectionClose says that an answer is the last one of its connection, and may
// come before the end of its request.
var connectionClose = []string{"close"}

// LeaveBody is called before a request is answered of whose body nothing has been
// read, and which may not end by itself. Over HTTP/1 net/http would read that
// first, for as long as the client likes, which may be what waits; so it reads
// behind the answer, for as long as [Linger], and the connection ends.
func LeaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor >= 2 || r.ContentLength == 0 {
		return
	}
	control := http.NewResponseController(w)
	// Who can do neither has no connection.
	_ = control.EnableFullDuplex()
	_ = control.SetReadDeadline(time.Now().Add(Linger))
	w.Header()["Connection"] = connectionClose
}
