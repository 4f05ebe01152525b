package azure

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/azuretest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startApp(t *testing.T) *azuretest.App {
	return azuretest.StartApp(t, &azuretest.App{
		Levels: map[string]string{"open": "anonymous", "hello": "function", "other": "function", "admin": "admin"},
		Keys:   map[string]string{"hello": "hello+key==", "other": "other-key"},
		Host:   "host-key", Master: "master-key",
	})
}

func start(t *testing.T, cfg *configpb.AzureFunctionUpstream, env upstream.Env) *Upstream {
	t.Helper()
	pool := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the issuer's certificate is made for the test
	env.Name = "app"
	up, err := newUpstream(cfg, env, pool)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return up
}

// request is one as the gateway sends it: the path has the base in front.
func request(t *testing.T, up upstream.HTTP, method, target, body string, header http.Header) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://gateway"+up.Origin().BasePath+target, strings.NewReader(body))
	require.NoError(t, err)
	r.URL.RawPath = r.URL.EscapedPath()
	r.Host = up.Origin().Host
	if header != nil {
		r.Header = header
	}
	return r
}

func send(t *testing.T, up upstream.HTTP, r *http.Request) (int, azuretest.Seen) {
	t.Helper()
	query, header := r.URL.RawQuery, r.Header.Clone()
	resp, err := up.Send(r, nil)
	require.NoError(t, err)
	require.Equal(t, query, r.URL.RawQuery, "the request is changed")
	if header.Get("User-Agent") != "" {
		require.Equal(t, header, r.Header)
	}
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	var seen azuretest.Seen
	if resp.StatusCode == http.StatusOK {
		require.NoError(t, json.Unmarshal(body, &seen))
	}
	return resp.StatusCode, seen
}

// the function's path with its key, in the header or in the query; the master key
// for those that want it, and none for those that do not.
func TestKeys(t *testing.T) {
	app := startApp(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), []byte("host-key\n"), 0o600))
	for _, tt := range []struct {
		name   string
		cfg    *configpb.AzureFunctionUpstream
		target string
		status int
		query  string
	}{
		{"function", &configpb.AzureFunctionUpstream{Function: "hello", Level: "function", Key: "hello+key=="}, "/?name=x", 200, "name=x"},
		{"in the query", &configpb.AzureFunctionUpstream{Function: "hello", Key: "hello+key==", KeyInQuery: true}, "?name=x", 200, "name=x&code=hello%2Bkey%3D%3D"},
		{"alone in the query", &configpb.AzureFunctionUpstream{Function: "hello", Key: "hello+key==", KeyInQuery: true}, "", 200, "code=hello%2Bkey%3D%3D"},
		{"wrong", &configpb.AzureFunctionUpstream{Function: "hello", Key: "other-key"}, "", 401, ""},
		{"of a file", &configpb.AzureFunctionUpstream{Function: "hello", KeyFile: "key"}, "", 200, ""},
		{"master", &configpb.AzureFunctionUpstream{Function: "admin", Level: "master", Key: "master-key"}, "", 200, ""},
		{"not the master", &configpb.AzureFunctionUpstream{Function: "admin", Key: "host-key"}, "", 401, ""},
		{"anonymous", &configpb.AzureFunctionUpstream{Function: "open", Level: "anonymous"}, "?code=oauth&state=1", 200, "code=oauth&state=1"},
		{"anonymous where a key is wanted", &configpb.AzureFunctionUpstream{Function: "hello"}, "", 401, ""},
		{"single", &configpb.AzureFunctionUpstream{Key: "other-key", Keys: map[string]string{"Hello": "hello+key=="}}, "/hELLo/x", 200, ""},
		{"single, escaped", &configpb.AzureFunctionUpstream{Key: "other-key", Keys: map[string]string{"hello": "hello+key=="}}, "/h%65llo", 200, ""},
		{"escaped below it", &configpb.AzureFunctionUpstream{Keys: map[string]string{"hello": "hello+key=="}}, "/hello/a%2F%5Cb", 200, ""},
		{"not that single one", &configpb.AzureFunctionUpstream{Key: "other-key", Keys: map[string]string{"hello": "hello+key=="}}, "/other", 200, ""},
		{"single of a function that is set", &configpb.AzureFunctionUpstream{Function: "hello", Keys: map[string]string{"hello": "hello+key=="}}, "/x", 200, ""},
		{"a client's code", &configpb.AzureFunctionUpstream{Function: "hello", Key: "hello+key=="}, "?a=1&C%6fde=master-key&b=2", 200, "a=1&b=2"},
		{"a client's code, and no key for the function", &configpb.AzureFunctionUpstream{Keys: map[string]string{"other": "other-key"}}, "/hello?code=master-key", 401, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Url = app.URL
			up := start(t, tt.cfg, upstream.Env{Dir: dir})
			header := http.Header{"X-Functions-Key": {"master-key"}, "X_functions_key": {"master-key"}}
			status, seen := send(t, up, request(t, up, "GET", tt.target, "", header))
			require.Equal(t, tt.status, status)
			require.Equal(t, tt.query, seen.Query)
			require.NotContains(t, seen.Header, "X_functions_key")
			if tt.cfg.GetKeyInQuery() {
				require.NotContains(t, seen.Header, "X-Functions-Key")
			}
		})
	}
}

