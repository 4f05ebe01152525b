package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// streamMessages is how many messages one stream has.
const streamMessages = 1000

// streamCase is one way to get the stream.
type streamCase struct {
	name string
	// role is the process in the middle: gateway, dynamic or proxy.
	role string
	// path is asked for with accept.
	path, accept string
	// mark is in the answer once for each message.
	mark string
	// rival is the case with protojson and the same sort of answer.
	rival string
}

// accept of a stream over a WebSocket.
const overWebSocket = ""

// streamCases are those of one pace of the upstream.
func streamCases(pace string) []streamCase {
	path := "/v1/stream/" + pace
	return []streamCase{
		{"array", "gateway", path, "application/json", `"id"`, "protojson"},
		{"NDJSON", "gateway", path, "application/x-ndjson", `"id"`, "protojson"},
		{"SSE", "gateway", path, "text/event-stream", `"id"`, "protojson"},
		{"WebSocket", "gateway", path, overWebSocket, `"id"`, "protojson WS"},
		{"protojson", "dynamic", path, "application/x-ndjson", `"id"`, "protojson"},
		{"protojson WS", "dynamic", path, overWebSocket, `"id"`, "protojson WS"},
		{"proxy", "proxy", path, "application/x-ndjson", `"id"`, "protojson"},
	}
}

