// Package lambdatest is an emulator of the AWS Lambda service for tests and
// examples: the Invoke API on one side, the Runtime API on the other, and real
// aws-lambda-go programs between them, one process for each call at a time.
//
// What it does is written from AWS's documentation: the API reference of Lambda
// (Invoke, InvokeWithResponseStream), "Using the Lambda runtime API for custom
// runtimes", "Understanding Lambda function scaling" and the reference of
// Signature Version 4. Every request's signature is calculated again and
// compared. STS and the services that hand out credentials to containers and
// machines are stand-ins, written from their documentation as well: [Service.STSURL].
//
// What it does not do: nothing can be created or changed over its API; events of
// asynchronous calls run once, where the service tries failed ones again;
// function URLs, layers, extensions and durable executions do not exist; the
// errors of a stream carry "Unhandled" as their code, and the error's JSON as
// their details, which the documentation leaves open.
package lambdatest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Defaults of [Options] and [Function], where the service has them too.
const (
	DefaultRegion  = "us-east-1"
	DefaultAccount = "123456789012"
	// DefaultTimeout is longer than the service's three seconds: test machines
	// are slow.
	DefaultTimeout = 30 * time.Second
	// DefaultConcurrency is how many processes of a function run at a time.
	DefaultConcurrency = 10

	// The service allows 6 MiB, and for answers a little more: 6,291,556 bytes.
	defaultMaxRequest  = 6 << 20
	defaultMaxEvent    = 1 << 20
	defaultMaxResponse = 6<<20 + 100
	defaultMaxStream   = 20 << 20
)

// Options says what the service has. The zero value is a service with one
// function for each handler of internal/lambdatest/functions, named after it.
type Options struct {
	Region  string
	Account string
	// Functions replace those of the zero value.
	Functions []Function
	// Credentials are who may call; none: one that may do everything,
	// [Service.Credentials].
	Credentials []Credentials
	// Roles are what STS hands out credentials for.
	Roles []Role
	// Address and STSAddress are where to listen: free ports of the loopback if
	// they are empty.
	Address, STSAddress string
	// Limits in bytes, those of the service if zero: of the payload of a call
	// that waits or streams and of one that does not, of a buffered answer, and
	// of a streamed one.
	MaxRequestBytes, MaxEventBytes, MaxResponseBytes, MaxStreamBytes int
	// Log gets what functions write; nil: nowhere.
	Log io.Writer
}

// Function is a function and the program behind it.
type Function struct {
	Name string
	// Account is the owner, [Options.Account] if empty.
	Account string
	// Handler is what the program finds in _HANDLER; the name if empty.
	Handler string
	// Program is the path of the program, that of internal/lambdatest/functions
	// if empty.
	Program string
	// Environment is of the form NAME=value.
	Environment []string
	// Timeout and Concurrency have the defaults above; no concurrency at all is
	// negative.
	Timeout     time.Duration
	Concurrency int
	// Versions are those beside $LATEST, Aliases map names to them.
	Versions []string
	Aliases  map[string]string
}

// Service is a running emulator. Its methods are safe for any goroutine.
type Service struct {
	// URL is the endpoint of the Lambda API, STSURL that of the stand-ins.
	URL, STSURL string
	// Region is what requests must be signed for.
	Region string
	// Credentials are the first of those that may call.
	Credentials Credentials

	account   string
	limits    limits
	functions map[name]*function
	keys      *keys
	roles     map[string]Role
	faults    faults
	log       recorder
	output    io.Writer
	sts       stsState

	servers []*http.Server
	ctx     context.Context // of everything that functions do; the service is their call
	stop    context.CancelFunc
	// async counts calls that nobody waits for.
	async sync.WaitGroup
}

type limits struct{ request, event, response, stream int }

// Start is [New] for a test, which ends the service.
func Start(t testing.TB, o Options) *Service {
	t.Helper()
	if o.Log == nil {
		o.Log = t.Output()
	}
	s, err := New(o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// New starts a service. It builds the programs of this package with the go
// command if a function needs them. The caller closes it.
func New(o Options) (*Service, error) {
	s := &Service{
		Region:  or(o.Region, DefaultRegion),
		account: or(o.Account, DefaultAccount),
		limits: limits{
			request: or(o.MaxRequestBytes, defaultMaxRequest), event: or(o.MaxEventBytes, defaultMaxEvent),
			response: or(o.MaxResponseBytes, defaultMaxResponse), stream: or(o.MaxStreamBytes, defaultMaxStream),
		},
		functions: make(map[name]*function),
		roles:     make(map[string]Role),
		output:    &lockedWriter{w: or(o.Log, io.Discard)},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if len(o.Credentials) == 0 {
		o.Credentials = []Credentials{{AccessKeyID: "AKIDLAMBDATEST", SecretAccessKey: "not-a-secret", Principal: "arn:aws:iam::" + s.account + ":user/test"}}
	}
	s.Credentials = o.Credentials[0]
	s.keys = newKeys(o.Credentials)
	for _, r := range o.Roles {
		s.roles[r.ARN] = r
	}
	if err := s.add(o.Functions); err != nil {
		s.stop()
		return nil, err
	}
	var err error
	if s.URL, err = s.serve(o.Address, s.lambdaAPI()); err == nil {
		s.STSURL, err = s.serve(o.STSAddress, s.stsAPI())
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends calls and processes, and waits for them.
func (s *Service) Close() {
	s.stop()
	for _, srv := range s.servers {
		_ = srv.Close() // it only closes listeners and connections
	}
	for _, fn := range s.functions {
		fn.close()
	}
	s.async.Wait()
}

// Wait returns when no asynchronous call is waiting or running.
func (s *Service) Wait() { s.async.Wait() }

func (s *Service) serve(address string, h http.Handler) (string, error) {
	ln, err := net.Listen("tcp", or(address, "127.0.0.1:0"))
	if err != nil {
		return "", fmt.Errorf("listening for the Lambda emulator: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: initTimeout, ConnContext: withConn}
	s.servers = append(s.servers, srv)
	go srv.Serve(ln) //nolint:errcheck // it ends with Close
	return "http://" + ln.Addr().String(), nil
}

// or is v unless that is zero.
func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// lockedWriter lets processes write to one writer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}
