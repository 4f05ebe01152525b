package retry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

// stalled is a body that says when somebody has begun to read it. Like that of a
// server's request it cannot be closed while it is read.
type stalled struct {
	mu sync.Mutex
	io.Reader
	reading chan struct{}
	closed  chan struct{}
}

// stall is a stalled body, and where what it brings is written.
func stall() (*stalled, *io.PipeWriter) {
	r, w := io.Pipe()
	return &stalled{Reader: r, reading: make(chan struct{}, 10), closed: make(chan struct{})}, w
}

func (b *stalled) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading <- struct{}{}
	return b.Reader.Read(p)
}

func (b *stalled) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.closed)
	return nil
}

// TestReadUnderWay: the first attempt waits for the client's next bytes when it is
// answered. They are the second one's, even if they are more than may be kept.
func TestReadUnderWay(t *testing.T) {
	cfg := quick()
	cfg.RequestBytes = 500
	body, client := stall()
	stale := make(chan int, 1)
	var got []byte
	up := &scripted{answer: func(n int, r *http.Request) (*http.Response, error) {
		if n == 1 {
			go func() {
				n, _ := r.Body.Read(make([]byte, 2000))
				if _, err := r.Body.Read(make([]byte, 2000)); err == nil {
					t.Error("an attempt that is over reads on")
				}
				_ = r.Body.Close()
				stale <- n
			}()
			<-body.reading
			return answer(503), nil
		}
		go func() {
			_, _ = io.WriteString(client, strings.Repeat("a", 900))
			_, _ = io.WriteString(client, strings.Repeat("b", 900))
			_ = client.Close()
		}()
		got, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
		return answer(200), nil
	}}
	res, err := retry.New(cfg).HTTP(up).Send(request(t, "PUT", body), nil)
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, 900, <-stale)
	require.Equal(t, strings.Repeat("a", 900)+strings.Repeat("b", 900), string(got))
	<-body.closed
}

// TestStalledBody: a failure does not wait for a client that has stopped sending.
func TestStalledBody(t *testing.T) {
	body, client := stall()
	up := &scripted{answer: func(n int, r *http.Request) (*http.Response, error) {
		go func() { _, _ = r.Body.Read(make([]byte, 10)) }()
		if n == 1 {
			<-body.reading
		}
		return nil, &upstream.Error{Reason: rpc.UpstreamUnreachable, Err: io.EOF}
	}}
	_, err := retry.New(quick()).HTTP(up).Send(request(t, "PUT", body), nil)
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, up.asked, 3)
	require.NoError(t, client.Close())
	<-body.closed
}

// TestBrokenBody: a request whose client has failed is not sent again.
func TestBrokenBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("the client is gone")
		up := &scripted{answer: func(_ int, r *http.Request) (*http.Response, error) {
			_, err := io.ReadAll(r.Body)
			_ = r.Body.Close()
			return nil, &upstream.Error{Reason: rpc.UpstreamUnreachable, Err: err}
		}}
		body := io.MultiReader(strings.NewReader("hello"), failing{broken})
		_, err := retry.New(quick()).HTTP(up).Send(request(t, "PUT", body), nil)
		require.ErrorIs(t, err, broken)
		require.Len(t, up.asked, 1)
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestLateBeforeItWasSent: an attempt whose time is up before there is a connection
// may be repeated whatever it asks for, and the upstream can tell it from a client
// that has left.
func TestLateBeforeItWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.PerTryTimeout = time.Second
		tried := func() *scripted {
			return &scripted{answer: func(_ int, r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				require.ErrorIs(t, context.Cause(r.Context()), context.DeadlineExceeded)
				return nil, &upstream.Error{Reason: rpc.ClientClosed, NotSent: true, Endpoint: "one", Err: r.Context().Err()}
			}}
		}
		up := tried()
		_, err := retry.New(cfg).HTTP(up).Send(request(t, "POST", nil), nil)
		failure := (*upstream.Error)(nil)
		require.ErrorAs(t, err, &failure)
		require.Equal(t, rpc.DeadlineExceeded, failure.Reason)
		require.True(t, failure.NotSent)
		require.Equal(t, "one", failure.Endpoint)
		require.Equal(t, []time.Duration{time.Second, time.Second}, up.waits())

		// The client's own end is none of an attempt.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		up = tried()
		_, err = retry.New(cfg).HTTP(up).Send(request(t, "POST", nil).WithContext(ctx), nil)
		require.ErrorAs(t, err, &failure)
		require.Equal(t, rpc.ClientClosed, failure.Reason, "what the upstream says of it")
		require.Len(t, up.asked, 1)
	})
}
