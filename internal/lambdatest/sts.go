package lambdatest

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Role is what STS hands out credentials for.
type Role struct {
	// ARN is its name: arn:aws:iam::123456789012:role/caller.
	ARN string
	// Trusts are the ARNs of the principals that may assume it: nil is all, and
	// web identities alone if it is empty and not nil.
	Trusts []string
	// ExternalID is asked for if it is not empty.
	ExternalID string
	// WebIdentityTokens are the tokens that AssumeRoleWithWebIdentity takes for it.
	WebIdentityTokens []string
	// Lifetime is how long its credentials live, whatever the caller asks for, in
	// whole seconds; what the caller asks for if it is zero.
	Lifetime time.Duration
	// Functions are the names of those that it may call; nil: all.
	Functions []string
}

const (
	assumeRole        = "AssumeRole"
	assumeWebIdentity = "AssumeRoleWithWebIdentity"

	// ContainerPath and MachineRole are of the stand-ins that hand out
	// credentials to a container and to a machine.
	ContainerPath = "/container/credentials"
	MachineRole   = "machine"

	// ContainerToken is the Authorization that the container's stand-in asks for.
	ContainerToken = "container-token"

	machineToken    = "machine-token"
	machineMeta     = "/latest/meta-data/iam/security-credentials/"
	maxSTSBytes     = 64 << 10
	defaultLifetime = time.Hour
	stsNamespace    = "https://sts.amazonaws.com/doc/2011-06-15/"
)

type stsState struct {
	mu       sync.Mutex
	calls    map[string]int
	failures int
	serial   int
	tokens   map[string][]string // more than roles have, by role
	lifetime time.Duration
}

// STSCalls is how often an operation was called: AssumeRole,
// AssumeRoleWithWebIdentity, Container or Machine. Those that failed count.
func (s *Service) STSCalls(operation string) int {
	s.sts.mu.Lock()
	defer s.sts.mu.Unlock()
	return s.sts.calls[operation]
}

// FailSTS makes the next n calls of the stand-ins fail with 500.
func (s *Service) FailSTS(n int) {
	s.sts.mu.Lock()
	defer s.sts.mu.Unlock()
	s.sts.failures = n
}

// SetWebIdentityToken makes a token the only one that a role takes, as if the one
// in the file had been renewed.
func (s *Service) SetWebIdentityToken(role, token string) {
	s.sts.mu.Lock()
	defer s.sts.mu.Unlock()
	if s.sts.tokens == nil {
		s.sts.tokens = make(map[string][]string)
	}
	s.sts.tokens[role] = []string{token}
}

// SetInstanceLifetime says how long the credentials of containers and machines
// live from now on; an hour if it was never called.
func (s *Service) SetInstanceLifetime(d time.Duration) {
	s.sts.mu.Lock()
	defer s.sts.mu.Unlock()
	s.sts.lifetime = d
}

func (s *Service) stsAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", s.answerSTS)
	mux.HandleFunc("GET "+ContainerPath, s.answerContainer)
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", or(r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"), "21600"))
		io.WriteString(w, machineToken) //nolint:errcheck // a client that has gone
	})
	mux.HandleFunc("GET "+machineMeta, s.answerMachine)
	return mux
}

// count notes a call and says whether it shall fail.
func (s *Service) count(operation string) (fail bool) {
	s.sts.mu.Lock()
	defer s.sts.mu.Unlock()
	if s.sts.calls == nil {
		s.sts.calls = make(map[string]int)
	}
	s.sts.calls[operation]++
	if s.sts.failures > 0 {
		s.sts.failures--
		return true
	}
	return false
}

// issue makes temporary credentials, good for the Lambda API.
func (s *Service) issue(principal string, lifetime time.Duration, functions []string) Credentials {
	s.sts.mu.Lock()
	s.sts.serial++
	n := strconv.Itoa(s.sts.serial)
	s.sts.mu.Unlock()
	c := Credentials{
		AccessKeyID: "ASIATEMPORARY" + n, SecretAccessKey: newID(), SessionToken: "session-" + n,
		// The service tells whole seconds.
		Expires: time.Now().Add(lifetime).UTC().Truncate(time.Second), Principal: principal, Functions: functions,
	}
	s.keys.add(c)
	return c
}