// A path that the app may resolve to another one gets no key: with the master key that
// one might be the app's own, which has all the others.
func TestPathsWithoutKey(t *testing.T) {
	for _, tt := range []struct {
		prefix, function string
		paths            []string
		want             bool
	}{
		{"", "hello", []string{"/a", "/a..b/.c/...", "/a%2e%2eb", "/admin", "/runtime/x"}, true},
		{"", "", []string{"/hello", "/admin/x", "/runtime"}, true},
		{"/", "", []string{"/hello/admin", "/administer", "/"}, true},
		{"/", "admin/functions", []string{"/hello"}, true}, // who says so means it
		{"", "hello", []string{"/..", "/../admin/host/keys", "/a/../../x", "/%2e%2e/x", "/.%2E/x", "/a%2f..%2Fx", "/a%2F%2e%2e%2Fx", "/a\\..\\x", "/a%5C..%5cx", "/./x", "/x/%2E"}, false},
		{"/", "", []string{"/admin/host/keys", "/Admin", "/%61dmin/x", "/runtime/webhooks/x", "//admin/x", "/hello/../admin/x"}, false},
	} {
		up := start(t, &configpb.AzureFunctionUpstream{Url: "http://127.0.0.1:1", RoutePrefix: tt.prefix, Function: tt.function, Key: "master-key"}, upstream.Env{})
		for _, path := range tt.paths {
			var sent http.Header
			up.HTTP = spy{up.HTTP, func(r *http.Request) { sent = r.Header }}
			r := request(t, up, "GET", "/", "", nil)
			r.URL.RawPath = up.Origin().BasePath + path
			_, err := up.Send(r, nil)
			require.Error(t, err)
			require.Equal(t, tt.want, sent.Get("X-Functions-Key") == "master-key", "prefix %q, function %q: %s", tt.prefix, tt.function, path)
		}
	}
}

// Where the app sends clients to does not say the key that it was called with.
func TestRedirects(t *testing.T) {
	var location string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if location != "" {
			w.Header().Set("Location", strings.ReplaceAll(location, "URI", r.URL.RequestURI()))
		}
		w.WriteHeader(http.StatusFound)
	}))
	defer server.Close()
	for _, tt := range []struct {
		name, location, want string
		header               bool
	}{
		{"none", "", "", false},
		{"the same with https", "https://orders.example.comURI", "https://orders.example.com/api/hello?a=1", false},
		{"elsewhere", "/api/other?code=oauth", "/api/other?code=oauth", false},
		{"to sign in", "https://login.example.com/?state=" + url.QueryEscape("redir="+url.QueryEscape("/api/hello?code=hello%2Bkey%3D%3D")), "", false},
		{"as it is", "/x#hello+key==", "", false},
		{"not sent there", "/x?code=hello%2Bkey%3D%3D", "/x?code=hello%2Bkey%3D%3D", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, cfg := range []*configpb.AzureFunctionUpstream{{Key: "hello+key=="}, {Keys: map[string]string{"hello": "hello+key=="}}} {
				cfg.Url, cfg.Function, cfg.KeyInQuery = server.URL, "hello", !tt.header
				location = tt.location
				up := start(t, cfg, upstream.Env{})
				resp, err := up.Send(request(t, up, "GET", "?a=1", "", nil), nil)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, tt.want, resp.Header.Get("Location"))
			}
		})
	}
}

