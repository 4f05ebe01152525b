// Command bench measures the CPU that the whole gateway spends on a request,
// beside httputil.ReverseProxy carrying the same JSON to an HTTP server.
//
// Upstream, gateway and proxy are processes of their own on loopback; the
// figure is a process's user and system time over the requests it answered, so
// that the load generator and the upstream on the same cores do not count. The
// two are loaded in turns, round by round; compare them within one run only.
//
//	go run ./internal/bench            # all sizes
//	go run ./internal/bench -rounds 5 -time 4s -size small
//
// With -streams it is the CPU for each message of a server stream of 1,000 small
// ones, in each form and over WebSocket, beside grpc-go with dynamicpb and protojson
// that flushes each message, and a ReverseProxy that flushes (FlushInterval -1) what
// an HTTP server flushes line by line. Streams come as fast as they can, or paced,
// with a pause between messages, so that each one travels alone.
//
//	go run ./internal/bench -streams
//
// With -files it is the CPU for each MiB of files that come as messages of 64 KiB, or
// go as they are read, beside a ReverseProxy that carries them to an HTTP server.
//
//	go run ./internal/bench -files
//
// With -transforms it is a route with jq programs beside the same route without:
// one process with a listener for each case, loaded in turns. The plain way beside
// them decodes with encoding/json, runs gojq and encodes, in front of the same route.
//
//	go run ./internal/bench -transforms
//
// With -forward it is a route that forwards to an HTTP server, beside a ReverseProxy
// with the same connections and a line of the same fields in its log, and beside one
// that reuses its buffers too: bodies of three sizes, sent and answered with their
// length, from clients of HTTP/1.1 and of h2c.
//
//	go run ./internal/bench -forward
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

