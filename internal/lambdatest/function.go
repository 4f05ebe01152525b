package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
)

const latest = "$LATEST"

// handlers are the names of those in internal/lambdatest/functions.
var handlers = []string{"big", "body", "bytes", "context", "echo", "exit", "fail", "http", "panic", "sleep", "stream", "text", "upper", "wait"}

// function is a Function with its processes.
type function struct {
	Function
	// pools are by version. Unlike the service, each has the whole concurrency.
	pools map[string]*pool
}

func (s *Service) add(list []Function) error {
	if len(list) == 0 {
		for _, handler := range handlers {
			list = append(list, Function{Name: handler})
		}
	}
	for _, f := range list {
		f.Account = or(f.Account, s.account)
		f.Handler = or(f.Handler, f.Name)
		f.Timeout = or(f.Timeout, DefaultTimeout)
		f.Concurrency = or(f.Concurrency, DefaultConcurrency)
		if f.Program == "" {
			program, err := build()
			if err != nil {
				return err
			}
			f.Program = program
		}
		// A path of this process, not of one that starts elsewhere.
		program, err := filepath.Abs(f.Program)
		if err != nil {
			return fmt.Errorf("function %q: %w", f.Name, err)
		}
		f.Program = program
		fn := &function{Function: f, pools: make(map[string]*pool)}
		for _, version := range append([]string{latest}, f.Versions...) {
			fn.pools[version] = &pool{service: s, fn: fn, version: version}
		}
		for alias, version := range f.Aliases {
			if fn.pools[version] == nil {
				return fmt.Errorf("function %q: alias %q: no version %q: it has %q", f.Name, alias, version, slices.Sorted(maps.Keys(fn.pools)))
			}
		}
		s.functions[name{f.Account, f.Name}] = fn
	}
	return nil
}

func (fn *function) close() {
	for _, p := range fn.pools {
		p.close()
	}
}

// errThrottled is that of a call over the limit.
var errThrottled = errors.New("too many calls at a time")

// pool holds the processes of one version of a function.
type pool struct {
	service *Service
	fn      *function
	version string

	mu        sync.Mutex
	sandboxes []*sandbox
	// freed are closed when a process may be free: calls that wait for one.
	freed  []chan struct{}
	closed bool
}

// invoke gives a call to a process, a new one if none is free, and take its
// answer. It returns what the function did wrong; the error is errThrottled, or
// that no process could be started. A call that may queue waits for its turn.
func (p *pool) invoke(ctx context.Context, inv *invocation, queue bool, take func(*response) error) (*failure, error) {
	for {
		sb, err := p.acquire(ctx, queue)
		if err != nil {
			return nil, err
		}
		f, taken := sb.invoke(inv, take)
		inv.log = sb.log.text()
		p.release(sb)
		if taken {
			return f, nil
		}
		// The process ended before it took the call: its last one was too much.
	}
}

func (p *pool) acquire(ctx context.Context, queue bool) (*sandbox, error) {
	for {
		sb, freed, err := p.tryAcquire()
		if sb != nil || err != nil && (!queue || !errors.Is(err, errThrottled)) {
			return sb, err
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (p *pool) tryAcquire() (*sandbox, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, context.Canceled
	}
	p.sandboxes = slices.DeleteFunc(p.sandboxes, func(sb *sandbox) bool { return !sb.busy && sb.ended() })
	for _, sb := range p.sandboxes {
		if !sb.busy {
			sb.busy = true
			return sb, nil, nil
		}
	}
	if len(p.sandboxes) >= p.fn.Concurrency {
		freed := make(chan struct{})
		p.freed = append(p.freed, freed)
		return nil, freed, errThrottled
	}
	sb, err := p.start()
	if err != nil {
		return nil, nil, err
	}
	sb.busy = true
	p.sandboxes = append(p.sandboxes, sb)
	return sb, nil, nil
}

func (p *pool) release(sb *sandbox) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sb.busy = false
	for _, freed := range p.freed {
		close(freed)
	}
	p.freed = nil
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	list := p.sandboxes
	p.mu.Unlock()
	for _, sb := range list {
		sb.kill()
	}
	for _, sb := range list {
		<-sb.dead
	}
}