// compareStreams prints a line for each pace and form: the CPU of the process in
// the middle for each message.
func compareStreams(ctx context.Context, dragoman string, rounds int, length time.Duration, conns int) error {
	dir, err := os.MkdirTemp("", "dragoman-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := startChain(ctx, dir, dragoman, "dynamic", "flushing")
	if err != nil {
		return err
	}
	defer c.stop()
	processes := map[string]*process{"gateway": c.gateway, "dynamic": c.others[0], "proxy": c.others[1]}
	addresses := map[string]string{"gateway": c.address, "dynamic": c.otherAddresses[0], "proxy": c.otherAddresses[1]}

	fmt.Printf("%-7s %-12s %10s %10s %12s %8s\n", "pace", "form", "CPU/msg", "over proxy", "of protojson", "msg/s")
	for _, pace := range []string{"fast", "paced"} {
		cases := streamCases(pace)
		cpu, rate := make([][]float64, len(cases)), make([][]float64, len(cases))
		for round := range rounds + 1 {
			for i, s := range cases {
				used, messages, took, err := measureStreams(ctx, processes[s.role], addresses[s.role], s, conns, length)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				if round == 0 {
					continue // to warm up
				}
				cpu[i] = append(cpu[i], float64(used.Nanoseconds())/1000/float64(messages))
				rate[i] = append(rate[i], float64(messages)/took.Seconds())
			}
		}
		of := func(name string) []float64 {
			return cpu[slices.IndexFunc(cases, func(s streamCase) bool { return s.name == name })]
		}
		for i, s := range cases {
			fmt.Printf("%-7s %-12s %8.2fµs %9.2fx %11.2fx %8.0f\n", pace, s.name,
				median(cpu[i]), median(ratios(cpu[i], of("proxy"))), median(ratios(of(s.rival), cpu[i])), median(rate[i]))
		}
	}
	return nil
}

// ratios are a over b, round by round.
func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

// measureStreams runs whole streams on conns connections, one after the other on
// each, until the time is over.
func measureStreams(ctx context.Context, p *process, address string, s streamCase, conns int, length time.Duration) (used time.Duration, messages int64, took time.Duration, err error) {
	before, err := p.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	start := time.Now()
	type result struct {
		messages int64
		err      error
	}
	results := make(chan result, conns)
	for range conns {
		go func() {
			read := streams
			if s.accept == overWebSocket {
				read = sockets
			}
			n, err := read(ctx, address, s, start.Add(length))
			results <- result{n, err}
		}()
	}
	for range conns {
		r := <-results
		messages, err = messages+r.messages, errors.Join(err, r.err)
	}
	if err != nil {
		return 0, 0, 0, err
	}
	took = time.Since(start)
	after, err := p.cpu()
	return after - before, messages, took, err
}

// streams reads one stream after the other on one connection, and counts the
// messages; it begins none after the time until.
func streams(ctx context.Context, address string, s streamCase, until time.Time) (int64, error) {
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\nAccept: %s\r\n\r\n", s.path, s.accept)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	in := bufio.NewReaderSize(conn, 64<<10)
	total := int64(0)
	for time.Now().Before(until) {
		if _, err := conn.Write(request); err != nil {
			return 0, err
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return 0, err
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return 0, err
		}
		n := bytes.Count(body, []byte(s.mark))
		if res.StatusCode != http.StatusOK || n != streamMessages {
			return 0, fmt.Errorf("%s, %d messages: %.200q", res.Status, n, body)
		}
		total += int64(n)
	}
	return total, nil
}

// pause is between two messages of a paced stream: so long that each is written
// before the next one exists.
const pause = 200 * time.Microsecond

// paced waits between messages, if the request asks for that.
func paced(pace string, n int) {
	if pace == "paced" && n > 0 {
		time.Sleep(pause)
	}
}

// streamLines is the HTTP upstream: a line of JSON for each message, each flushed.
func streamLines(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	control := http.NewResponseController(w)
	line := []byte(smallJSON + "\n")
	for n := range streamMessages {
		paced(r.PathValue("pace"), n)
		if _, err := w.Write(line); err != nil {
			return
		}
		if control.Flush() != nil {
			return
		}
	}
}

// runDynamic is what a gateway without a codec of its own does: grpc-go with
// dynamicpb for each message, protojson for its JSON, and a flush.
func runDynamic(ctx context.Context, target string) error {
	file, err := compile(ctx)
	if err != nil {
		return err
	}
	messages := file.Messages()
	request, item := messages.ByName("SmallRequest"), messages.ByName("Item")
	cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = cc.Close() }()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/stream/{id}", func(w http.ResponseWriter, r *http.Request) {
		in := dynamicpb.NewMessage(request)
		in.Set(request.Fields().ByName("id"), protoreflect.ValueOfString(r.PathValue("id")))
		stream, err := cc.NewStream(r.Context(), &grpc.StreamDesc{ServerStreams: true}, "/bench.v1.Bench/Stream")
		if err == nil {
			err = stream.SendMsg(in)
		}
		if err == nil {
			err = stream.CloseSend()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if r.Header.Get("Upgrade") != "" {
			socketDynamic(w, r, stream, item)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		control := http.NewResponseController(w)
		for {
			out := dynamicpb.NewMessage(item)
			if err := stream.RecvMsg(out); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				panic(http.ErrAbortHandler)
			}
			line, err := protojson.Marshal(out)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return
			}
			if control.Flush() != nil {
				return
			}
		}
	})
	return serveWeb(ctx, mux)
}

// runFlushing is the standard reverse proxy that flushes whatever it has read.
func runFlushing(ctx context.Context, target string) error {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 256}
	proxy.FlushInterval = -1
	return serveWeb(ctx, proxy)
}

// smallWire is the message of smallJSON.
func smallWire(ctx context.Context) ([]byte, error) {
	file, err := compile(ctx)
	if err != nil {
		return nil, err
	}
	item := dynamicpb.NewMessage(file.Messages().ByName("Item"))
	if err := protojson.Unmarshal([]byte(smallJSON), item); err != nil {
		return nil, err
	}
	return proto.Marshal(item)
}

// streamItems is the gRPC upstream: the same messages.
func streamItems(small []byte) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		var request []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		pace := "fast"
		if strings.Contains(string(request), "paced") {
			pace = "paced"
		}
		for n := range streamMessages {
			paced(pace, n)
			if err := stream.SendMsg(&small); err != nil {
				return err
			}
		}
		return nil
	}
}