// Who a user is App Service says, and no client.
func TestPrincipals(t *testing.T) {
	app := startApp(t)
	up := start(t, &configpb.AzureFunctionUpstream{Url: app.URL, Function: "open"}, upstream.Env{})
	status, seen := send(t, up, request(t, up, "GET", "/", "", http.Header{
		"X-Ms-Client-Principal": {"forged"}, "X-Ms-Client-Principal-Id": {"forged"}, "X_ms_client_principal_name": {"forged"},
		"X-Ms-Token-Aad-Id-Token": {"forged"}, "X-Ms-Client": {"kept"}, "X-Zumo-Auth": {"kept"}, "X-Forwarded-Authorization": {"kept"},
	}))
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []string{"kept"}, seen.Header["X-Ms-Client"])
	require.Equal(t, []string{"kept"}, seen.Header["X-Zumo-Auth"])
	require.Equal(t, []string{"kept"}, seen.Header["X-Forwarded-Authorization"], "without tokens it is a header like others")
	for name, values := range seen.Header {
		require.NotContains(t, values, "forged", name)
	}
}

// A secret is sent to whom it is for, and not where that says.
func TestIssuersThatRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s is asked", r.URL) }))
	defer elsewhere.Close()
	asked := false
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = true
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer issuer.Close()
	t.Setenv("IDENTITY_ENDPOINT", issuer.URL)
	t.Setenv("IDENTITY_HEADER", "header")
	up := start(t, &configpb.AzureFunctionUpstream{Url: "http://127.0.0.1:1", Entra: &configpb.AzureEntra{Scope: "api://orders/.default", ClientId: "c"}}, upstream.Env{})
	_, err := up.Send(request(t, up, "GET", "/", "", nil), nil)
	var failure *upstream.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, rpc.UpstreamDenied, failure.Reason)
	require.True(t, asked)
}

// An escaped slash ends no name, neither for us nor for the app.
func TestNamesWithSlashes(t *testing.T) {
	k := keys{single: map[string]string{"shop": "shop", "shop/orders": "orders"}}
	for path, want := range map[string]string{
		"/shop": "shop", "/Shop/x": "shop", "/shop/orders/7": "orders", "/s%68op/%4Frders": "orders", "/shop//orders": "shop",
		"/shop%2Forders": "", "/shop%2forders/7": "", "/shop/orders%2F7": "shop", "/shopping": "", "/": "", "/%zz/shop": "",
	} {
		require.Equal(t, want, k.of(path, false), path)
	}
}

// The file with a secret is read each time: secrets are changed while the gateway runs.
func TestSecretThatIsChanged(t *testing.T) {
	entra := azuretest.StartEntra(t, true)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("old"), 0o600))
	pool := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the certificate is made for the test
	defer pool.CloseIdleConnections()
	source, err := newSource(&configpb.AzureEntra{
		Scope: "api://orders/.default", ClientId: entra.ClientID, TenantId: "22222222-2222-3333-4444-555555555555",
		ClientSecretFile: secret, AuthorityHost: entra.URL,
	}, "", pool)
	require.NoError(t, err)
	_, err = source(t.Context())
	require.ErrorContains(t, err, "invalid_client")
	require.NoError(t, os.WriteFile(secret, []byte(entra.Secret), 0o600))
	_, err = source(t.Context())
	require.NoError(t, err)
}

func FuzzPlain(f *testing.F) {
	for _, seed := range []string{"", "/Hello/x", "/h%65llo%2Fx", "/a/%2e./b", "/%zz", "/a\\..", "/%252e%252e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, ok := plain(path)
		if !ok {
			return
		}
		decoded, err := url.PathUnescape(path)
		if err != nil {
			t.Fatalf("%q is malformed", path)
		}
		if clean := strings.ReplaceAll("/"+decoded+"/", "\\", "/"); strings.Contains(clean, "/../") || strings.Contains(clean, "/./") {
			t.Fatalf("%q is ok", path)
		}
		if got != strings.ToLower(got) || strings.HasPrefix(got, "/") || strings.HasSuffix(got, "/") {
			t.Fatalf("%q becomes %q", path, got)
		}
	})
}

