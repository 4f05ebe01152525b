package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/dragoman-gateway/dragoman/upstream"
)

// recorder is an upstream that records the bytes of each request and answers 204.
type recorder struct {
	address string
	mu      sync.Mutex
	got     []string
}

func newRecorder(t *testing.T) *recorder {
	ln := raw(t)
	rec := &recorder{address: ln.Addr().String()}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go rec.serve(conn)
		}
	}()
	return rec
}

func (rec *recorder) serve(conn net.Conn) {
	defer conn.Close()
	var seen bytes.Buffer
	in := bufio.NewReader(io.TeeReader(conn, &seen))
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, r.Body)
		rec.mu.Lock()
		// Whatever is behind it would be one more request.
		rec.got = append(rec.got, seen.String())
		rec.mu.Unlock()
		if seen.Reset(); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	}
}

func (rec *recorder) take() []string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	got := rec.got
	rec.got = nil
	return got
}

const (
	// ok is what clients get of the recorder's answers.
	ok = "204"
	xs = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: http\r\n"
)

// get is a request as the upstream sees one.
func get(uri, more string) string {
	return "GET " + uri + " HTTP/1.1\r\nHost: a\r\n" + more + xs + "\r\n"
}

// TestSmuggling sends the bytes of attacks by HTTP/1.1, and holds what the upstream sees
// to what the gateway decides on. Numbers are those of the project's list of attacks.
func TestSmuggling(t *testing.T) {
	post := func(framing, body string) string {
		return "POST /p HTTP/1.1\r\nHost: a\r\n" + framing + xs + "\r\n" + body
	}
	for _, tt := range []struct {
		name, send string
		// status are those of the answers, in order, and want what the upstream sees.
		status string
		want   []string
	}{
		{"A1 Content-Length and Transfer-Encoding: the chunks are the body",
			"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", ok,
			[]string{post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")}},
		{"A1 what is behind the chunks is a request of its own",
			"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 45\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /q HTTP/1.1\r\nHost: a\r\n\r\n", ok + " " + ok,
			[]string{post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), get("/q", "")}},
		{"A2 two lengths", "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400", nil},
		{"A3 one length twice", "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", ok, []string{post("Content-Length: 2\r\n", "ab")}},
		{"A4 plus", "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab", "400", nil},
		{"A4 hexadecimal", "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\nab", "400", nil},
		{"A4 empty", "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nab", "400", nil},
		{"A4 huge", "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nab", "400", nil},
		{"A5 xchunked", "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501", nil},
		{"A5 identity", "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "501", nil},
		{"A5 doubled", "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501", nil},
		{"A5 list", "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501", nil},
		{"A6 chunks of HTTP/1.0 have no meaning there: none are read, and none sent",
			"POST /p HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /q HTTP/1.1\r\nHost: a\r\n\r\n", ok, []string{post("Content-Length: 0\r\n", "")}},
		{"A7 space before the colon", "GET /p HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n", "400", nil},
		{"A8 folded: one line is sent", "GET /p HTTP/1.1\r\nHost: a\r\nX-A: b\r\n Content-Length: 4\r\n\r\n", ok, []string{get("/p", "X-A: b Content-Length: 4\r\n")}},
		{"A9 bare LF: lines are sent whole", "GET /p HTTP/1.1\nHost: a\nX-A: b\n\n", ok, []string{get("/p", "X-A: b\r\n")}},
		{"A10 bare CR", "GET /p HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n", "400", nil},
		{"A10 NUL", "GET /p HTTP/1.1\r\nHost: a\r\nX-A: b\x00\r\n\r\n", "400", nil},
		{"A11 no Host", "GET /p HTTP/1.1\r\n\r\n", "400", nil},
		{"A11 two Hosts", "GET /p HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", nil},
		{"A11 Host with a path", "GET /p HTTP/1.1\r\nHost: a/b\r\n\r\n", "400", nil},
		{"A11 Host with user information", "GET /p HTTP/1.1\r\nHost: u@a\r\n\r\n", "400", nil},
		{"A11 Host with a comma", "GET /p HTTP/1.1\r\nHost: a, b\r\n\r\n", "400", nil},
		{"A12 absolute form: its host counts, everywhere", "GET http://a/p HTTP/1.1\r\nHost: b\r\n\r\n", ok, []string{get("/p", "")}},
		{"A12 absolute form of another scheme: it is not sent on", "GET ftp://a/p HTTP/1.1\r\nHost: a\r\n\r\n", ok, []string{get("/p", "")}},
		{"A13 chunk that overflows", "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx", "400", nil},
		{"A13 chunk in hexadecimal notation", "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", "400", nil},
		{"A13 negative chunk", "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n", "400", nil},
		{"A13 extensions do not travel", "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nab\r\n0\r\n\r\n", ok, []string{post("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n")}},
		{"A14 trailers that are none",
			"POST /p HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum, Authorization\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\nAuthorization: x\r\nX-Late: y\r\n\r\n", ok,
			[]string{"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n" + xs + "\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n"}},
		{"A14 a trailer for the framing", "POST /p HTTP/1.1\r\nHost: a\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", nil},
		{"A15 pipelined", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", ok + " " + ok, []string{get("/1", ""), get("/2", "")}},
		{"A21 h2c", "GET /p HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", ok, []string{get("/p", "")}},
		{"A22 a method that is a name", "TRACE /p HTTP/1.1\r\nHost: a\r\n\r\n", ok, []string{strings.Replace(get("/p", ""), "GET", "TRACE", 1)}},
		{"A22 a method that is none", "G{T /p HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"A22 CONNECT", "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n", "400", nil},
		{"A22 CONNECT with a path", "CONNECT /p HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"A23 a request in a refused body", "POST /p/../q HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nGET /q HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},

		{"D1 escaped slash", "GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"D2 dots", "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"D2 escaped dots", "GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"D2 escaped twice is text", "GET /a/%252e%252e/b HTTP/1.1\r\nHost: a\r\n\r\n", ok, []string{get("/a/%252e%252e/b", "")}},
		{"D2 backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"D2 two slashes", "GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"D2 slash at the end", "GET /a/ HTTP/1.1\r\nHost: a\r\n\r\n", ok, []string{get("/a/", "")}},
		{"D2 dots with parameters", "GET /a/..;x/b HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"D3 escaped NUL", "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"D3 no escape", "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"D3 raw UTF-8 is escaped", "GET /\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n", ok, []string{get("/%C3%A9", "")}},
		{"D3 over-long UTF-8", "GET /%c0%ae%c0%ae/ HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"D14 method override is a header like any", "POST /p HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n", ok,
			[]string{post("Content-Length: 0\r\n", "")[:len("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n")] + xs + "X-Http-Method-Override: DELETE\r\n\r\n"}},
		{"D16 GET with a body", "GET /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", ok, []string{get("/p", "Content-Length: 2\r\n") + "ab"}},
		{"fragment in the path", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"fragment in the query", "GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n", "400", nil},
		{"query as it came", "GET /a?b=%zz&%2e%2e/;c=//\\\"| HTTP/1.1\r\nHost: a\r\n\r\n", ok, []string{get("/a?b=%zz&%2e%2e/;c=//\\\"|", "")}},

		{"G1 what a client says of itself", "GET /p HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Client-Cert: x\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\r\n", ok,
			[]string{get("/p", "")}},
		{"G2 Connection names what the gateway sets", "GET /p HTTP/1.1\r\nHost: a\r\nConnection: x-forwarded-for, x-mine, host, close\r\nX-Mine: 1\r\n\r\n", ok, []string{get("/p", "")}},
		{"G3 twin of what is there", "GET /p HTTP/1.1\r\nHost: a\r\nX_User: evil\r\nX-User: good\r\n\r\n", "400", nil},
		{"G3 twin of what the gateway sets", "GET /p HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n", "400", nil},
		{"G3 twin of the framing", "GET /p HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n", "400", nil},
		{"G3 alone", "GET /p HTTP/1.1\r\nHost: a\r\nA_User: me\r\n\r\n", ok, []string{get("/p", "A_user: me\r\n")}},
		{"G5 control byte", "GET /p HTTP/1.1\r\nHost: a\r\nAuthorization: a\x01b\r\n\r\n", "400", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := newRecorder(t)
			up := newPlain(t, rec.address)
			up.origin.Forwarded = upstream.XForwarded
			s := serve(t, to(up))
			conn, in := dial(t, s.address)
			_, err := io.WriteString(conn, tt.send)
			require.NoError(t, err)
			var statuses []string
			for range strings.Fields(tt.status) {
				res, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				statuses = append(statuses, fmt.Sprint(res.StatusCode))
				_, _ = io.Copy(io.Discard, res.Body)
			}
			require.Equal(t, tt.status, strings.Join(statuses, " "))
			if tt.want == nil {
				// Nothing more comes over a connection whose framing is not certain: what
				// is left of a refused body is no request.
				require.NoError(t, conn.(*net.TCPConn).CloseWrite())
				_, err = http.ReadResponse(in, nil)
				require.Error(t, err)
				for _, got := range rec.take() {
					// A body that turned out malformed had begun.
					require.Contains(t, tt.name, "A13")
					require.NotContains(t, got, "\r\n0\r\n\r\n", "it has no end")
				}
				return
			}
			require.Equal(t, tt.want, rec.take())
		})
	}
}

// TestSmugglingHTTP2 sends requests that HTTP/2 can carry and HTTP/1.1 cannot.
func TestSmugglingHTTP2(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fields []hpack.HeaderField
		// status is empty for a stream that is reset.
		status string
		want   []string
	}{
		{"plain", []hpack.HeaderField{{Name: ":path", Value: "/p"}}, ok, []string{get("/p", "")}},
		{"B11 connection-specific", []hpack.HeaderField{{Name: ":path", Value: "/p"}, {Name: "connection", Value: "x"}, {Name: "transfer-encoding", Value: "chunked"}}, "400", nil},
		{"B13 no slash", []hpack.HeaderField{{Name: ":path", Value: "p"}}, "", nil},
		{"B13 asterisk", []hpack.HeaderField{{Name: ":path", Value: "*"}}, "400", nil},
		{"B13 fragment", []hpack.HeaderField{{Name: ":path", Value: "/p#x"}}, "400", nil},
		{"B13 space", []hpack.HeaderField{{Name: ":path", Value: "/p HTTP/1.1"}}, "400", nil},
		{"B13 space in the query", []hpack.HeaderField{{Name: ":path", Value: "/p?x HTTP/1.1"}}, "400", nil},
		{"B14 host that is another one: the authority counts, everywhere", []hpack.HeaderField{{Name: ":path", Value: "/p"}, {Name: "host", Value: "evil"}}, ok, []string{get("/p", "")}},
		{"B15 crumbs of a cookie", []hpack.HeaderField{{Name: ":path", Value: "/p"}, {Name: "cookie", Value: "a=1"}, {Name: "cookie", Value: "b=2"}}, ok, []string{get("/p", "Cookie: a=1; b=2\r\n")}},
		{"B19 line feed in a value", []hpack.HeaderField{{Name: ":path", Value: "/p"}, {Name: "x-a", Value: "b\r\nx-evil: 1"}}, "", nil},
		{"B19 line feed in the path", []hpack.HeaderField{{Name: ":path", Value: "/p\r\nx-evil: 1"}}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := newRecorder(t)
			up := newPlain(t, rec.address)
			up.origin.Forwarded = upstream.XForwarded
			conn, in := dial(t, serve(t, to(up)).address)
			_, err := io.WriteString(conn, http2.ClientPreface)
			require.NoError(t, err)
			framer := http2.NewFramer(conn, in)
			framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			require.NoError(t, framer.WriteSettings())
			var block bytes.Buffer
			enc := hpack.NewEncoder(&block)
			for _, f := range append([]hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "a"}}, tt.fields...) {
				require.NoError(t, enc.WriteField(f))
			}
			require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
			status := "?"
			for status == "?" {
				frame, err := framer.ReadFrame()
				require.NoError(t, err)
				switch frame := frame.(type) {
				case *http2.MetaHeadersFrame:
					status = frame.PseudoValue("status")
				case *http2.RSTStreamFrame, *http2.GoAwayFrame:
					status = ""
				}
			}
			require.Equal(t, tt.status, status)
			require.Equal(t, tt.want, rec.take())
		})
	}
}

// A body that is not as long as it says is none that the upstream may take for whole.
func TestShortBody(t *testing.T) {
	ended := make(chan error, 1)
	up := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ended <- err
	})
	s := serve(t, to(up))
	conn, _ := dial(t, s.address)
	_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\nshort")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	select {
	case err := <-ended:
		require.Error(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the upstream is not told")
	}
}