// answerSTS is a stand-in of the query API of STS.
func (s *Service) answerSTS(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxSTSBytes))
	form, parseErr := url.ParseQuery(string(body))
	if err != nil || parseErr != nil {
		writeXMLError(w, invalid("MalformedQueryString", "the form cannot be read"))
		return
	}
	action := form.Get("Action")
	if s.count(action) {
		writeXMLError(w, &apiError{status: http.StatusInternalServerError, kind: "InternalFailure", message: "the stand-in was told to fail"})
		return
	}
	role, ok := s.roles[form.Get("RoleArn")]
	var refused *apiError
	switch action {
	case assumeRole:
		refused = s.mayAssume(r, body, form, role, ok)
	case assumeWebIdentity:
		refused = s.mayAssumeByToken(form, role, ok)
	default:
		refused = invalid("InvalidAction", "Could not find operation "+action+" for version 2011-06-15")
	}
	if refused != nil {
		writeXMLError(w, refused)
		return
	}
	lifetime := role.Lifetime
	if lifetime == 0 {
		seconds, err := strconv.Atoi(or(form.Get("DurationSeconds"), strconv.Itoa(int(defaultLifetime.Seconds()))))
		if err != nil || seconds < 900 || seconds > 43200 {
			writeXMLError(w, invalid("ValidationError", "DurationSeconds must be from 900 to 43200"))
			return
		}
		lifetime = time.Duration(seconds) * time.Second
	}
	c := s.issue(role.ARN+"/"+form.Get("RoleSessionName"), lifetime, role.Functions)
	writeAssumed(w, action, c)
}

func (s *Service) mayAssume(r *http.Request, body []byte, form url.Values, role Role, known bool) *apiError {
	who, refused := s.keys.verify(r, body, "sts", s.Region, time.Now())
	if refused != nil {
		return refused
	}
	if !known || role.Trusts != nil && !slices.ContainsFunc(role.Trusts, who.is) || role.ExternalID != form.Get("ExternalId") {
		return forbidden("AccessDenied", "User: "+who.Principal+" is not authorized to perform: sts:AssumeRole on resource: "+form.Get("RoleArn"))
	}
	return nil
}

// is says whether the credentials are a principal's: for those of a role, the
// role's ARN too.
func (c Credentials) is(principal string) bool {
	return c.Principal == principal || c.SessionToken != "" && len(c.Principal) > len(principal) && c.Principal[:len(principal)+1] == principal+"/"
}

func (s *Service) mayAssumeByToken(form url.Values, role Role, known bool) *apiError {
	s.sts.mu.Lock()
	tokens := role.WebIdentityTokens
	if set, ok := s.sts.tokens[role.ARN]; ok {
		tokens = set
	}
	s.sts.mu.Unlock()
	switch token := form.Get("WebIdentityToken"); {
	case !known || len(tokens) == 0:
		return forbidden("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	case !slices.Contains(tokens, token):
		return invalid("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	return nil
}

type xmlCredentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type xmlUser struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	Arn           string
}

type xmlResult struct {
	XMLName         xml.Name
	Credentials     xmlCredentials
	AssumedRoleUser xmlUser
}

func writeAssumed(w http.ResponseWriter, action string, c Credentials) {
	writeXML(w, http.StatusOK, struct {
		XMLName   xml.Name
		Result    xmlResult
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}{
		XMLName: xml.Name{Space: stsNamespace, Local: action + "Response"},
		Result: xmlResult{
			XMLName:         xml.Name{Local: action + "Result"},
			Credentials:     xmlCredentials{c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires.Format(time.RFC3339)},
			AssumedRoleUser: xmlUser{c.AccessKeyID, c.Principal},
		},
		RequestID: newID(),
	})
}

func writeXMLError(w http.ResponseWriter, e *apiError) {
	side := "Sender"
	if e.status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	writeXML(w, e.status, struct {
		XMLName   xml.Name
		Type      string `xml:"Error>Type"`
		Code      string `xml:"Error>Code"`
		Message   string `xml:"Error>Message"`
		RequestID string `xml:"RequestId"`
	}{xml.Name{Space: stsNamespace, Local: "ErrorResponse"}, side, e.kind, e.message, newID()})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	text, err := xml.Marshal(v)
	if err != nil {
		panic(err) // strings
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	w.Write(text)
}

// answerContainer is a stand-in of what ECS and EKS hand out credentials with:
// AWS_CONTAINER_CREDENTIALS_FULL_URI is STSURL and ContainerPath.
func (s *Service) answerContainer(w http.ResponseWriter, r *http.Request) {
	if s.count("Container") {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if r.Header.Get("Authorization") != ContainerToken {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.writeInstance(w, "container", "")
}

// answerMachine is a stand-in of the metadata service of machines, version 2:
// AWS_EC2_METADATA_SERVICE_ENDPOINT is STSURL.
func (s *Service) answerMachine(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Aws-Ec2-Metadata-Token") != machineToken {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case machineMeta:
		io.WriteString(w, MachineRole) //nolint:errcheck // a client that has gone
	case machineMeta + MachineRole:
		if s.count("Machine") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		s.writeInstance(w, MachineRole, "Success")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *Service) writeInstance(w http.ResponseWriter, role, code string) {
	s.sts.mu.Lock()
	lifetime := or(s.sts.lifetime, defaultLifetime)
	s.sts.mu.Unlock()
	c := s.issue("arn:aws:sts::"+s.account+":assumed-role/"+role+"/instance", lifetime, nil)
	text, err := json.Marshal(struct {
		Code            string `json:",omitempty"`
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      string
	}{code, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires.Format(time.RFC3339)})
	if err != nil {
		panic(err) // strings
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}
