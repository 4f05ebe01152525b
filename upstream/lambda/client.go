package lambda

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// answerTimeout bounds how long those who hand out credentials may be silent.
const answerTimeout = 5 * time.Second

// errorBytes is how much of an error of the service is read.
const errorBytes = 64 << 10

// alive finds out that the other end of a quiet connection is gone: functions may take
// their time.
var alive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// forCredentials is the client of those who hand out credentials. They are asked so
// seldom that connections are not kept.
func forCredentials(cfg *configpb.AWSLambdaUpstream) *awshttp.BuildableClient {
	timeout := duration(cfg.GetConnectTimeout(), connectTimeout)
	return awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) {
		d.Timeout = timeout
	}).WithTransportOptions(func(t *http.Transport) {
		oneProtocol(t)
		t.TLSHandshakeTimeout = timeout
		t.ResponseHeaderTimeout = answerTimeout
		t.DisableKeepAlives = true
	})
}

// forCalls is a client of the Lambda service, made of one for credentials, because that
// has the certificate authorities that the environment names.
func forCalls(client *awshttp.BuildableClient, limits *configpb.UpstreamLimits) *http.Client {
	calls := client.WithDialerOptions(func(d *net.Dialer) {
		d.KeepAliveConfig = alive
	}).GetTransport()
	calls.ResponseHeaderTimeout = 0 // as long as the function runs; the route bounds that
	calls.DisableKeepAlives = false
	calls.DisableCompression = true
	calls.MaxIdleConns = 0
	calls.MaxIdleConnsPerHost = requestsOf(limits)
	calls.MaxConnsPerHost = int(limits.GetConnections())
	calls.IdleConnTimeout = idleTimeout
	// A client of the SDK's making would keep its connections when it is closed.
	return &http.Client{
		Transport: calls,
		// Where a function is, the configuration says: its event goes nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// oneProtocol has a connection for each request, so that what happens to it says
// something of that request alone. No proxy is used: which way requests go is the
// configuration's to say.
func oneProtocol(t *http.Transport) {
	var only http.Protocols
	only.SetHTTP1(true)
	t.Protocols, t.ForceAttemptHTTP2 = &only, false
	t.Proxy = nil
}

// attempt is what is known of a call besides what the SDK is told. It is in the context.
type attempt struct {
	// payload is the body of the request.
	payload []byte
	// trace is sent as X-Amzn-Trace-Id. Signatures leave that out.
	trace string
	// limit is how much may be read of the answer; zero is no limit.
	limit int64
	// sent says that there was a connection.
	sent bool
	// contentType is what the function calls what it streams: the answer's own is that of
	// the stream of events around it, and the SDK knows no other.
	contentType string
	hooks       httptrace.ClientTrace
}

type attemptKey struct{}

func withAttempt(ctx context.Context, a *attempt) context.Context {
	a.hooks.GotConn = func(httptrace.GotConnInfo) { a.sent = true }
	return httptrace.WithClientTrace(context.WithValue(ctx, attemptKey{}, a), &a.hooks)
}

// watched sends the requests of the SDK, of which it knows the [attempt].
type watched http.Client

// Do implements the HTTP client of the SDK.
func (w *watched) Do(r *http.Request) (*http.Response, error) {
	a, _ := r.Context().Value(attemptKey{}).(*attempt)
	if a.trace != "" {
		r.Header["X-Amzn-Trace-Id"] = []string{a.trace}
	}
	a.own(r)
	resp, err := (*http.Client)(w).Do(r)
	if err != nil {
		return nil, err
	}
	a.contentType = resp.Header.Get("X-Amzn-Remapped-Content-Type")
	switch {
	case resp.StatusCode >= http.StatusMultipleChoices:
		resp.Body = &bounded{ReadCloser: resp.Body, left: errorBytes}
	case a.limit > 0:
		resp.Body = &bounded{ReadCloser: resp.Body, left: a.limit}
	}
	return resp, nil
}

// own gives r the payload itself as its body, in place of what the SDK makes of it. That
// ends when an answer begins, and after it reads as an error: if net/http has not looked
// behind the last byte by then, it takes the request for broken and closes the connection
// that the answer is coming on. And it cannot be read again, so that a request of which
// nothing could be written to a connection that was kept too long would fail; net/http
// sends such a one on another connection.
func (a *attempt) own(r *http.Request) {
	if r.Body == nil || r.ContentLength != int64(len(a.payload)) {
		return // the SDK sends something else
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(a.payload)), nil }
	r.Body, _ = r.GetBody()
}

var errTooLarge = errors.New("the answer is larger than response_bytes allows")

// bounded is a body that must not have more bytes than are left.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	// One more tells whether there is more.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, errTooLarge
	}
	return n, err
}
