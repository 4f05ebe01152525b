package google

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/impersonate"
	"cloud.google.com/go/auth/httptransport"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream/file"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

// maxFile is how many bytes a file with credentials may have.
const maxFile = 64 << 10

// scope is what access tokens are for that identity tokens are got with.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// origin is where identity tokens come from.
type origin struct {
	audience string
	// file has the credentials; empty if they are the machine's.
	file      string
	account   string
	delegates []string
	client    *http.Client
}

// newSource is the source of the tokens of cfg. A file is looked into at once, so that
// a mistake in it is one of the configuration. Later it is read anew for each token: keys
// are changed while the gateway runs.
func newSource(cfg *configpb.GoogleFunctionUpstream, dir string, issuers http.RoundTripper) (token.Source, error) {
	from := cfg.GetCredentials()
	o := &origin{
		audience: cmp.Or(cfg.GetAudience(), audienceOf(cfg.GetUrl())),
		file:     from.GetFile(),
		account:  from.GetImpersonate(), delegates: from.GetDelegates(),
		client: token.NewClient(issuers),
	}
	if o.file != "" {
		o.file = file.Path(dir, o.file)
	}
	if o.file == "" {
		o.file = os.Getenv("GOOGLE_APPLICATION_CREDENTIALS")
	}
	if o.file != "" {
		if _, err := o.tokens(); err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
	}
	return o.fetch, nil
}

// audienceOf is whom tokens for a function at url must be for. At Google's own hosts that
// is the URL of the service, or that of the function with its name, whatever path comes
// behind it (docs: run/docs/configuring/custom-audiences, functions/docs/securing/
// authenticating); at others it is what was written.
func audienceOf(text string) string {
	text = strings.TrimRight(text, "/")
	base, err := url.Parse(text)
	if err != nil {
		return text // which is refused
	}
	origin := base.Scheme + "://" + base.Host
	switch host := strings.ToLower(base.Hostname()); {
	case strings.HasSuffix(host, ".run.app"):
		return origin
	case strings.HasSuffix(host, ".cloudfunctions.net"):
		name, _, _ := strings.Cut(strings.TrimLeft(base.EscapedPath(), "/"), "/")
		return strings.TrimRight(origin+"/"+name, "/")
	default:
		return text
	}
}

// fetch implements [token.Source].
func (o *origin) fetch(ctx context.Context) (token.Token, error) {
	// They are made for one token only: the library's keep tokens of their own, and the
	// file may have changed.
	tokens, err := o.tokens()
	if err != nil {
		return token.Token{}, err
	}
	got, err := tokens.Token(ctx)
	if err != nil {
		return token.Token{}, err
	}
	expires := token.ExpiryOf(got.Value)
	if expires.IsZero() {
		expires = cmp.Or(got.Expiry, time.Now().Add(time.Hour))
	}
	return token.Token{Text: got.Value, Expires: expires}, nil
}

// tokens are what has identity tokens. Nothing is sent for them yet.
func (o *origin) tokens() (auth.TokenProvider, error) {
	if o.file == "" {
		if o.account != "" {
			return o.impersonated(auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: o.machine(accessToken)}), o.account, o.delegates)
		}
		return o.machine(o.identityToken), nil
	}
	data, kind, err := readFile(o.file)
	if err != nil {
		return nil, err
	}
	tokens, err := o.ofFile(data, kind)
	if err != nil {
		return nil, fmt.Errorf("file %q: %w", o.file, err)
	}
	return tokens, nil
}

// ofFile are the tokens that the credentials of a file give.
func (o *origin) ofFile(data []byte, kind credentials.CredType) (auth.TokenProvider, error) {
	account, delegates := o.account, o.delegates
	if account == "" {
		// Only service accounts have identity tokens. The one that the file is about has
		// them by the credentials that the file is made with.
		var err error
		switch kind {
		case credentials.ServiceAccount:
			return o.key(data)
		case credentials.ExternalAccount, credentials.ImpersonatedServiceAccount:
			if data, kind, account, delegates, err = unwrap(data, kind); err != nil {
				return nil, err
			}
		default:
			return nil, errUser
		}
	}
	base, err := credentials.NewCredentialsFromJSON(kind, data, &credentials.DetectOptions{Scopes: []string{scope}, Client: o.client})
	if err != nil {
		return nil, err
	}
	return o.impersonated(base, account, delegates)
}

