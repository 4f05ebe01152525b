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
	"strings"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/idtoken"
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
	// file has the credentials; empty if they are the default ones.
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
		client: &http.Client{Transport: issuers, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
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
	// They keep tokens of their own, which live until an hour after they came, whatever
	// the tokens say: so they are made for one token only.
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

// tokens are what has identity tokens. Nothing is sent for them yet, but that without a
// file it is looked whether there is a metadata server.
func (o *origin) tokens() (*auth.Credentials, error) {
	var data []byte
	var kind credentials.CredType
	if o.file != "" {
		var err error
		if data, kind, err = readFile(o.file); err != nil {
			return nil, err
		}
	}
	account, delegates := o.account, o.delegates
	if account == "" && (kind == credentials.ExternalAccount || kind == credentials.ImpersonatedServiceAccount) {
		// Only service accounts have identity tokens. The one that the file is about has
		// them by the credentials that the file is made with.
		var err error
		if data, kind, account, delegates, err = unwrap(data, kind); err != nil {
			return nil, fmt.Errorf("file %q: %w", o.file, err)
		}
	}
	switch {
	case account != "":
		return o.impersonated(kind, data, account, delegates)
	case data != nil:
		tokens, err := idtoken.NewCredentialsFromJSON(kind, data, &idtoken.Options{Audience: o.audience, Client: o.client})
		return tokens, o.within(err)
	default:
		return idtoken.NewCredentials(&idtoken.Options{Audience: o.audience, Client: o.client})
	}
}

// within is err with the file that it is about, if there is one.
func (o *origin) within(err error) error {
	if err == nil || o.file == "" {
		return err
	}
	return fmt.Errorf("file %q: %w", o.file, err)
}

// impersonated is what has tokens of an account, by the credentials in data; without
// data, by the default ones.
func (o *origin) impersonated(kind credentials.CredType, data []byte, account string, delegates []string) (*auth.Credentials, error) {
	options := &credentials.DetectOptions{Scopes: []string{scope}, Client: o.client}
	var base *auth.Credentials
	var err error
	if data != nil {
		base, err = credentials.NewCredentialsFromJSON(kind, data, options)
	} else {
		base, err = credentials.DetectDefault(options)
	}
	if err != nil {
		return nil, o.within(err)
	}
	client, err := httptransport.NewClient(&httptransport.Options{
		Credentials: base, BaseRoundTripper: o.client.Transport, DisableTelemetry: true,
	})
	if err != nil {
		return nil, err
	}
	return impersonate.NewIDTokenCredentials(&impersonate.IDTokenOptions{
		Audience: o.audience, TargetPrincipal: account, Delegates: delegates, IncludeEmail: true,
		Credentials: base, Client: client,
	})
}

// kinds are the files that identity tokens can be got with: those of a user have none.
var kinds = map[string]credentials.CredType{
	"service_account":              credentials.ServiceAccount,
	"external_account":             credentials.ExternalAccount,
	"impersonated_service_account": credentials.ImpersonatedServiceAccount,
}

func readFile(name string) ([]byte, credentials.CredType, error) {
	data, err := file.Read("", name, maxFile)
	if err != nil {
		return nil, "", err
	}
	var head struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(data, &head) != nil {
		// Why says what is in the file.
		return nil, "", fmt.Errorf("file %q is no JSON object of credentials", name)
	}
	kind, ok := kinds[head.Type]
	if !ok {
		return nil, "", fmt.Errorf("file %q has credentials of type %q: give the key of a service account, or a configuration of workload identity federation", name, head.Type)
	}
	return data, kind, nil
}

var errNoAccount = errors.New("it names no service account: set impersonate, or service_account_impersonation_url in the file")

// unwrap is the service account that a file is about, and what the file says of who may
// have tokens of it. idtoken does the same, but then asks for them without any token.
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
