package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Files are fileMiB large; whoever sends one writes filePiece at a time, which is
// also what a message of a download has.
const (
	fileMiB   = 16
	filePiece = 64 << 10
)

// fileCase is one way that a file goes: its name, and the head of its request.
type fileCase struct{ name, head string }

func fileCases() []fileCase {
	return []fileCase{
		{"download", "GET /v1/files/f HTTP/1.1\r\nHost: bench\r\n\r\n"},
		{"upload", fmt.Sprintf("POST /v1/files/f HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-bench\r\nContent-Length: %d\r\n\r\n", fileMiB<<20)},
	}
}

// compareFiles prints a line for each way: the CPU of the process in the middle for
// each MiB.
func compareFiles(ctx context.Context, dragoman string, rounds int, length time.Duration, conns int) error {
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
	fmt.Printf("%-8s %12s %12s %7s %12s %12s\n", "file", "gateway/MiB", "proxy/MiB", "ratio", "gateway", "proxy")
	for _, f := range fileCases() {
		var ours, theirs, ourRate, theirRate []float64
		for round := range rounds + 1 {
			g, gr, err := measureFiles(ctx, c.gateway, c.address, f, conns, length)
			if err != nil {
				return fmt.Errorf("%s through the gateway: %w", f.name, err)
			}
			p, pr, err := measureFiles(ctx, c.others[0], c.otherAddresses[0], f, conns, length)
			if err != nil {
				return fmt.Errorf("%s through the proxy: %w", f.name, err)
			}
			if round == 0 {
				continue // to warm up
			}
			ours, theirs = append(ours, g), append(theirs, p)
			ourRate, theirRate = append(ourRate, gr), append(theirRate, pr)
		}
		fmt.Printf("%-8s %10.0fµs %10.0fµs %6.2fx %7.0f MiB/s %6.0f MiB/s\n", f.name,
			median(ours), median(theirs), median(ratios(ours, theirs)), median(ourRate), median(theirRate))
	}
	return nil
}

// measureFiles sends whole files on conns connections, one after the other on each,
// until the time is over. It returns the CPU time of p for each MiB in µs, and the
// MiB of a second.
func measureFiles(ctx context.Context, p *process, address string, f fileCase, conns int, length time.Duration) (cpu, rate float64, err error) {
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	type result struct {
		files int
		err   error
	}
	results := make(chan result, conns)
	for range conns {
		go func() {
			n, err := transfer(ctx, address, f, start.Add(length))
			results <- result{n, err}
		}()
	}
	files := 0
	for range conns {
		r := <-results
		files, err = files+r.files, errors.Join(err, r.err)
	}
	if err != nil {
		return 0, 0, err
	}
	took := time.Since(start)
	after, err := p.cpu()
	sent := float64(files * fileMiB)
	return float64((after - before).Microseconds()) / sent, sent / took.Seconds(), err
}

// transfer counts the files that went over one connection; it begins none after the
// time until.
func transfer(ctx context.Context, address string, f fileCase, until time.Time) (int, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	in, piece := bufio.NewReaderSize(conn, filePiece), make([]byte, filePiece)
	files := 0
	for ; time.Now().Before(until); files++ {
		if _, err := io.WriteString(conn, f.head); err != nil {
			return 0, err
		}
		if f.name == "upload" {
			for range fileMiB << 20 / filePiece {
				if _, err := conn.Write(piece); err != nil {
					return 0, err
				}
			}
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return 0, err
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, piece)
		if err != nil {
			return 0, err
		}
		if res.StatusCode != http.StatusOK || f.name == "download" && n != fileMiB<<20 {
			return 0, fmt.Errorf("%s, %d bytes", res.Status, n)
		}
	}
	return files, nil
}

// writeFile is the HTTP upstream of downloads, sendFile the gRPC one.
func writeFile(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-bench")
	w.Header().Set("Content-Length", strconv.Itoa(fileMiB<<20))
	piece := make([]byte, filePiece)
	for range fileMiB << 20 / filePiece {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

func sendFile(_ any, stream grpc.ServerStream) error {
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	piece, err := proto.Marshal(&httpbody.HttpBody{ContentType: "application/x-bench", Data: make([]byte, filePiece)})
	if err != nil {
		return err
	}
	for range fileMiB << 20 / filePiece {
		if err := stream.SendMsg(&piece); err != nil {
			return err
		}
	}
	return nil
}

// readFile is the HTTP upstream of uploads, takeFile the gRPC one.
func readFile(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, smallJSON)
}

func takeFile(small []byte) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		for {
			var piece []byte
			if err := stream.RecvMsg(&piece); errors.Is(err, io.EOF) {
				return stream.SendMsg(&small)
			} else if err != nil {
				return err
			}
		}
	}
}