func main() {
	role := flag.String("role", "", "internal: upstream, proxy, flushing, dynamic, transforms, forward, reverse or pooled")
	target := flag.String("target", "", "internal: address that what is in the middle forwards to")
	image := flag.String("image", "", "internal: descriptors of the upstream")
	dragoman := flag.String("dragoman", "", "the dragoman binary; empty builds it")
	rounds := flag.Int("rounds", 3, "rounds per size")
	length := flag.Duration("time", 3*time.Second, "length of one round")
	conns := flag.Int("conns", 0, "client connections; 64, or 8 with -streams, 4 with -files")
	streaming := flag.Bool("streams", false, "measure streams of small messages")
	files := flag.Bool("files", false, "measure downloads and uploads")
	transforming := flag.Bool("transforms", false, "measure routes with jq programs")
	forwarding := flag.Bool("forward", false, "measure routes that forward")
	profiles := flag.String("profiles", "", "with -forward, a folder for a CPU profile of each process")
	only := flag.String("size", "", "small, medium or large; empty is all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *role != "" && *profiles != "" {
		if err := profile(filepath.Join(*profiles, *role+".pprof")); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	switch *role {
	case "upstream":
		err = runUpstream(ctx)
	case "proxy":
		err = runProxy(ctx, *target)
	case "flushing":
		err = runFlushing(ctx, *target)
	case "dynamic":
		err = runDynamic(ctx, *target)
	case "transforms":
		err = runTransforms(ctx, *target, *image)
	case "forward":
		err = runForward(ctx, *target)
	case "reverse":
		err = runReverse(ctx, *target, nil)
	case "pooled":
		err = runReverse(ctx, *target, newBufferPool())
	default:
		switch {
		case *conns > 0:
		case *streaming:
			*conns = 8
		case *files:
			*conns = 4
		default:
			*conns = 64
		}
		switch {
		case *transforming:
			err = compareTransforms(ctx, *rounds, *length, *conns)
		case *forwarding:
			err = compareForwarding(ctx, *profiles, *only, *rounds, *length, *conns)
		case *streaming:
			err = compareStreams(ctx, *dragoman, *rounds, *length, *conns)
		case *files:
			err = compareFiles(ctx, *dragoman, *rounds, *length, *conns)
		default:
			err = compare(ctx, *dragoman, *rounds, *length, *conns, *only)
		}
	}
	pprof.StopCPUProfile()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// profile begins a CPU profile.
func profile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}

// compare starts everything and prints one line per size.
func compare(ctx context.Context, dragoman string, rounds int, length time.Duration, conns int, only string) error {
	dir, err := os.MkdirTemp("", "dragoman-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := startChain(ctx, dir, dragoman, "proxy")
	if err != nil {
		return err
	}
	defer c.stop()
	gw, proxy := c.gateway, c.others[0]

	fmt.Printf("%-8s %10s %10s %7s %10s %10s\n", "size", "gateway", "proxy", "ratio", "gateway/s", "proxy/s")
	for _, size := range sizes() {
		if only != "" && only != size.name {
			continue
		}
		var ours, theirs, ratios, ourRate, theirRate []float64
		for range rounds {
			g, gr, err := measure(ctx, gw, c.address, size, conns, length)
			if err != nil {
				return err
			}
			p, pr, err := measure(ctx, proxy, c.otherAddresses[0], size, conns, length)
			if err != nil {
				return err
			}
			ours, theirs, ratios = append(ours, g), append(theirs, p), append(ratios, g/p)
			ourRate, theirRate = append(ourRate, gr), append(theirRate, pr)
		}
		fmt.Printf("%-8s %8.1fµs %8.1fµs %6.2fx %10.0f %10.0f\n", size.name,
			median(ours), median(theirs), median(ratios), median(ourRate), median(theirRate))
	}
	return nil
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// chain is an upstream with the gateway, and others, in front of it.
type chain struct {
	upstream, gateway *process
	address           string
	others            []*process
	otherAddresses    []string
}

// startChain starts everything and waits until the gateway answers.
func startChain(ctx context.Context, dir, dragoman string, roles ...string) (c *chain, err error) {
	if dragoman == "" {
		dragoman = filepath.Join(dir, "dragoman")
		build := exec.CommandContext(ctx, "go", "build", "-o", dragoman, "./cmd/dragoman")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return nil, fmt.Errorf("build dragoman: %w", err)
		}
	}
	image := filepath.Join(dir, "bench.binpb")
	if err := writeImage(ctx, image); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c = new(chain)
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	var targets []string
	if c.upstream, targets, err = start(ctx, 2, self, "-role", "upstream"); err != nil {
		return nil, err
	}
	for _, role := range roles {
		target := targets[1]
		if role == "dynamic" {
			target = targets[0]
		}
		p, lines, err := start(ctx, 1, self, "-role", role, "-target", target)
		if err != nil {
			return nil, err
		}
		c.others, c.otherAddresses = append(c.others, p), append(c.otherAddresses, lines[0])
	}
	if c.address, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if c.gateway, _, err = start(ctx, 0, dragoman, "serve", "--listen", c.address, "--admin", "127.0.0.1:0",
		"--log-format", "json", "--descriptors", image, targets[0]); err != nil {
		return nil, err
	}
	return c, awaitAnswer(ctx, c.address, sizes()[0])
}

func (c *chain) stop() {
	for _, p := range append(c.others, c.gateway, c.upstream) {
		if p != nil {
			p.stop()
		}
	}
}

// process is a running child.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *os.File
}

// start runs a program and reads as many lines of its output: the addresses it
// listens on. Its log goes to a file, as in production, and is dropped.
func start(ctx context.Context, lines int, name string, args ...string) (*process, []string, error) {
	log, err := os.CreateTemp("", "dragoman-bench-log-")
	if err != nil {
		return nil, nil, err
	}
	p := &process{name: strings.Join(args[:min(2, len(args))], " "), cmd: exec.CommandContext(ctx, name, args...), log: log}
	p.cmd.Stderr = log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, nil, err
	}
	var got []string
	for scan := bufio.NewScanner(out); len(got) < lines; {
		if !scan.Scan() {
			p.stop()
			return nil, nil, fmt.Errorf("%s ended at once: %s", filepath.Base(name), strings.Join(args, " "))
		}
		got = append(got, scan.Text())
	}
	return p, got, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
	_ = p.log.Close()
	_ = os.Remove(p.log.Name())
}

// cpu is the user and system time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// Fields 14 and 15 (proc(5)), counted from behind the program's name,
	// which may hold anything.
	_, rest, ok := bytes.Cut(stat, []byte(") "))
	if !ok {
		return 0, errors.New("unexpected /proc/PID/stat")
	}
	var user, system int64
	fields := strings.Fields(string(rest))
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, err
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	return time.Duration(user+system) * tick, nil
}
