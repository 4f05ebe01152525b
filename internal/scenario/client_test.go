package scenario

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// patience bounds everything that should happen at once.
const patience = 20 * time.Second

// client is one connection to the gateway. It writes requests byte by byte as
// the file has them: a library would mend the very things that are tested.
type client struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &client{conn, bufio.NewReader(conn)}
}

// send writes the request of x.
func (c *client) send(x *Exchange) error {
	line, header := x.RequestLine, x.Header
	if !strings.HasSuffix(line, " HTTP/1.0") {
		line += " HTTP/1.1"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\r\n", line)
	has := func(name string) bool {
		for _, h := range header {
			if k, _, _ := strings.Cut(h, ":"); strings.EqualFold(k, name) {
				return true
			}
		}
		return false
	}
	if !has("host") {
		b.WriteString("Host: gateway.example.com\r\n")
	}
	chunked := has("transfer-encoding")
	if x.Body != "" && !chunked && !has("content-length") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(x.Body))
	}
	if x.Body != "" && !has("content-type") {
		b.WriteString("Content-Type: application/json\r\n")
	}
	for _, h := range header {
		// "content-type: none" is a request without one.
		if h != "content-type: none" {
			fmt.Fprintf(&b, "%s\r\n", h)
		}
	}
	b.WriteString("\r\n")
	if chunked {
		for i := range len(x.Body) {
			fmt.Fprintf(&b, "1\r\n%s\r\n", x.Body[i:i+1])
		}
		b.WriteString("0\r\n\r\n")
	} else {
		b.WriteString(x.Body)
	}
	_, err := c.Write(b.Bytes())
	return err
}

// answer is what came back.
type answer struct {
	*http.Response
	body []byte
	// broken is how the body ended, if not in order.
	broken error
}

// receive reads the answer; while the body grows, each wanted beginning lets
// the upstream go on.
func (c *client) receive(x *Exchange, release chan<- struct{}) (*answer, error) {
	method, _, _ := strings.Cut(x.RequestLine, " ")
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	out := &answer{Response: resp}
	body, err := inflated(resp)
	if err != nil {
		return nil, err
	}
	soFar := x.SoFar
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		out.body = append(out.body, buf[:n]...)
		for len(soFar) > 0 && squeeze(string(out.body)) == squeeze(soFar[0]) {
			soFar = soFar[1:]
			release <- struct{}{}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				out.broken = err
			}
			break
		}
	}
	if len(soFar) > 0 {
		return out, fmt.Errorf("the body %q never began with %q", clip(out.body), soFar[0])
	}
	return out, nil
}

// inflated is the body without its encoding.
func inflated(resp *http.Response) (io.Reader, error) {
	if resp.Request.Method == http.MethodHead {
		return resp.Body, nil
	}
	switch resp.Header.Get("Content-Encoding") {
	case "gzip":
		return gzip.NewReader(resp.Body)
	case "zstd":
		return zstd.NewReader(resp.Body, zstd.WithDecoderConcurrency(1))
	}
	return resp.Body, nil
}

// squeeze takes white space out: how JSON is laid out is the gateway's own.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

// checkTrailer says how the trailer differs from the lines that are about it, and
// returns the others.
func checkTrailer(want []string, got http.Header) (others []string, diff string) {
	for _, line := range want {
		about, ok := strings.CutPrefix(line, "trailer ")
		if name, none := strings.CutPrefix(line, "no trailer "); none {
			about, ok = "no "+name, true
		}
		if !ok {
			others = append(others, line)
		} else if diff == "" {
			if diff = checkHeader([]string{about}, got); diff != "" {
				diff = "trailer: " + diff
			}
		}
	}
	return others, diff
}

// checkHeader says how the header differs from the wanted lines; "" if not.
func checkHeader(want []string, got http.Header) string {
	single, several := bySeveral(want)
	for name, values := range several {
		if v := got.Values(name); !slices.Equal(v, values) {
			return fmt.Sprintf("header %s: got %q, want %q", name, v, values)
		}
	}
	for _, line := range single {
		if name, ok := strings.CutPrefix(line, "no "); ok {
			if v := got.Values(name); len(v) > 0 {
				return fmt.Sprintf("header %s: got %q, want none", name, v)
			}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		joined := strings.Join(got.Values(name), ", ")
		if text, ok := strings.CutPrefix(value, "~"); ok && strings.Contains(joined, text) && joined != "" {
			continue
		}
		if joined != value {
			return fmt.Sprintf("header %s: got %q, want %q", name, joined, value)
		}
	}
	return ""
}

// bySeveral takes out the names for which there is more than one line, with a
// value in each.
func bySeveral(want []string) (single []string, several map[string][]string) {
	values := make(map[string][]string)
	for _, line := range want {
		name, value, _ := strings.Cut(line, ":")
		values[name] = append(values[name], strings.TrimSpace(value))
	}
	several = make(map[string][]string)
	for _, line := range want {
		if name, _, _ := strings.Cut(line, ":"); len(values[name]) > 1 {
			several[name] = values[name]
		} else {
			single = append(single, line)
		}
	}
	return single, several
}
