package azure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream/file"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

// newSource is the source of the tokens of cfg.
func newSource(cfg *configpb.AzureEntra, dir string, issuers http.RoundTripper) (token.Source, error) {
	options := azcore.ClientOptions{Transport: token.NewClient(issuers)}
	if host := cfg.GetAuthorityHost(); host != "" {
		options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: host}
	}
	credential, err := newCredential(cfg, dir, options)
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	return func(ctx context.Context) (token.Token, error) {
		credential := credential
		if cfg.GetClientSecretFile() != "" {
			// It may have changed since.
			var err error
			if credential, err = newCredential(cfg, dir, options); err != nil {
				return token.Token{}, err
			}
		}
		got, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{cfg.GetScope()}})
		if err != nil {
			return token.Token{}, err
		}
		return token.Token{Text: got.Token, Expires: got.ExpiresOn}, nil
	}, nil
}

// newCredential is what has tokens. Nothing is sent for them yet.
func newCredential(cfg *configpb.AzureEntra, dir string, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	// Another authority than Microsoft's own is one that those do not know.
	alone := cfg.GetAuthorityHost() != ""
	switch name, id := cfg.GetClientSecretFile(), cfg.GetClientId(); {
	case name != "":
		tenant := cmp.Or(cfg.GetTenantId(), os.Getenv("AZURE_TENANT_ID"))
		if id == "" || tenant == "" {
			return nil, errors.New("client_secret_file is for an application: set client_id and tenant_id")
		}
		secret, err := file.Secret(dir, name)
		if err != nil {
			return nil, fmt.Errorf("client_secret_file: %w", err)
		}
		// Requests wait for it, and upstream/token asks again: the library's own repetitions
		// would have them wait for ten seconds to hear that nobody is there.
		options.Retry = policy.RetryOptions{MaxRetries: 1, RetryDelay: 200 * time.Millisecond}
		return azidentity.NewClientSecretCredential(tenant, id, secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: alone,
		})
	case id != "":
		return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
			ClientOptions: options, ID: azidentity.ClientID(id),
		})
	default:
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: alone, TenantID: cfg.GetTenantId(),
		})
	}
}
