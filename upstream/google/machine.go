package google

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/compute/metadata"
)

// machineTimeout bounds a question to the metadata server, which is near, or not there.
const machineTimeout = 5 * time.Second

// provider makes a function an [auth.TokenProvider].
type provider func(context.Context) (*auth.Token, error)

func (p provider) Token(ctx context.Context) (*auth.Token, error) { return p(ctx) }

// ask has the answer to a question about the account of the machine.
type ask func(what string, query url.Values) (string, error)

// machine has tokens from the metadata server (docs: compute/docs/instances/
// verifying-instance-identity). Google's library finds out once for the life of a process
// whether there is one: a gateway that starts before it would never have a token.
func (o *origin) machine(get func(ask) (*auth.Token, error)) provider {
	client := metadata.NewWithOptions(&metadata.Options{Client: o.client})
	return func(ctx context.Context) (*auth.Token, error) {
		ctx, cancel := context.WithTimeout(ctx, machineTimeout)
		defer cancel()
		got, err := get(func(what string, query url.Values) (string, error) {
			return client.GetWithContext(ctx, "instance/service-accounts/default/"+what+"?"+query.Encode())
		})
		if err != nil {
			return nil, fmt.Errorf("metadata server: %w; on a machine that is not Google's, set credentials.file or GOOGLE_APPLICATION_CREDENTIALS", err)
		}
		return got, nil
	}
}

// identityToken is one of the machine's account, with its address.
func (o *origin) identityToken(get ask) (*auth.Token, error) {
	text, err := get("identity", url.Values{"audience": {o.audience}, "format": {"full"}})
	return &auth.Token{Value: text}, err
}

// accessToken is one of the machine's account for the APIs of Google.
func accessToken(get ask) (*auth.Token, error) {
	text, err := get("token", url.Values{"scopes": {scope}})
	if err != nil {
		return nil, err
	}
	var got struct {
		Token string `json:"access_token"`
	}
	if json.Unmarshal([]byte(text), &got) != nil || got.Token == "" {
		// Why says what is in the answer.
		return nil, errors.New("its answer has no access token")
	}
	return &auth.Token{Value: got.Token, Type: "Bearer"}, nil // for one request, at once
}
