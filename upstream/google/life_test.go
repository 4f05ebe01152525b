package google

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

// life is an upstream whose issuer and function answer without a socket, so that its time
// may be a bubble's.
type life struct {
	google *googletest.Google
	up     *Upstream
	log    bytes.Buffer
	// answer, if it is set, is what requests for tokens get.
	answer func(*http.Request) (*http.Response, error)
	// asked counts fetches.
	asked int
}

// direct sends requests to a handler.
type direct struct {
	upstream.HTTP
	handler http.Handler
}

func (direct) Origin() upstream.Origin { return upstream.Origin{} }

func (d direct) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	return d.RoundTrip(r)
}

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	d.handler.ServeHTTP(w, in)
	return w.Result(), nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// account is whom the tokens are of.
const account = "a@project.iam.gserviceaccount.com"

// inBubble runs test in a bubble; what has goroutines of its own is outside of it.
func inBubble(t *testing.T, test func(*testing.T, *life)) {
	t.Helper()
	l := &life{google: googletest.Start(t)}
	door := googletest.StartDoor(t, l.google, "/resize", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Test-Caller"))
	}))
	federation := l.google.FederationFile(t, account)
	synctest.Test(t, func(t *testing.T) {
		source, err := newSource(&configpb.GoogleFunctionUpstream{Url: door.URL, Credentials: &configpb.GoogleCredentials{File: federation}}, "",
			roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/v1/token" { // with which each fetch begins
					l.asked++
				}
				if l.answer != nil {
					return l.answer(r)
				}
				return direct{handler: l.google}.RoundTrip(r)
			}))
		require.NoError(t, err)
		l.up = &Upstream{HTTP: direct{handler: door}, tokens: token.New(source, slog.New(slog.NewTextHandler(&l.log, nil)))}
		defer l.up.tokens.Close()
		test(t, l)
	})
}

func (l *life) send(ctx context.Context) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://f/resize/a", nil)
	if err != nil {
		return nil, err
	}
	return l.up.Send(r, nil)
}

// works wants the function to be called, at once.
func (l *life) works(t *testing.T) {
	t.Helper()
	before := time.Now()
	resp, err := l.send(t.Context())
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
	require.Equal(t, account, string(body))
	require.Equal(t, before, time.Now(), "it waited")
	synctest.Wait()
}

func (l *life) denied(t *testing.T) *upstream.Error {
	t.Helper()
	_, err := l.send(t.Context())
	var failure *upstream.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, rpc.UpstreamDenied, failure.Reason)
	require.True(t, failure.NotSent)
	require.Empty(t, failure.Message, "the client is not told why")
	return failure
}

// One token serves all requests of an hour, and the next one is there before it expires.
func TestTokenIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T, l *life) {
		for range 60 {
			l.works(t)
			time.Sleep(53 * time.Second)
		}
		require.Equal(t, 1, l.asked, "in the first 53 minutes")
		time.Sleep(3 * time.Minute)
		l.works(t)
		require.Equal(t, 2, l.asked, "in the last minutes of its hour")
		for range 100 {
			l.works(t)
			time.Sleep(30 * time.Second)
		}
		require.Equal(t, 2, l.asked, "with the second one")
	})
}

// While the issuer is down the token that there is serves, for as long as it is good. Then
// requests fail, and when the issuer is back they work again.
func TestIssuerDownAndBack(t *testing.T) {
	inBubble(t, func(t *testing.T, l *life) {
		l.works(t)
		l.google.Down.Store(true)
		time.Sleep(58 * time.Minute)
		for range 10 {
			l.works(t)
		}
		require.Equal(t, 2, l.asked, "there is a pause after a failure")
		require.Regexp(t, `level=WARN msg="no new token" err=".*403.*" valid_for=1m50s`, l.log.String())
		time.Sleep(100 * time.Second) // 20 seconds before it expires
		l.works(t)
		time.Sleep(15 * time.Second) // too late to be used
		failure := l.denied(t)
		require.ErrorContains(t, failure, "no token: ")
		require.ErrorContains(t, failure, "access_denied")
		require.NotContains(t, failure.Error()+l.log.String(), "PRIVATE KEY")
		l.google.Down.Store(false)
		asked := l.asked
		l.denied(t)
		require.Equal(t, asked, l.asked, "a failure counts for a second")
		time.Sleep(time.Second)
		l.works(t)
		require.Contains(t, l.log.String(), `msg="token renewed"`)
	})
}

// Whatever is the matter with the issuer, requests without a token fail in time, and work
// when it is over.
func TestIssuerFails(t *testing.T) {
	for name, fail := range map[string]func(*http.Request) (*http.Response, error){
		"unavailable": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody}, nil
		},
		"no connection": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"hangs": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *life) {
				l.answer = fail
				start := time.Now()
				l.denied(t)
				require.LessOrEqual(t, time.Since(start), 15*time.Second)
				l.answer = nil
				time.Sleep(time.Second)
				l.works(t)
			})
		})
	}
}

// A request that may not wait so long does not, and the next one has what it began.
func TestIssuerIsSlow(t *testing.T) {
	inBubble(t, func(t *testing.T, l *life) {
		l.answer = func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return direct{handler: l.google}.RoundTrip(r)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := l.send(ctx)
		var failure *upstream.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, rpc.DeadlineExceeded, failure.Reason)
		require.Equal(t, 10*time.Millisecond, time.Since(start))
		time.Sleep(5 * time.Second)
		l.works(t)
		require.Equal(t, 1, l.asked)
	})
}
