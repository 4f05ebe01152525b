package etcdtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
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
	etcdpb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/dragoman-gateway/dragoman/internal/child"
	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

const configuration = `listeners:
- name: main
  address: 127.0.0.1:0
upstreams:
- name: etcd
  grpc: { target: "${ETCD}" }
  descriptors:
    proto:
      roots: [%q, %q, %q]
      files: [etcd/api/etcdserverpb/rpc.proto]
routes:
- name: etcd
  transcode: { upstream: etcd }
`

// startEtcd runs etcd on a free port until the test ends.
func startEtcd(t *testing.T) string {
	t.Helper()
	binary, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("etcd is not installed: apt-get install etcd-server")
	}
	client, peer := "http://"+freeAddress(t), "http://"+freeAddress(t)
	cmd := exec.Command(binary, "--name", "test", "--data-dir", t.TempDir(), "--logger", "zap", "--log-level", "error",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "test="+peer)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	child.NoOrphan(cmd)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: it always says so
	})
	require.Eventually(t, func() bool {
		resp, err := http.Get(client + "/health")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "etcd does not become healthy")
	return client[len("http://"):]
}

// freeAddress is a port that was free a moment ago; etcd cannot tell which one
// it picks itself.
func freeAddress(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer lis.Close()
	return lis.Addr().String()
}

// moduleDir is where the module cache has a module.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	require.NoError(t, err)
	return string(bytes.TrimSpace(out))
}

// start runs etcd and the gateway in front of it, with etcd's protos as the
// descriptors. They import one another as etcd/api/…, so a copy has that name.
func start(t *testing.T) *gatewaytest.Gateway {
	t.Helper()
	etcd := startEtcd(t)
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	require.NoError(t, os.CopyFS(filepath.Join(root, "etcd", "api"), os.DirFS(moduleDir(t, "go.etcd.io/etcd/api/v3"))))
	path := filepath.Join(dir, "dragoman.yaml")
	text := fmt.Sprintf(configuration, root, moduleDir(t, "github.com/gogo/protobuf"), moduleDir(t, "github.com/grpc-ecosystem/grpc-gateway/v2"))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return gatewaytest.Start(t, path, map[string]string{"ETCD": etcd})
}

// post sends JSON and returns the answer, which must be good.
func post(t *testing.T, gw *gatewaytest.Gateway, path, body string) map[string]any {
	t.Helper()
	resp, err := http.Post("http://"+gw.Address+path, "application/json", bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", path, text)
	var out map[string]any
	require.NoError(t, json.Unmarshal(text, &out), "%s", text)
	return out
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestEtcd(t *testing.T) {
	gw := start(t)

	t.Run("put and range", func(t *testing.T) {
		put := post(t, gw, "/v3/kv/put", `{"key": "`+b64("a/1")+`", "value": "`+b64("one")+`"}`)
		require.Contains(t, put["header"], "revision")
		post(t, gw, "/v3/kv/put", `{"key": "`+b64("a/2")+`", "value": "`+b64("two")+`"}`)

		got := post(t, gw, "/v3/kv/range", `{"key": "`+b64("a/")+`", "rangeEnd": "`+b64("a0")+`", "sortOrder": "DESCEND"}`)
		require.Equal(t, "2", got["count"])
		first := got["kvs"].([]any)[0].(map[string]any)
		require.Equal(t, b64("a/2"), first["key"])
		require.Equal(t, b64("two"), first["value"])
		require.Equal(t, "1", first["version"])
	})

	t.Run("txn", func(t *testing.T) {
		got := post(t, gw, "/v3/kv/txn", `{
			"compare": [{"key": "`+b64("a/1")+`", "target": "VALUE", "result": "EQUAL", "value": "`+b64("one")+`"}],
			"success": [{"requestPut": {"key": "`+b64("a/1")+`", "value": "`+b64("uno")+`"}},
			            {"requestRange": {"key": "`+b64("a/1")+`"}}],
			"failure": [{"requestDeleteRange": {"key": "`+b64("a/1")+`"}}]}`)
		require.Equal(t, true, got["succeeded"])
		ranged := got["responses"].([]any)[1].(map[string]any)["responseRange"].(map[string]any)
		require.Equal(t, b64("uno"), ranged["kvs"].([]any)[0].(map[string]any)["value"])
	})

	t.Run("lease", func(t *testing.T) {
		granted := post(t, gw, "/v3/lease/grant", `{"TTL": 600}`)
		require.Equal(t, "600", granted["TTL"])
		id := granted["ID"].(string)
		post(t, gw, "/v3/kv/put", `{"key": "`+b64("leased")+`", "value": "", "lease": "`+id+`"}`)
		left := post(t, gw, "/v3/lease/timetolive", `{"ID": "`+id+`", "keys": true}`)
		require.Equal(t, []any{b64("leased")}, left["keys"])
		// An additional binding of the same method.
		post(t, gw, "/v3/kv/lease/revoke", `{"ID": "`+id+`"}`)
		require.NotContains(t, post(t, gw, "/v3/kv/range", `{"key": "`+b64("leased")+`"}`), "kvs")
	})

	t.Run("error", func(t *testing.T) {
		resp, err := http.Post("http://"+gw.Address+"/v3/kv/put", "application/json", bytes.NewReader([]byte(`{}`)))
		require.NoError(t, err)
		defer resp.Body.Close()
		var got struct {
			Code    int
			Message string
		}
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
		require.Equal(t, 3, got.Code)
		require.Contains(t, got.Message, "key is not provided")
		require.Empty(t, resp.Header.Get("x-dragoman-error"), "the error is etcd's own")
	})

	t.Run("watch over gRPC", func(t *testing.T) { watch(t, gw) })
}

// watch opens a stream both ways through the gateway, and sees what another
// client changes by JSON meanwhile.
func watch(t *testing.T, gw *gatewaytest.Gateway) {
	conn, err := grpc.NewClient(gw.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stream, err := etcdpb.NewWatchClient(conn).Watch(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(&etcdpb.WatchRequest{RequestUnion: &etcdpb.WatchRequest_CreateRequest{
		CreateRequest: &etcdpb.WatchCreateRequest{Key: []byte("watched")},
	}}))
	created, err := stream.Recv()
	require.NoError(t, err)
	require.True(t, created.Created)

	for _, value := range []string{"one", "two"} {
		post(t, gw, "/v3/kv/put", `{"key": "`+b64("watched")+`", "value": "`+b64(value)+`"}`)
		event, err := stream.Recv()
		require.NoError(t, err)
		require.Len(t, event.Events, 1)
		require.Equal(t, value, string(event.Events[0].Kv.Value))
	}

	require.NoError(t, stream.Send(&etcdpb.WatchRequest{RequestUnion: &etcdpb.WatchRequest_CancelRequest{
		CancelRequest: &etcdpb.WatchCancelRequest{WatchId: created.WatchId},
	}}))
	canceled, err := stream.Recv()
	require.NoError(t, err)
	require.True(t, canceled.Canceled)
}
