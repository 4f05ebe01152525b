package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/itchyny/gojq"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/server"
)

// The programs that are measured: one that sets a header, and two that pick five
// members of 2 KB of JSON and give two of them another name.
const (
	headerProgram   = `.headers["x-tenant"] = "acme"`
	requestProgram  = `.body |= {id, shipTo, created, invoice: .card, labels: .counts}`
	responseProgram = `.body |= {id, created, card, address: .shipTo, visits: .counts}`
)

// transformCase is one way to serve a route. Each has a listener of its own, of
// one gateway.
type transformCase struct {
	name string
	size string
	// transform is what the listener has.
	transform *configpb.Transform
	// plain, if set, does by itself what a program does.
	plain func(http.Handler) http.Handler
	// base is the case it is compared with: the same route without it. In a case
	// of the plain way, over is the one with the program.
	base, over int
}

func transformCases() []transformCase {
	return []transformCase{
		0: {name: "small", size: "small"},
		1: {name: "header of the request", size: "small", transform: &configpb.Transform{Request: headerProgram}},
		2: {name: "header of the answer", size: "small", transform: &configpb.Transform{Response: headerProgram}},
		3: {name: "2 KB echo", size: "medium", base: 3},
		4: {name: "body of the request", size: "medium", base: 3, transform: &configpb.Transform{Request: requestProgram}},
		5: {name: "plain way", size: "medium", base: 3, over: 4, plain: plainRequest},
		6: {name: "body of the answer", size: "medium", base: 3, transform: &configpb.Transform{Response: responseProgram}},
		7: {name: "plain way", size: "medium", base: 3, over: 6, plain: plainResponse},
	}
}

// compareTransforms prints a line for each case: the CPU of the gateway for each
// request, what is on top of the same route without a program, and for the plain
// way how many times what the program costs.
func compareTransforms(ctx context.Context, rounds int, length time.Duration, conns int) error {
	dir, err := os.MkdirTemp("", "dragoman-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	image := filepath.Join(dir, "bench.binpb")
	if err := writeImage(ctx, image); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	upstream, targets, err := start(ctx, 2, self, "-role", "upstream")
	if err != nil {
		return err
	}
	defer upstream.stop()
	cases := transformCases()
	gateway, addresses, err := start(ctx, len(cases), self, "-role", "transforms", "-target", targets[0], "-image", image)
	if err != nil {
		return err
	}
	defer gateway.stop()

	requests := make(map[string]size)
	for _, s := range sizes() {
		requests[s.name] = s
	}
	cpu := make([][]float64, len(cases))
	for round := range rounds + 1 {
		for n := range cases {
			// Turned with each round, so that no case is always behind the same one.
			i := (n + round) % len(cases)
			used, _, err := measure(ctx, gateway, addresses[i], requests[cases[i].size], conns, length)
			if err != nil {
				return fmt.Errorf("%s: %w", cases[i].name, err)
			}
			if round > 0 { // the first warms up
				cpu[i] = append(cpu[i], used)
			}
		}
	}
	fmt.Printf("%-24s %10s %8s %10s %14s\n", "case", "CPU/req", "ratio", "on top", "of the program")
	for i, c := range cases {
		fmt.Printf("%-24s %8.1fµs", c.name, median(cpu[i]))
		if c.base != i {
			fmt.Printf(" %7.2fx %8.1fµs", median(ratios(cpu[i], cpu[c.base])), median(less(cpu[i], cpu[c.base])))
		}
		if c.plain != nil {
			fmt.Printf(" %13.1fx", median(less(cpu[i], cpu[c.base]))/median(less(cpu[c.over], cpu[c.base])))
		}
		fmt.Println()
	}
	return nil
}

// less is a without b, round by round.
func less(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

// runTransforms serves all cases with one gateway, and prints an address for each.
func runTransforms(ctx context.Context, target, image string) error {
	cases := transformCases()
	cfg := &configpb.Config{
		Upstreams: []*configpb.Upstream{{
			Name:        "bench",
			Kind:        &configpb.Upstream_Grpc{Grpc: &configpb.GRPCUpstream{Target: target}},
			Descriptors: &configpb.Descriptors{Source: &configpb.Descriptors_Image{Image: &configpb.ImageSource{Path: image}}},
		}},
		Routes: []*configpb.Route{{Name: "bench", Action: &configpb.Route_Transcode{Transcode: &configpb.TranscodeRoute{Upstream: "bench"}}}},
	}
	for i, c := range cases {
		l := &configpb.Listener{Name: "l" + strconv.Itoa(i), Address: "127.0.0.1:0"}
		if c.transform != nil {
			l.Transform = []*configpb.Transform{c.transform}
		}
		cfg.Listeners = append(cfg.Listeners, l)
	}
	file, err := config.FromMessage("bench", cfg)
	if err != nil {
		return err
	}
	plan, err := config.Link(file)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	g, err := builtin.Gateway(plan, log, log)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	if err := g.Start(ctx); err != nil {
		return err
	}
	listeners, err := builtin.Listeners(plan, g)
	if err != nil {
		return err
	}
	for i, c := range cases {
		if c.plain != nil {
			listeners[i].Handler = c.plain(listeners[i].Handler)
		}
	}
	srv, err := server.Listen(ctx, listeners, log)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		fmt.Println(srv.Address(l.Name))
	}
	return srv.Serve(ctx, 0)
}

// plainly is a program over the body alone, the plain way: all of it decoded, gojq,
// all of the result encoded.
func plainly(src string) func([]byte) ([]byte, error) {
	query, err := gojq.Parse(src)
	if err != nil {
		panic(err) // a mistake in this file
	}
	code, err := gojq.Compile(query)
	if err != nil {
		panic(err)
	}
	return func(data []byte) ([]byte, error) {
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			return nil, err
		}
		out, _ := code.Run(map[string]any{"body": v}).Next()
		view, ok := out.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("the program gives %v", out)
		}
		return json.Marshal(view["body"])
	}
}

func plainRequest(next http.Handler) http.Handler {
	change := plainly(requestProgram)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err == nil {
			data, err = change(data)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		r.Header.Set("Content-Length", strconv.Itoa(len(data)))
		next.ServeHTTP(w, r)
	})
}

func plainResponse(next http.Handler) http.Handler {
	change := plainly(responseProgram)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held := &holder{ResponseWriter: w}
		next.ServeHTTP(held, r)
		data, err := change(held.body.Bytes())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.WriteHeader(held.status)
		_, _ = w.Write(data)
	})
}

// holder keeps an answer back.
type holder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *holder) WriteHeader(status int)      { h.status = status }
func (h *holder) Write(p []byte) (int, error) { return h.body.Write(p) }
func (h *holder) FlushError() error           { return nil }
func (h *holder) Unwrap() http.ResponseWriter { return h.ResponseWriter }
