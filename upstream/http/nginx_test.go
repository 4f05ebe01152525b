package http_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/child"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// nginxConfig has a server on each of five sockets, alike but for what is spoken. The
// last of its arguments is a service behind it, for bodies of requests.
const nginxConfig = `
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  client_max_body_size 0;
  ssl_certificate server.pem;
  ssl_certificate_key server-key.pem;
  ssl_client_certificate ca.pem;
  keepalive_requests 5;
  server { listen unix:%[1]s/plain; include locations; }
  server { listen %[2]s; include locations; }
  server { listen %[3]s http2; include locations; }
  server { listen %[4]s ssl http2; include locations; }
  server { listen %[5]s ssl http2; ssl_verify_client on; include locations; }
}
`

const nginxLocations = `
location / { return 200 "$request_method $request_uri $http_host $server_protocol"; }
location /large { root %[1]s; }
location /echo { proxy_pass http://%[2]s; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; }
`

// startNginx runs nginx in the folder of ca until the test ends, and says where it
// listens, in the order of nginxConfig.
func startNginx(t *testing.T, ca *authority, behind string) []string {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed: apt-get install nginx-light")
	}
	dir, err := os.MkdirTemp("", "nginx") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	large := make([]byte, 8<<20)
	_, _ = rand.Read(large)
	require.NoError(t, os.WriteFile(filepath.Join(ca.dir, "large"), large, 0o600))
	addresses := []string{"unix:" + filepath.Join(dir, "plain")}
	for range 4 {
		addresses = append(addresses, closedAddress(t))
	}
	require.NoError(t, os.WriteFile(filepath.Join(ca.dir, "locations"), fmt.Appendf(nil, nginxLocations, ca.dir, behind), 0o600))
	path := filepath.Join(ca.dir, "nginx.conf")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, nginxConfig, dir, addresses[1], addresses[2], addresses[3], addresses[4]), 0o600))
	cmd := exec.Command(binary, "-e", "stderr", "-p", ca.dir, "-c", path)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	child.NoOrphan(cmd)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: it always says so
	})
	require.Eventually(t, func() bool {
		for _, address := range addresses[1:] {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return false
			}
			_ = conn.Close()
		}
		return true
	}, 20*time.Second, 20*time.Millisecond, "nginx does not listen")
	return addresses
}

func TestNginx(t *testing.T) {
	ca := newAuthority(t)
	ca.issue(t, "server", "legacy.internal")
	ca.issue(t, "gateway", "gateway.internal")
	behind := serve(t, func(w http.ResponseWriter, r *http.Request) {
		// All of it first: nginx may read no answer before it has sent the request.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("the body behind nginx: %v", err)
		}
		_, _ = w.Write(body)
	})
	at := startNginx(t, ca, behind.Listener.Addr().String())
	trusted := &configpb.ClientTLS{Ca: "ca.pem"}
	mutual := &configpb.ClientTLS{Ca: "ca.pem", Cert: "gateway.pem", Key: "gateway-key.pem"}
	large, err := os.ReadFile(filepath.Join(ca.dir, "large"))
	require.NoError(t, err)
	for _, test := range []struct {
		name, scheme, endpoint, version string
		tls                             *configpb.ClientTLS
		want                            string
	}{
		{"unix socket", "http", at[0], "", nil, "HTTP/1.1"},
		{"HTTP/1.1", "http", at[1], "", nil, "HTTP/1.1"},
		{"h2c", "http", at[2], "http2", nil, "HTTP/2.0"},
		{"TLS", "https", at[3], "", trusted, "HTTP/2.0"},
		{"TLS, HTTP/1.1", "https", at[3], "http1", trusted, "HTTP/1.1"},
		{"TLS, HTTP/2", "https", at[3], "http2", trusted, "HTTP/2.0"},
		{"mutual", "https", at[4], "", mutual, "HTTP/2.0"},
		{"mutual, HTTP/1.1", "https", at[4], "http1", mutual, "HTTP/1.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			up := newUpstreamIn(t, &configpb.HTTPUpstream{Url: test.scheme + "://legacy.internal:8000", Endpoints: []string{test.endpoint},
				Tls: test.tls, Version: test.version}, ca.dir)
			// More than nginx takes on one connection, so some are given up.
			for range 30 {
				for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
					got := send(t, up, request(t, method, "/a%2Fb/%7Bc%7D?d=e%20f", nil))
					require.Equal(t, http.StatusOK, got.StatusCode)
					require.Equal(t, method+" /a%2Fb/%7Bc%7D?d=e%20f legacy.internal:8000 "+test.want, got.body)
				}
			}
			got := send(t, up, request(t, http.MethodGet, "/large", nil))
			require.True(t, got.body == string(large), "%d bytes came", len(got.body))

			r := request(t, http.MethodPost, "/echo", bytes.NewReader(large))
			r.ContentLength = int64(len(large))
			got = send(t, up, r)
			require.True(t, got.body == string(large), "%d bytes came", len(got.body))
		})
	}

	t.Run("wrong name", func(t *testing.T) {
		for _, version := range []string{"http1", "http2"} {
			up := newUpstreamIn(t, &configpb.HTTPUpstream{Url: "https://elsewhere.internal", Endpoints: []string{at[3]}, Tls: trusted, Version: version}, ca.dir)
			got := refusal(t, up, request(t, http.MethodPost, "/", nil))
			require.Equal(t, rpc.UpstreamUnreachable, got.Reason)
			require.True(t, got.NotSent)
		}
	})

	t.Run("mutual without a certificate", func(t *testing.T) {
		up := newUpstreamIn(t, &configpb.HTTPUpstream{Url: "https://legacy.internal", Endpoints: []string{at[4]}, Tls: trusted}, ca.dir)
		require.Equal(t, http.StatusBadRequest, send(t, up, request(t, http.MethodGet, "/", nil)).StatusCode, "nginx says so itself")
	})

	t.Run("h2c where there is none", func(t *testing.T) {
		up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://legacy.internal", Endpoints: []string{at[1]}, Version: "http2"})
		got := refusal(t, up, request(t, http.MethodPost, "/", nil))
		// nginx answers in HTTP/1.1 and closes: it depends on what is seen first.
		require.Contains(t, []rpc.Reason{rpc.UpstreamProtocol, rpc.UpstreamUnreachable}, got.Reason, "%v", got)
		require.False(t, got.NotSent)
	})

	t.Run("HTTP/1.1 where there is h2c", func(t *testing.T) {
		up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://legacy.internal", Endpoints: []string{at[2]}, IdleTimeout: durationpb.New(time.Second)})
		got := refusal(t, up, request(t, http.MethodPost, "/", nil))
		require.Equal(t, rpc.UpstreamProtocol, got.Reason, "%v", got)
	})
}
