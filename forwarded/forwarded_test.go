package forwarded_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/forwarded"
)

func networks(testing.TB) forwarded.Networks {
	return of("10.0.0.0/8", "::1/128", "192.0.2.7/32", "2001:db8:1::/48")
}

func of(texts ...string) forwarded.Networks {
	var prefixes []netip.Prefix
	for _, text := range texts {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	return forwarded.Of(prefixes)
}

func TestContains(t *testing.T) {
	n := of("10.1.2.3/8", "::ffff:192.0.2.0/120", "fe80::1/128")
	for text, want := range map[string]bool{
		"10.255.0.1": true, "11.0.0.1": false, "::ffff:10.0.0.1": true, "192.0.2.9": true, "192.0.3.9": false,
		"fe80::1": true, "fe80::1%lo": true, "::1": false,
	} {
		require.Equal(t, want, n.Contains(netip.MustParseAddr(text)), text)
	}
}

func TestClientOf(t *testing.T) {
	n := networks(t)
	const (
		proxy    = "10.0.0.1:1234"
		stranger = "203.0.113.9:1234"
	)
	long := strings.Repeat("10.0.0.2, ", 900) + "10.0.0.3"
	for _, tt := range []struct {
		name, peer string
		header     http.Header
		// want is address, scheme and host; empty if nothing is believed.
		want string
	}{
		{"stranger", stranger, http.Header{"X-Forwarded-For": {"6.6.6.6"}, "X-Forwarded-Proto": {"https"}}, ""},
		{"no address", "@", http.Header{"X-Forwarded-For": {"6.6.6.6"}}, ""},
		{"silent proxy", proxy, nil, "10.0.0.1 http own"},
		{"mapped proxy", "[::ffff:10.0.0.1]:1", nil, "10.0.0.1 http own"},
		{"IPv6 proxy with zone", "[::1%lo]:1", http.Header{"X-Forwarded-For": {"1.2.3.4"}}, "1.2.3.4 http own"},
		{"one hop", proxy, http.Header{"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Proto": {"HTTPS"}, "X-Forwarded-Host": {"example.com:8443"}}, "1.2.3.4 https example.com:8443"},
		{"what a client forged", proxy, http.Header{"X-Forwarded-For": {"6.6.6.6, 10.0.0.9, 1.2.3.4"}}, "1.2.3.4 http own"},
		{"trusted hops", proxy, http.Header{"X-Forwarded-For": {"6.6.6.6, 1.2.3.4, 10.3.3.3 ,192.0.2.7"}}, "1.2.3.4 http own"},
		{"lines", proxy, http.Header{"X-Forwarded-For": {"6.6.6.6", "1.2.3.4", "10.3.3.3"}}, "1.2.3.4 http own"},
		{"all trusted", proxy, http.Header{"X-Forwarded-For": {"10.0.0.5, 10.0.0.6"}}, "10.0.0.5 http own"},
		{"ports", proxy, http.Header{"X-Forwarded-For": {"1.2.3.4:99, [2001:db8:1::5]:80"}}, "1.2.3.4 http own"},
		{"IPv6", proxy, http.Header{"X-Forwarded-For": {"2001:DB8::1"}}, "2001:db8::1 http own"},
		{"IPv6 in brackets", proxy, http.Header{"X-Forwarded-For": {"[2001:db8::1]"}}, "2001:db8::1 http own"},
		{"garbage stops", proxy, http.Header{"X-Forwarded-For": {"6.6.6.6, x, 10.0.0.2"}}, "10.0.0.2 http own"},
		{"empty element stops", proxy, http.Header{"X-Forwarded-For": {"6.6.6.6,,"}}, "10.0.0.1 http own"},
		{"unknown stops", proxy, http.Header{"X-Forwarded-For": {"6.6.6.6, unknown"}}, "10.0.0.1 http own"},
		{"no port", proxy, http.Header{"X-Forwarded-For": {"1.2.3.4:x"}}, "10.0.0.1 http own"},
		{"too long", proxy, http.Header{"X-Forwarded-For": {long}}, "10.0.0.1 http own"},
		{"too many hops", proxy, http.Header{"X-Forwarded-For": {"6.6.6.6" + strings.Repeat(",10.0.0.4", 70)}}, "10.0.0.4 http own"},
		{"scheme and host that are none", proxy, http.Header{"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Proto": {"ftp"}, "X-Forwarded-Host": {"a/b"}}, "1.2.3.4 http own"},
		{"appended schemes", proxy, http.Header{"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Proto": {"https, http"}}, "1.2.3.4 http own"},
		{"appended schemes of two", proxy, http.Header{"X-Forwarded-For": {"1.2.3.4, 10.0.0.2"}, "X-Forwarded-Proto": {"https, http"}}, "1.2.3.4 https own"},
		{"scheme alone", proxy, http.Header{"X-Forwarded-Proto": {"https"}}, "10.0.0.1 https own"},

		{"standard", proxy, http.Header{"Forwarded": {`for=1.2.3.4;proto=https;host=example.com`}}, "1.2.3.4 https example.com"},
		{"standard quoted", proxy, http.Header{"Forwarded": {`For="[2001:db8::1]:4711" ; Host="a\.b:80";by=x`}}, "2001:db8::1 http a.b:80"},
		{"standard forged", proxy, http.Header{"Forwarded": {`for=6.6.6.6;proto=https, for=1.2.3.4`}}, "1.2.3.4 http own"},
		{"standard hops", proxy, http.Header{"Forwarded": {`for=6.6.6.6, for=1.2.3.4;proto=https`, `for=10.9.9.9;host=inner`}}, "1.2.3.4 https inner"},
		{"standard comma in quotes", proxy, http.Header{"Forwarded": {`for=1.2.3.4;x="a, for=6.6.6.6"`}}, "1.2.3.4 http own"},
		{"standard quote that does not end", proxy, http.Header{"Forwarded": {`for=6.6.6.6, for="1.2.3.4`}}, "10.0.0.1 http own"},
		{"standard obfuscated", proxy, http.Header{"Forwarded": {`for=_hidden`}}, "10.0.0.1 http own"},
		{"standard obfuscated port", proxy, http.Header{"Forwarded": {`for="1.2.3.4:_p"`}}, "1.2.3.4 http own"},
		{"standard unknown", proxy, http.Header{"Forwarded": {`for=6.6.6.6, for=unknown, for=10.0.0.7`}}, "10.0.0.7 http own"},
		{"standard twice", proxy, http.Header{"Forwarded": {`for=6.6.6.6;for=1.2.3.4`}}, "10.0.0.1 http own"},
		{"standard malformed", proxy, http.Header{"Forwarded": {`for=6.6.6.6, for`}}, "10.0.0.1 http own"},
		{"standard semicolon missing", proxy, http.Header{"Forwarded": {`for="1.2.3.4"x=y`}}, "10.0.0.1 http own"},

		{"both agree", proxy, http.Header{"Forwarded": {`for=1.2.3.4;proto=https`}, "X-Forwarded-For": {"1.2.3.4"}}, "1.2.3.4 https own"},
		{"both disagree", proxy, http.Header{"Forwarded": {`for=6.6.6.6;proto=https`}, "X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Proto": {"https"}}, "10.0.0.1 http own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := n.ClientOf(forwarded.Peer{Address: tt.peer, Scheme: "http", Host: "own"}, tt.header)
			require.Equal(t, tt.want != "", ok)
			if ok {
				require.Equal(t, tt.want, c.Address+" "+c.Scheme+" "+c.Host)
			}
		})
	}
	_, ok := forwarded.Networks(nil).ClientOf(forwarded.Peer{Address: proxy}, nil)
	require.False(t, ok)
}

