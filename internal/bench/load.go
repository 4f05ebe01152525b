package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// size is one request that is sent over and over.
type size struct {
	name    string
	request []byte
}

func sizes() []size {
	post := func(body string) []byte {
		return fmt.Appendf(nil, "POST /v1/echo HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	return []size{
		{"small", []byte("GET /v1/items/item-00042 HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n\r\n")},
		{"medium", post(orderJSON(6))},
		{"large", post(orderJSON(400))},
	}
}

// measure loads one process for a while and returns its CPU time per request in
// µs and the requests answered per second.
func measure(ctx context.Context, p *process, address string, s size, conns int, length time.Duration) (cpu, rate float64, err error) {
	if _, err := load(ctx, address, s, conns, length/4); err != nil { // warm up
		return 0, 0, fmt.Errorf("%s: %w", p.name, err)
	}
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	n, err := load(ctx, address, s, conns, length)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", p.name, err)
	}
	took := time.Since(start)
	after, err := p.cpu()
	return float64((after - before).Microseconds()) / float64(n), float64(n) / took.Seconds(), err
}

// load sends s on conns keep-alive connections for a while, one request at a
// time on each, and counts the answers.
func load(ctx context.Context, address string, s size, conns int, length time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var answered atomic.Int64
	errs := make(chan error, conns)
	var clients sync.WaitGroup
	for range conns {
		clients.Go(func() {
			if err := client(ctx, address, s, &answered); err != nil {
				err = fmt.Errorf("%s after %d answers: %w", s.name, answered.Load(), err)
				errs <- err
			}
		})
	}
	clients.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return answered.Load(), nil
	}
}

func client(ctx context.Context, address string, s size, answered *atomic.Int64) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 32<<10)
	for ctx.Err() == nil {
		if _, err := conn.Write(s.request); err != nil {
			return err
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", s.name, res.Status)
		}
		answered.Add(1)
	}
	return nil
}

// awaitAnswer waits until the gateway is up.
func awaitAnswer(ctx context.Context, address string, s size) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		_, err := load(ctx, address, s, 1, 10*time.Millisecond)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the gateway does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
