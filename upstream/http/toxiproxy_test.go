package http_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/child"
)

// toxiproxy is a running toxiproxy: a TCP proxy that does to connections what it is
// told to.
type toxiproxy struct {
	t       *testing.T
	address string
}

// startToxiproxy builds it, which takes a while for the first time, and runs it until
// the test ends.
func startToxiproxy(t *testing.T) *toxiproxy {
	t.Helper()
	out, err := exec.Command("go", "tool", "-modfile="+filepath.Join("..", "..", "tools", "go.mod"), "-n", "github.com/Shopify/toxiproxy/v2/cmd/server").Output()
	if err != nil {
		t.Skipf("toxiproxy cannot be built: %v", err)
	}
	binary := strings.TrimSpace(string(out))
	if _, err := os.Stat(binary); err != nil {
		t.Skipf("toxiproxy was not built: %v", err)
	}
	p := &toxiproxy{t: t, address: closedAddress(t)}
	host, port, err := net.SplitHostPort(p.address)
	require.NoError(t, err)
	cmd := exec.Command(binary, "-host", host, "-port", port)
	child.NoOrphan(cmd)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: it always says so
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, 20*time.Second, 20*time.Millisecond, "toxiproxy does not listen")
	return p
}

// call asks for something of its API.
func (p *toxiproxy) call(method, path string, body, answer any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(p.t, err)
	r, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.address+path, bytes.NewReader(text))
	require.NoError(p.t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	require.Less(p.t, resp.StatusCode, 300, "%s", text)
	if answer != nil {
		require.NoError(p.t, json.Unmarshal(text, answer))
	}
}

// link is one way through the proxy.
type link struct {
	p       *toxiproxy
	name    string
	Address string `json:"listen"`
}

// to makes a way to address.
func (p *toxiproxy) to(name, address string) *link {
	p.t.Helper()
	l := &link{p: p, name: name}
	p.call(http.MethodPost, "/proxies", map[string]any{"name": name, "listen": "127.0.0.1:0", "upstream": address, "enabled": true}, l)
	return l
}

// toxic spoils what comes back on l from now on; heal undoes it.
func (l *link) toxic(kind string, attributes map[string]int) {
	l.p.t.Helper()
	l.p.call(http.MethodPost, "/proxies/"+l.name+"/toxics", map[string]any{"name": kind, "type": kind, "stream": "downstream", "attributes": attributes}, nil)
}

func (l *link) heal(kind string) {
	l.p.t.Helper()
	l.p.call(http.MethodDelete, "/proxies/"+l.name+"/toxics/"+kind, nil, nil)
}

// enable lets nobody in, or everybody again, and keeps the address.
func (l *link) enable(enabled bool) {
	l.p.t.Helper()
	l.p.call(http.MethodPost, "/proxies/"+l.name, map[string]any{"listen": l.Address, "enabled": enabled}, nil)
}