func TestWrite(t *testing.T) {
	n := networks(t)
	all := forwarded.Headers{List: true, Standard: true}
	for _, tt := range []struct {
		name, peer string
		in         http.Header
		headers    forwarded.Headers
		want       http.Header
	}{
		{"stranger", "203.0.113.9:1", http.Header{"X-Forwarded-For": {"6.6.6.6"}, "Forwarded": {"for=6.6.6.6"}, "X-Real-Ip": {"6.6.6.6"}}, all,
			http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"own:1"}, "Forwarded": {`for=203.0.113.9;host="own:1";proto=https`}}},
		{"stranger of IPv6", "[2001:db8::9%x]:1", nil, all,
			http.Header{"X-Forwarded-For": {"2001:db8::9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"own:1"}, "Forwarded": {`for="[2001:db8::9]";host="own:1";proto=https`}}},
		{"proxy with list", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"6.6.6.6, 1.2.3.4", "10.0.0.2"}, "X-Forwarded-Proto": {"http"}, "X-Real-Ip": {"6.6.6.6"}}, all,
			http.Header{"X-Forwarded-For": {"6.6.6.6, 1.2.3.4, 10.0.0.2, 10.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"own:1"}, "X-Real-Ip": {"1.2.3.4"},
				"Forwarded": {`for=1.2.3.4;host="own:1";proto=http, for=10.0.0.1`}}},
		{"proxy with standard", "10.0.0.1:1", http.Header{"Forwarded": {"for=1.2.3.4;host=h"}}, all,
			http.Header{"X-Forwarded-For": {"1.2.3.4, 10.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"h"}, "Forwarded": {`for=1.2.3.4;host="h";proto=https, for=10.0.0.1`}}},
		{"proxy whose headers disagree", "10.0.0.1:1", http.Header{"Forwarded": {"for=1.2.3.4"}, "X-Forwarded-For": {"6.6.6.6"}}, all,
			http.Header{"X-Forwarded-For": {"10.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"own:1"}, "Forwarded": {`for=10.0.0.1;host="own:1";proto=https`}}},
		{"none", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"1.2.3.4"}}, forwarded.Headers{}, http.Header{}},
		{"no address", "@", nil, forwarded.Headers{List: true}, http.Header{"X-Forwarded-For": {"unknown"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"own:1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := forwarded.Peer{Address: tt.peer, Scheme: "https", Host: "own:1"}
			var told *forwarded.Client
			if c, ok := n.ClientOf(p, tt.in); ok {
				told = &c
			}
			out := http.Header{}
			forwarded.Write(out, p, told, tt.in, tt.headers)
			require.Equal(t, tt.want, out)
		})
	}
}

func TestAddStandard(t *testing.T) {
	for _, tt := range []struct {
		name  string
		list  []string
		host  string
		proto string
		want  []string
	}{
		{"stranger", []string{"203.0.113.9"}, "own:1", "https", []string{`for=203.0.113.9;host="own:1";proto=https`}},
		{"stranger of IPv6", []string{"2001:db8::9"}, "", "", []string{`for="[2001:db8::9]";proto=http`}},
		{"client and proxy", []string{"1.2.3.4, 10.0.0.1"}, "h", "https", []string{`for=1.2.3.4;host="h";proto=https, for=10.0.0.1`}},
		{"lines", []string{"1.2.3.4 ,10.0.0.2", "::1"}, "", "http", []string{`for=1.2.3.4;proto=http, for=10.0.0.2, for="[::1]"`}},
		{"forged", []string{`6.6.6.6, for="x, 1.2.3.4, 10.0.0.1`}, "", "", []string{`for=1.2.3.4;proto=http, for=10.0.0.1`}},
		{"no address", []string{"@"}, "own", "https", []string{`for=unknown;host="own";proto=https`}},
		{"host and scheme that are none", []string{"1.2.3.4"}, `a";for=6.6.6.6`, "ftp", []string{`for=1.2.3.4;proto=http`}},
		{"many", []string{strings.Repeat("1.2.3.4,", 100) + "1.2.3.4"}, "", "", []string{"for=1.2.3.4;proto=http" + strings.Repeat(", for=1.2.3.4", 63)}},
		{"nothing", nil, "own", "https", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"X-Forwarded-For": tt.list}
			h.Set("X-Forwarded-Host", tt.host)
			h.Set("X-Forwarded-Proto", tt.proto)
			forwarded.AddStandard(h)
			require.Equal(t, tt.want, h["Forwarded"])
		})
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Client-Cert", "Forwarded", "X-Real-Ip"} {
		require.True(t, forwarded.Is(name))
	}
	require.False(t, forwarded.Is("X-Forwarder"))
	require.True(t, forwarded.Made("X-Forwarded-For"))
	require.True(t, forwarded.Made("Forwarded"))
	require.False(t, forwarded.Made("X-Forwarded-Prefix"))
	h := http.Header{"X-Forwarded-Prefix": {"/a"}, "X-Real-Ip": {"1.2.3.4"}, "Forwarded": {"for=a"}, "X-Other": {"b"}}
	forwarded.Drop(h)
	require.Equal(t, http.Header{"X-Other": {"b"}}, h)
}

// FuzzClientOf holds what is believed to what is trusted: the client is an address, and
// what is sent on reads back as the same client.
func FuzzClientOf(f *testing.F) {
	f.Add("1.2.3.4, 10.0.0.2", "", "https", "example.com")
	f.Add("", `for="[2001:db8::1]:80";proto=http;host="a\"b", for=_x`, "", "")
	f.Add("[::1", `for=",;="`, "a,b", "a b")
	n := networks(f)
	f.Fuzz(func(t *testing.T, list, standard, scheme, host string) {
		h := http.Header{}
		for name, value := range map[string]string{"X-Forwarded-For": list, "Forwarded": standard, "X-Forwarded-Proto": scheme, "X-Forwarded-Host": host} {
			if value != "" {
				h[name] = []string{value}
			}
		}
		p := forwarded.Peer{Address: "10.0.0.1:1", Scheme: "http", Host: "own"}
		c, ok := n.ClientOf(p, h)
		require.True(t, ok)
		_, err := netip.ParseAddr(c.Address)
		require.NoError(t, err)
		require.Contains(t, []string{"http", "https"}, c.Scheme)
		require.NotEmpty(t, c.Host)
		_, ok = n.ClientOf(forwarded.Peer{Address: "203.0.113.9:1"}, h)
		require.False(t, ok)
		for _, headers := range []forwarded.Headers{{List: true}, {Standard: true}} {
			out := http.Header{}
			forwarded.Write(out, p, &c, h, headers)
			again, ok := n.ClientOf(forwarded.Peer{Address: "10.0.0.99:1", Scheme: "http", Host: "own"}, out)
			require.True(t, ok)
			if len(list)+len(standard) < 4096 && strings.Count(list, ",")+strings.Count(standard, ",") < 32 {
				require.Equal(t, c.Address, again.Address)
			}
			if headers.List {
				forwarded.AddStandard(out)
				delete(out, "X-Forwarded-For")
				standard, ok := n.ClientOf(forwarded.Peer{Address: "10.0.0.99:1", Scheme: "http", Host: "own"}, out)
				require.True(t, ok)
				require.Equal(t, again.Address, standard.Address)
			}
		}
	})
}
