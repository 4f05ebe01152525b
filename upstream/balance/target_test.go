package balance_test

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

func TestTargets(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, test := range []struct {
		in, address, name string
		port              uint16
		wantErr           string
	}{
		{in: "192.0.2.1:80", address: "192.0.2.1:80"},
		{in: "[2001:DB8:0::1]:443", address: "[2001:db8::1]:443"},
		{in: "[::ffff:192.0.2.1]:80", address: "192.0.2.1:80"},
		{in: "[fe80::1%eth0]:80", address: "[fe80::1%eth0]:80"},
		{in: "unix:/run/books.sock", address: "unix:/run/books.sock"},
		{in: "unix:@books", address: "unix:@books"},
		{in: "books:8080", name: "books", port: 8080},
		{in: "books.svc.cluster.local.:65535", name: "books.svc.cluster.local.", port: 65535},
		{in: "a_b-c.9d.1e:1", name: "a_b-c.9d.1e", port: 1},
		{in: long + ":1", name: long, port: 1},

		{in: "", wantErr: "not host:port"},
		{in: "books", wantErr: "not host:port"},
		{in: "2001:db8::1:80", wantErr: "in brackets"},
		{in: "http://books:80", wantErr: "not host:port"},
		{in: "books:http", wantErr: "the port must be"},
		{in: "books:0", wantErr: "the port must be"},
		{in: "books:65536", wantErr: "the port must be"},
		{in: "books:-1", wantErr: "the port must be"},
		{in: "books:", wantErr: "the port must be"},
		{in: ":80", wantErr: "neither an address nor a name"},
		{in: ".:80", wantErr: "neither an address nor a name"},
		{in: "a..b:80", wantErr: "neither an address nor a name"},
		{in: "192.0.2.256:80", wantErr: "neither an address nor a name"},
		{in: "2130706433:80", wantErr: "neither an address nor a name"},
		{in: "[2001:db8::g]:80", wantErr: "neither an address nor a name"},
		{in: "books/x:80", wantErr: "neither an address nor a name"},
		{in: "user@books:80", wantErr: "neither an address nor a name"},
		{in: "bücher:80", wantErr: "neither an address nor a name"},
		{in: "a" + long + ":1", wantErr: "neither an address nor a name"},
		{in: strings.Repeat(long+".", 4) + "b:1", wantErr: "neither an address nor a name"},
		{in: "unix:", wantErr: "no path"},
		{in: "unix:a\x00b", wantErr: "no path"},
	} {
		address, name, port, err := balance.ParseTarget(test.in)
		if test.wantErr != "" {
			require.ErrorContains(t, err, test.wantErr, "%q", test.in)
			continue
		}
		require.NoError(t, err, "%q", test.in)
		require.Equal(t, test.address, address, "%q", test.in)
		require.Equal(t, test.name, name, "%q", test.in)
		require.Equal(t, test.port, port, "%q", test.in)
	}
}

func FuzzTargets(f *testing.F) {
	for _, seed := range []string{"192.0.2.1:80", "[::1]:8080", "[fe80::1%eth0]:80", "books.svc.:65535", "unix:/run/x", "a..b:1", "1.2.3:4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, name, port, err := balance.ParseTarget(text)
		if err != nil {
			return
		}
		switch {
		case strings.HasPrefix(address, "unix:"):
			require.Equal(t, text, address)
		case address != "":
			// One text for what is one address.
			again, _, _, err := balance.ParseTarget(address)
			require.NoError(t, err)
			require.Equal(t, address, again)
			_, err = netip.ParseAddrPort(address)
			require.NoError(t, err)
		default:
			host, service, err := net.SplitHostPort(text)
			require.NoError(t, err)
			require.Equal(t, host, name)
			number, err := strconv.Atoi(service)
			require.NoError(t, err)
			require.Equal(t, number, int(port))
			_, err = netip.ParseAddr(name)
			require.Error(t, err)
		}
	})
}