func TestPaths(t *testing.T) {
	app := startApp(t)
	for _, tt := range []struct{ prefix, function, target, sent string }{
		{"", "hello", "/", "/api/hello"},
		{"", "/hello/", "/a%2Fb/c?x=%20", "/api/hello/a%2Fb/c?x=%20"},
		{"", "", "/hello/a", "/api/hello/a"},
		{"/", "hello", "/a", "/hello/a"},
		{"/", "", "/hello", "/hello"},
		{"/v1/api/", "hello", "/a/", "/v1/api/hello/a/"},
	} {
		app.Prefix = tt.prefix
		var sent string
		up := start(t, &configpb.AzureFunctionUpstream{Url: app.URL + "/", RoutePrefix: tt.prefix, Function: tt.function, Key: "host-key"}, upstream.Env{})
		up.HTTP = spy{up.HTTP, func(r *http.Request) { sent = r.URL.RawPath + "?" + r.URL.RawQuery }}
		status, seen := send(t, up, request(t, up, "PUT", tt.target, "body", nil))
		require.Equal(t, http.StatusOK, status, tt.sent)
		require.Equal(t, tt.sent, strings.TrimSuffix(sent, "?"))
		require.Equal(t, strings.TrimPrefix(app.URL, "http://"), up.Origin().Host, "or the gateway sends the one that the client asked for")
		require.Equal(t, []string{"PUT", "hello", "body", strings.TrimPrefix(app.URL, "http://")}, []string{seen.Method, seen.Function, seen.Body, seen.Host})
	}
}

// spy sees what is sent.
type spy struct {
	upstream.HTTP
	see func(*http.Request)
}

func (s spy) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	s.see(r)
	return s.HTTP.Send(r, tried)
}

func TestManagedIdentity(t *testing.T) {
	entra := azuretest.StartEntra(t, false)
	t.Setenv("IDENTITY_ENDPOINT", entra.URL+"/identity")
	t.Setenv("IDENTITY_HEADER", entra.IdentityHeader)
	app := startApp(t)
	app.Token = azuretest.TokenFor("api://orders")
	for name, cfg := range map[string]*configpb.AzureEntra{
		"of the user": {Scope: "api://orders/.default", ClientId: entra.ClientID},
		"default":     {Scope: "api://orders/.default"},
	} {
		t.Run(name, func(t *testing.T) {
			before := entra.Issued.Load()
			up := start(t, &configpb.AzureFunctionUpstream{Url: app.URL, Function: "hello", Key: "hello+key==", Entra: cfg}, upstream.Env{})
			var wg sync.WaitGroup
			for range 10 {
				r := request(t, up, "GET", "/", "", http.Header{"Authorization": {"Basic eA=="}, "X-Forwarded-Authorization": {"forged"}})
				wg.Go(func() {
					status, seen := send(t, up, r)
					if status != http.StatusOK || strings.Join(seen.Header["X-Forwarded-Authorization"], ",") != "Basic eA==" {
						t.Errorf("%d %v", status, seen.Header)
					}
				})
			}
			wg.Wait()
			require.LessOrEqual(t, entra.Issued.Load()-before, int32(1), "one fetch for all")
		})
	}
}

