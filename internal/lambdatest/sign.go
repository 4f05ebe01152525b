package lambdatest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	dateLayout = "20060102T150405Z"
	// maxSkew is how far a request's clock may be off.
	maxSkew = 5 * time.Minute

	textBadSignature = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	textUnknownToken = "The security token included in the request is invalid."
	textExpired      = "The security token included in the request is expired"
)

// Credentials are keys that requests are signed with.
type Credentials struct {
	AccessKeyID, SecretAccessKey string
	// SessionToken goes with temporary ones.
	SessionToken string
	// Expires is when; the zero value is never.
	Expires time.Time
	// Principal is the ARN of whom they are of.
	Principal string
	// Functions are the names of those that they may call; nil: all.
	Functions []string
}

func (c Credentials) mayCall(function string) bool {
	return c.Functions == nil || slices.Contains(c.Functions, function)
}

// keys are the credentials by their access key.
type keys struct {
	mu   sync.Mutex
	byID map[string]Credentials
}

func newKeys(list []Credentials) *keys {
	k := &keys{byID: make(map[string]Credentials)}
	for _, c := range list {
		k.add(c)
	}
	return k
}

func (k *keys) add(c Credentials) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID[c.AccessKeyID] = c
}

func (k *keys) get(id string) (Credentials, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.byID[id]
	return c, ok
}

// Expire ends the life of credentials now, those of STS too. An empty key is all
// that can expire: those with a session token.
func (s *Service) Expire(accessKeyID string) {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	for id, c := range s.keys.byID {
		if id == accessKeyID || accessKeyID == "" && c.SessionToken != "" {
			c.Expires = time.Unix(1, 0)
			s.keys.byID[id] = c
		}
	}
}

// authorization is the header of Signature Version 4: the access key, the scope's
// date, region and service, the signed headers and the signature.
var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

// verify calculates the signature of a request again, over what has arrived, and
// compares. It returns whose it is.
func (k *keys) verify(r *http.Request, payload []byte, service, region string, now time.Time) (Credentials, *apiError) {
	if r.Header.Get("Authorization") == "" {
		return Credentials{}, forbidden(typeMissingToken, "Missing Authentication Token")
	}
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return Credentials{}, forbidden(typeIncomplete, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.")
	}
	id, day, signed := m[1], m[2], strings.Split(m[5], ";")
	c, ok := k.get(id)
	if !ok || r.Header.Get("X-Amz-Security-Token") != c.SessionToken {
		return Credentials{}, forbidden(typeUnknownKey, textUnknownToken)
	}
	if m[3] != region {
		return Credentials{}, forbidden(typeInvalidSignature, "Credential should be scoped to a valid region. ")
	}
	if m[4] != service {
		return Credentials{}, forbidden(typeInvalidSignature, "Credential should be scoped to correct service: '"+service+"'. ")
	}
	date, err := time.Parse(dateLayout, r.Header.Get("X-Amz-Date"))
	if err != nil || date.Format("20060102") != day {
		return Credentials{}, forbidden(typeIncomplete, "Date must be in ISO-8601 'basic format', and of the day of the credential's scope.")
	}
	if now.Sub(date).Abs() > maxSkew {
		return Credentials{}, forbidden(typeInvalidSignature, "Signature expired: "+date.Format(dateLayout)+" is not within "+maxSkew.String()+" of "+now.UTC().Format(dateLayout))
	}
	for h := range r.Header {
		if h := strings.ToLower(h); strings.HasPrefix(h, "x-amz-") && !slices.Contains(signed, h) {
			return Credentials{}, forbidden(typeInvalidSignature, "'"+h+"' must be a 'SignedHeader' in the AWS Authorization.")
		}
	}
	want := sign(r, payload, c, signed, service, region, date)
	if subtle.ConstantTimeCompare([]byte(want), []byte(m[6])) != 1 {
		return Credentials{}, forbidden(typeInvalidSignature, textBadSignature)
	}
	if !c.Expires.IsZero() && !now.Before(c.Expires) {
		return Credentials{}, forbidden(typeExpiredToken, textExpired)
	}
	return c, nil
}

// sign is the signature that a request should have: of its method, host, path,
// query, payload, and the headers that it says are signed.
func sign(r *http.Request, payload []byte, c Credentials, signed []string, service, region string, date time.Time) string {
	again := &http.Request{Method: r.Method, URL: cloneURL(r), Host: r.Host, Header: make(http.Header)}
	for _, h := range signed {
		switch h {
		case "host":
		case "content-length":
			again.ContentLength = int64(len(payload))
		default:
			again.Header[http.CanonicalHeaderKey(h)] = slices.Clone(r.Header.Values(h))
		}
	}
	sum := sha256.Sum256(payload)
	err := v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
	}, again, hex.EncodeToString(sum[:]), service, region, date)
	if err != nil {
		return ""
	}
	m := authorization.FindStringSubmatch(again.Header.Get("Authorization"))
	if m == nil || m[5] != strings.Join(signed, ";") {
		// Something that must be signed was not.
		return ""
	}
	return m[6]
}

// cloneURL is the URL as the sender had it.
func cloneURL(r *http.Request) *url.URL {
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	return &u
}