// key are the tokens that the key of a service account gives. Google's package for these
// asks by a client of its own, which follows redirects and the environment's proxies.
func (o *origin) key(data []byte) (auth.TokenProvider, error) {
	var file struct {
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
		KeyID string `json:"private_key_id"`
		URL   string `json:"token_uri"`
	}
	if json.Unmarshal(data, &file) != nil {
		return nil, errors.New("it is no key of a service account")
	}
	return auth.New2LOTokenProvider(&auth.Options2LO{
		Email: file.Email, PrivateKey: []byte(file.Key), PrivateKeyID: file.KeyID,
		TokenURL:   cmp.Or(file.URL, "https://oauth2.googleapis.com/token"),
		UseIDToken: true, PrivateClaims: map[string]any{"target_audience": o.audience}, Client: o.client,
	})
}

// impersonated are the tokens of an account, by the access tokens of another one.
func (o *origin) impersonated(base *auth.Credentials, account string, delegates []string) (auth.TokenProvider, error) {
	client, err := httptransport.NewClient(&httptransport.Options{
		Credentials: base, BaseRoundTripper: o.client.Transport, DisableTelemetry: true,
	})
	if err != nil {
		return nil, err
	}
	client.CheckRedirect = o.client.CheckRedirect
	return impersonate.NewIDTokenCredentials(&impersonate.IDTokenOptions{
		Audience: o.audience, TargetPrincipal: account, Delegates: delegates, IncludeEmail: true,
		Credentials: base, Client: client,
	})
}

// kinds are the files that identity tokens can be got with; with those of a user only by
// impersonation.
var kinds = []credentials.CredType{
	credentials.ServiceAccount, credentials.ExternalAccount, credentials.ImpersonatedServiceAccount,
	credentials.AuthorizedUser, credentials.ExternalAccountAuthorizedUser,
}

func readFile(name string) ([]byte, credentials.CredType, error) {
	data, err := file.Read("", name, maxFile)
	if err != nil {
		return nil, "", err
	}
	var head struct {
		Type credentials.CredType `json:"type"`
	}
	if json.Unmarshal(data, &head) != nil {
		// Why says what is in the file.
		return nil, "", fmt.Errorf("file %q is no JSON object of credentials", name)
	}
	if !slices.Contains(kinds, head.Type) {
		return nil, "", fmt.Errorf("file %q has credentials of type %q: give the key of a service account, or a configuration of workload identity federation", name, head.Type)
	}
	return data, head.Type, nil
}

var (
	errUser      = errors.New("it is of a user, who has no identity tokens: set impersonate, or give the key of a service account or a configuration of workload identity federation")
	errNoAccount = errors.New("it names no service account: set impersonate, or service_account_impersonation_url in the file")
)

// unwrap is the service account that a file is about, and what the file says of who may
// have tokens of it.
func unwrap(data []byte, kind credentials.CredType) (base []byte, baseKind credentials.CredType, account string, delegates []string, err error) {
	var file map[string]json.RawMessage
	var target string
	if json.Unmarshal(data, &file) != nil || json.Unmarshal(file["service_account_impersonation_url"], &target) != nil {
		return nil, "", "", nil, errNoAccount
	}
	account, _, _ = strings.Cut(target[strings.LastIndexByte(target, '/')+1:], ":")
	if account == "" {
		return nil, "", "", nil, errNoAccount
	}
	if kind == credentials.ExternalAccount {
		delete(file, "service_account_impersonation_url")
		base, err = json.Marshal(file)
		return base, kind, account, nil, err
	}
	var source struct {
		Type string `json:"type"`
	}
	if list := file["delegates"]; list != nil && json.Unmarshal(list, &delegates) != nil || json.Unmarshal(file["source_credentials"], &source) != nil {
		return nil, "", "", nil, errors.New("its source_credentials or its delegates are not understood")
	}
	for i, d := range delegates {
		delegates[i] = d[strings.LastIndexByte(d, '/')+1:] // it may be the name of a resource
	}
	return file["source_credentials"], credentials.CredType(source.Type), account, delegates, nil
}