func TestApplication(t *testing.T) {
	entra := azuretest.StartEntra(t, true)
	app := startApp(t)
	app.Token = azuretest.TokenFor("api://orders")
	secret := filepath.Join(t.TempDir(), "secret")
	cfg := &configpb.AzureFunctionUpstream{Url: app.URL, Function: "open", Entra: &configpb.AzureEntra{
		Scope: "api://orders/.default", ClientId: entra.ClientID, TenantId: "22222222-2222-3333-4444-555555555555",
		ClientSecretFile: secret, AuthorityHost: entra.URL,
	}}
	require.NoError(t, os.WriteFile(secret, []byte("wrong-secret"), 0o600))
	var log bytes.Buffer
	wrong := start(t, cfg, upstream.Env{Log: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := wrong.Send(request(t, wrong, "GET", "/", "", nil), nil)
	var failure *upstream.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, rpc.UpstreamDenied, failure.Reason)
	require.True(t, failure.NotSent)
	require.Empty(t, failure.Message)
	require.Contains(t, log.String(), "invalid_client")
	require.NotContains(t, err.Error()+log.String(), "wrong-secret")

	require.NoError(t, os.WriteFile(secret, []byte(entra.Secret+"\n"), 0o600))
	up := start(t, cfg, upstream.Env{})
	status, _ := send(t, up, request(t, up, "GET", "/", "", nil))
	require.Equal(t, http.StatusOK, status)
	entra.Down.Store(true)
	status, _ = send(t, up, request(t, up, "GET", "/", "", nil))
	require.Equal(t, http.StatusOK, status, "the token is used while the issuer is down")
}

type body struct {
	*strings.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

func TestIssuerThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("hush"), 0o600))
	up := start(t, &configpb.AzureFunctionUpstream{Url: "http://127.0.0.1:1", Entra: &configpb.AzureEntra{
		Scope: "api://orders/.default", ClientId: "gateway", TenantId: "22222222-2222-3333-4444-555555555555",
		ClientSecretFile: "secret", AuthorityHost: "https://127.0.0.1:1",
	}}, upstream.Env{Dir: dir})
	begun := time.Now()
	in := &body{Reader: strings.NewReader("x")}
	r := request(t, up, "POST", "/", "", nil)
	r.Body = in
	_, err := up.Send(r, nil)
	require.True(t, in.closed)
	var failure *upstream.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, rpc.UpstreamDenied, failure.Reason)
	require.ErrorContains(t, err, "connection refused")
	require.Less(t, time.Since(begun), 6*time.Second, "requests are told soon")
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	for want, cfg := range map[string]*configpb.AzureFunctionUpstream{
		`upstream "app": key_file: open `:              {KeyFile: "absent"},
		"key: byte 6 is not printable ASCII":           {Key: "secret\r\nX: y"},
		"key: byte 3 is not printable ASCII":           {Key: "abc\x7f"},
		`keys["b"]: byte 1 is not printable ASCII`:     {Keys: map[string]string{"b": "kéy"}},
		`keys["a"]: name a function, and give its key`: {Keys: map[string]string{"a": ""}},
		"client_secret_file is for an application":     {Entra: &configpb.AzureEntra{Scope: "s", ClientSecretFile: "x"}},
	} {
		cfg.Url = "https://orders.azurewebsites.net"
		_, err := New(cfg, upstream.Env{Name: "app", Dir: t.TempDir()})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret\r")
	}
}

func FuzzWithoutCode(f *testing.F) {
	for _, seed := range []string{"", "code=1", "a=1&CODE=2&b", "c%6Fde=1&&x", "%zz&code"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got := withoutCode(query)
		values, _ := url.ParseQuery(got)
		for name := range values {
			if strings.EqualFold(name, "code") {
				t.Fatalf("%q still has it: %q", query, got)
			}
		}
		if withoutCode(got) != got {
			t.Fatalf("%q is not done", got)
		}
	})
}

func TestWarnsOfClearText(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  *configpb.AzureFunctionUpstream
		want bool
	}{
		"key":       {&configpb.AzureFunctionUpstream{Url: "http://orders.example.com", Key: "secret"}, true},
		"token":     {&configpb.AzureFunctionUpstream{Url: "http://orders.example.com", Entra: &configpb.AzureEntra{Scope: "s", ClientId: "c"}}, true},
		"nothing":   {&configpb.AzureFunctionUpstream{Url: "http://orders.example.com"}, false},
		"encrypted": {&configpb.AzureFunctionUpstream{Url: "https://orders.example.com", Key: "secret"}, false},
		"at home":   {&configpb.AzureFunctionUpstream{Url: "http://127.0.0.1:7071", Key: "secret"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			start(t, tt.cfg, upstream.Env{Name: "app", Log: slog.New(slog.NewTextHandler(&log, nil))})
			require.Equal(t, tt.want, strings.Contains(log.String(), "clear text"), log.String())
			require.NotContains(t, log.String(), "secret")
		})
	}
}
