package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// TestDrain sends SIGTERM while a unary call and a stream are open: both
// finish, new connections are refused, and the exit code is 0.
func TestDrain(t *testing.T) {
	s := startService(t)
	p := startGateway(t, s)

	type answer struct {
		status int
		body   string
		err    error
	}
	unary := make(chan answer, 1)
	go func() {
		res, err := http.Get("http://" + p.gateway + "/v1/wait/hello")
		if err != nil {
			unary <- answer{err: err}
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		unary <- answer{res.StatusCode, string(body), err}
	}()
	<-s.arrived

	go func() { s.proceed <- struct{}{} }()
	first := <-unary // the call above; it shows that proceeding works
	require.NoError(t, first.err)
	require.Equal(t, `"hello"`, first.body)

	go func() {
		res, err := http.Get("http://" + p.gateway + "/v1/wait/again")
		if err != nil {
			unary <- answer{err: err}
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		unary <- answer{res.StatusCode, string(body), err}
	}()
	<-s.arrived

	p.terminate(t)
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", p.gateway, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 10*time.Second, 10*time.Millisecond, "new connections must be refused")
	select {
	case err := <-p.exited:
		t.Fatalf("exited with a call open: %v", err)
	default:
	}
	s.proceed <- struct{}{}
	second := <-unary
	require.NoError(t, second.err)
	require.Equal(t, http.StatusOK, second.status)
	require.Equal(t, `"again"`, second.body)
	require.NoError(t, <-p.exited, "exit code 0")
}

// TestDrainStream is the same for a server stream that is half told.
func TestDrainStream(t *testing.T) {
	s := startService(t)
	p := startGateway(t, s)

	type head struct {
		res *http.Response
		err error
	}
	heads := make(chan head, 1)
	go func() {
		res, err := http.Get("http://" + p.gateway + "/v1/count/3")
		heads <- head{res, err}
	}()
	<-s.arrived
	s.proceed <- struct{}{}
	h := <-heads
	require.NoError(t, h.err)
	defer h.res.Body.Close()
	body := bufio.NewReader(h.res.Body)
	begun := make([]byte, len(`["1"`))
	_, err := io.ReadFull(body, begun)
	require.NoError(t, err)
	require.Equal(t, `["1"`, string(begun))

	p.terminate(t)
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", p.gateway, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 10*time.Second, 10*time.Millisecond, "new connections must be refused")

	s.proceed <- struct{}{}
	s.proceed <- struct{}{}
	rest, err := io.ReadAll(body)
	require.NoError(t, err)
	require.Equal(t, `,"2","3"]`, string(rest))
	require.NoError(t, <-p.exited, "exit code 0")
}

// TestGrace shows that what outlives the grace period is cut off, and that the
// exit code tells.
func TestGrace(t *testing.T) {
	s := startService(t)
	p := startGateway(t, s, "--grace", "100ms")
	failed := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + p.gateway + "/v1/wait/forever")
		if err == nil {
			_ = res.Body.Close()
		}
		failed <- err
	}()
	<-s.arrived
	p.terminate(t)
	require.Error(t, <-p.exited, "exit code 1")
	require.Error(t, <-failed)
	require.Contains(t, p.log.String(), "cut off")
}

// TestDrainWebSocket: a session over WebSocket is a running call, and told when
// the grace is over.
func TestDrainWebSocket(t *testing.T) {
	for _, c := range []struct {
		name, grace string
		code        websocket.StatusCode
	}{{"it ends", "1m", websocket.StatusNormalClosure}, {"it does not", "100ms", websocket.StatusGoingAway}} {
		t.Run(c.name, func(t *testing.T) {
			s := startService(t)
			p := startGateway(t, s, "--grace", c.grace)
			conn, _, err := websocket.Dial(t.Context(), "ws://"+p.gateway+"/v1/count/2", nil)
			require.NoError(t, err)
			defer conn.CloseNow()
			<-s.arrived
			s.proceed <- struct{}{}
			_, frame, err := conn.Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, `"1"`, string(frame))

			p.terminate(t)
			if c.code == websocket.StatusNormalClosure {
				s.proceed <- struct{}{}
				_, frame, err = conn.Read(t.Context())
				require.NoError(t, err)
				require.Equal(t, `"2"`, string(frame))
			}
			_, _, err = conn.Read(t.Context())
			require.Equal(t, c.code, websocket.CloseStatus(err), "%v", err)
			if err := <-p.exited; c.code == websocket.StatusNormalClosure {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
			}
		})
	}
}
