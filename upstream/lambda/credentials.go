package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream/file"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

const (
	sessionName = "dragoman"
	// sessionTime is how long credentials of a role are asked for: a role that is
	// assumed by another one gives no more, and every role as much.
	sessionTime = time.Hour
	// maxIdentity is how many bytes STS takes of a token (AssumeRoleWithWebIdentity).
	maxIdentity = 20000
)

// load is the configuration of the SDK: that of the environment and of shared files as
// far as cfg does not say otherwise. It makes the connections, and the credentials.
func (u *Upstream) load(cfg *configpb.AWSLambdaUpstream, region, dir string) (aws.Config, error) {
	from := cfg.GetCredentials()
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(forCredentials(cfg)),
		// Errors say it all, and the SDK would write past the gateway's log.
		config.WithLogger(logging.Nop{}),
		// Those of a container would count as expired five minutes before.
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 0 }),
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	if profile := from.GetProfile(); profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	if endpoint := from.GetStsEndpoint(); endpoint != "" {
		options = append(options, config.WithServiceOptions(func(_ string, o any) {
			if o, ok := o.(*sts.Options); ok {
				o.BaseEndpoint = &endpoint
			}
		}))
	}
	loaded, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return loaded, fmt.Errorf("AWS's shared files and environment: %w", err)
	}
	if loaded.Region == "" {
		return loaded, errors.New("nothing says in which region the function is: set region, give the function's ARN, or set AWS_REGION")
	}
	source, err := firstSource(from, loaded, dir)
	if err != nil {
		return loaded, err
	}
	keys := u.renewed(source)
	for _, role := range from.GetAssumeRoles() {
		as := loaded.Copy()
		as.Credentials = keys
		keys = u.renewed(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(as), role.GetRoleArn(), func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = cmp.Or(role.GetSessionName(), sessionName)
			o.Duration = sessionTime
			if id := role.GetExternalId(); id != "" {
				o.ExternalID = &id
			}
		}))
	}
	// Another one than was given, if the environment names certificate authorities.
	u.pool = forCalls(loaded.HTTPClient.(*awshttp.BuildableClient), cfg.GetLimits())
	loaded.Credentials = keys
	return loaded, nil
}

// cache keeps credentials as [token.Cache] does: unlike those of the SDK, requests do not
// wait for what is renewed early, and none uses what has expired.
type cache struct{ *token.Cache[aws.Credentials] }

// Retrieve implements [aws.CredentialsProvider].
func (c cache) Retrieve(ctx context.Context) (aws.Credentials, error) { return c.Get(ctx) }

var errNoKeys = errors.New("none were found")

func (u *Upstream) renewed(source aws.CredentialsProvider) cache {
	k := cache{token.NewCache("credentials", func(ctx context.Context) (aws.Credentials, time.Time, error) {
		keys, err := source.Retrieve(ctx)
		switch {
		case err == nil && !keys.HasKeys():
			err = errNoKeys
		case !keys.CanExpire:
			keys.Expires = time.Time{}
		}
		return keys, keys.Expires, err
	}, u.log)}
	u.keys = append(u.keys, k)
	return k
}

// firstSource is where the credentials come from that roles are assumed with, if any are.
func firstSource(from *configpb.AWSCredentials, loaded aws.Config, dir string) (aws.CredentialsProvider, error) {
	if static := from.GetStatic(); static != nil {
		secret := static.GetSecretAccessKey()
		if name := static.GetSecretAccessKeyFile(); name != "" {
			// Once is enough: a secret is that of its key for ever.
			var err error
			if secret, err = file.Secret(dir, name); err != nil {
				return nil, fmt.Errorf("secret_access_key_file: %w", err)
			}
		}
		return credentials.NewStaticCredentialsProvider(static.GetAccessKeyId(), secret, static.GetSessionToken()), nil
	}
	if web := from.GetWebIdentity(); web != nil {
		identity := tokenFile{dir: dir, name: web.GetTokenFile()}
		if _, err := identity.GetIdentityToken(); err != nil {
			return nil, err
		}
		as := loaded.Copy()
		as.Credentials = nil // the token says who asks
		return stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(as), web.GetRoleArn(), identity, func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName = cmp.Or(web.GetSessionName(), sessionName)
		}), nil
	}
	return anew{loaded.Credentials}, nil
}

// anew is the SDK's chain without its cache, which keeps credentials until they expire,
// and those of a machine for longer.
type anew struct{ aws.CredentialsProvider }

// Retrieve implements [aws.CredentialsProvider].
func (a anew) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if cache, ok := a.CredentialsProvider.(*aws.CredentialsCache); ok {
		cache.Invalidate()
	}
	keys, err := a.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = fmt.Errorf("set credentials, or give AWS's chain some: %w", err)
	}
	return keys, err
}

// tokenFile has the token of another identity provider. It is read anew each time.
type tokenFile struct{ dir, name string }

// GetIdentityToken implements [stscreds.IdentityTokenRetriever].
func (f tokenFile) GetIdentityToken() ([]byte, error) {
	text, err := file.Read(f.dir, f.name, maxIdentity)
	if err != nil {
		return nil, fmt.Errorf("web_identity.token_file: %w", err)
	}
	return text, nil
}
