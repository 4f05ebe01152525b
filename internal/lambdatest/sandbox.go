package lambdatest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/child"
)

const (
	// initTimeout is how long a process may take until it asks for a call. The
	// service allows ten seconds.
	initTimeout = 60 * time.Second
	// maxErrorBytes is what is read of an error that a runtime posts.
	maxErrorBytes = 6 << 20
	// tailBytes is how much of its log a call may ask for.
	tailBytes = 4 << 10
)

// invocation is a call of a function on its way to a process.
type invocation struct {
	id, arn       string
	payload       []byte
	clientContext string // JSON
	trace         string
	// answer gets what the runtime posts, once.
	answer chan *response
	// log is the end of what the process has written, set when it is done.
	log string
}

// response is what a runtime posts for a call.
type response struct {
	contentType string
	body        io.Reader
	// trailer is there when body is at its end.
	trailer func() http.Header
	// failed is the error that was posted instead of an answer.
	failed *failure
	// tooLarge is set by who reads the answer, and the runtime told.
	tooLarge bool
	// done is closed when the body is not needed any more.
	done chan struct{}
}

// failure is an error of a function.
type failure struct {
	kind    string // Sandbox.Timedout
	payload []byte // {"errorType":…,"errorMessage":…}
}

func newFailure(kind, message string) *failure {
	payload, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, message})
	if err != nil {
		panic(err) // strings
	}
	return &failure{kind: kind, payload: payload}
}

// sandbox is a process and the Runtime API that it talks to.
type sandbox struct {
	pool *pool
	busy bool // the pool's, under its mutex
	cmd  *exec.Cmd
	api  *http.Server
	log  *tail

	// work hands a call to the process when it asks for one; initialized is
	// closed when it first does, dead when it has ended.
	work        chan *invocation
	initialized chan struct{}
	dead        chan struct{}
	exit        error // of the process, once dead is closed

	mu         sync.Mutex
	ready      bool        // initialized is closed
	current    *invocation // what the process works on
	initFailed *failure    // posted to /init/error
}

// start starts a process. The pool's mutex is held.
func (p *pool) start() (*sandbox, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the Runtime API: %w", err)
	}
	s := &sandbox{pool: p, work: make(chan *invocation), initialized: make(chan struct{}), dead: make(chan struct{}), log: &tail{next: p.service.output}}
	s.api = &http.Server{Handler: s.runtimeAPI(), ReadHeaderTimeout: initTimeout}
	s.cmd = exec.Command(p.fn.Program)
	child.NoOrphan(s.cmd)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.WaitDelay = time.Second
	s.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + ln.Addr().String(),
		"_HANDLER=" + p.fn.Handler,
		"AWS_LAMBDA_FUNCTION_NAME=" + p.fn.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=" + p.version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + p.fn.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + newID(),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_REGION=" + p.service.Region,
		"AWS_DEFAULT_REGION=" + p.service.Region,
		"PATH=" + os.Getenv("PATH"),
		"TZ=:UTC",
	}, p.fn.Environment...)
	if err := s.cmd.Start(); err != nil {
		ln.Close()
		return nil, fmt.Errorf("function %q: %w", p.fn.Name, err)
	}
	go s.api.Serve(ln) //nolint:errcheck // it ends with Close
	go func() {
		s.exit = s.cmd.Wait()
		_ = s.api.Close()
		close(s.dead)
	}()
	return s, nil
}

func (s *sandbox) ended() bool {
	select {
	case <-s.dead:
		return true
	default:
		return false
	}
}

func (s *sandbox) kill() { _ = s.cmd.Process.Kill() } // it may have ended

// invoke hands over a call and its answer, and returns what the function did
// wrong. It is false if the process ended before it took the call, though it
// took others: another can have it.
func (s *sandbox) invoke(inv *invocation, take func(*response) error) (*failure, bool) {
	starting := time.NewTimer(initTimeout)
	defer starting.Stop()
	select {
	case s.work <- inv:
	case <-s.dead:
		return s.initFailure(inv)
	case <-starting.C:
		s.kill()
		<-s.dead
		return newFailure("Sandbox.Timedout", "RequestId: "+inv.id+" Error: Task timed out after "+seconds(initTimeout)+" seconds"), true
	}
	var late atomic.Bool
	timeout := time.AfterFunc(s.pool.fn.Timeout, func() {
		late.Store(true)
		s.kill()
	})
	defer timeout.Stop()
	select {
	case r := <-inv.answer:
		defer close(r.done)
		if r.failed != nil {
			return r.failed, true
		}
		if err := take(r); err == nil {
			return r.trailing(), true
		}
		<-s.dead // there is no other reason for half an answer
	case <-s.dead:
	}
	if late.Load() {
		return newFailure("Sandbox.Timedout", "RequestId: "+inv.id+" Error: Task timed out after "+seconds(s.pool.fn.Timeout)+" seconds"), true
	}
	return s.exitFailure(inv), true
}

func (s *sandbox) initFailure(inv *invocation) (*failure, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready {
		return nil, false
	}
	if s.initFailed != nil {
		return s.initFailed, true
	}
	return s.exitFailure(inv), true
}

func (s *sandbox) exitFailure(inv *invocation) *failure {
	text := "Runtime exited without providing a reason"
	var exit *exec.ExitError
	if errors.As(s.exit, &exit) {
		text = "Runtime exited with error: " + exit.String()
	}
	return newFailure("Runtime.ExitError", "RequestId: "+inv.id+" Error: "+text)
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) }

// tail passes on what a process writes, and keeps the end of it.
type tail struct {
	next io.Writer

	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.kept = append(t.kept, p...)
	t.kept = t.kept[max(0, len(t.kept)-tailBytes):]
	t.mu.Unlock()
	return t.next.Write(p)
}

func (t *tail) reset(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept[:0], line...)
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(t.kept), "")
}
