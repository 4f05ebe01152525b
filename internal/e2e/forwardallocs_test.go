package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// echo answers with the body of the request, or with a text if there is none.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if len(body) == 0 {
		body = []byte(`{"id": "1"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// forwarding is the address of a gateway that forwards what fits to a service.
func forwarding(t testing.TB, target string, match *configpb.Match) string {
	t.Helper()
	return configured(t, &configpb.Config{
		Listeners: []*configpb.Listener{{Name: "default", Address: "127.0.0.1:0"}},
		Upstreams: []*configpb.Upstream{{Name: "web", Kind: &configpb.Upstream_Http{Http: &configpb.HTTPUpstream{Url: "http://" + target}}}},
		Routes: []*configpb.Route{{
			Name: "web", Match: []*configpb.Match{match},
			Action: &configpb.Route_Forward{Forward: &configpb.ForwardRoute{Upstream: "web"}},
		}},
	})
}

const forwarded = " /v1/books/1?lang=en HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\nX-Tenant: blue\r\nX-Version: 2.1\r\n"

// TestForwardAllocations holds small requests that are forwarded, through the whole
// gateway with the access log on, to their budget. More than half of the allocations are
// those of net/http, as a server and as a client.
func TestForwardAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	address := forwarding(t, inRole(t, "web"), &configpb.Match{Prefix: "/v1"})
	body := strings.Repeat("x", 200)
	for _, one := range []struct {
		name, request string
		most          float64
	}{
		{"GET", "GET" + forwarded + "\r\n", 82},
		{"POST", fmt.Sprintf("POST%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", forwarded, len(body), body), 97},
	} {
		n := allocationsOf(t, address, one.request)
		t.Logf("%s: %.1f allocations a request", one.name, n)
		require.LessOrEqual(t, n, one.most, one.name)
	}
}

// TestMatchAllocations: a path with a variable, two headers and a parameter of the
// query cost no allocation in the whole gateway.
func TestMatchAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	target := inRole(t, "web")
	const request = "GET" + forwarded + "\r\n"
	plain := allocationsOf(t, forwarding(t, target, &configpb.Match{Prefix: "/"}), request)
	n := allocationsOf(t, forwarding(t, target, &configpb.Match{
		Path:    "/v1/books/{id}",
		Headers: []*configpb.ValueMatch{{Name: "x-tenant", Exact: proto.String("blue")}, {Name: "x-version", Prefix: proto.String("2.")}},
		Query:   []*configpb.ValueMatch{{Name: "lang", Regex: proto.String("[a-z]+")}},
	}), request)
	require.LessOrEqual(t, n, plain)
}
