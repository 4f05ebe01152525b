package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// fileVariable is how many MiB the test of files sends each way.
const fileVariable = "DRAGOMAN_FILE_MIB"

func fileMiB(t *testing.T) int64 {
	text := os.Getenv(fileVariable)
	if text == "" {
		return 64
	}
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err, fileVariable)
	return n
}

// download streams as many bytes as it is asked for, in messages of 64 KiB.
func download(_ any, stream grpc.ServerStream) error {
	var in wrapperspb.Int64Value
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	chunk := &httpbody.HttpBody{ContentType: "application/x-zeros", Data: make([]byte, 64<<10)}
	for left := in.Value; left > 0; left -= int64(len(chunk.Data)) {
		if left < int64(len(chunk.Data)) {
			chunk.Data = chunk.Data[:left]
		}
		if err := stream.SendMsg(chunk); err != nil {
			return err
		}
	}
	return nil
}

// upload counts the bytes that it is sent.
func upload(_ any, stream grpc.ServerStream) error {
	out := wrapperspb.Int64(0)
	for {
		var in httpbody.HttpBody
		err := stream.RecvMsg(&in)
		if err == io.EOF {
			return stream.SendMsg(out)
		}
		if err != nil {
			return err
		}
		out.Value += int64(len(in.Data))
	}
}

// peakKiB is the most memory that the process has had resident since reset.
func (p *process) peakKiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		var kib int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

func (p *process) resetPeak(t *testing.T) {
	t.Helper()
	// 5 is for the peak alone: see proc_pid_clear_refs(5).
	require.NoError(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0))
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFilesInFlatMemory sends a file each way, over both versions of HTTP, and
// holds the memory that it takes to that of one 64 times smaller.
func TestFilesInFlatMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's own memory grows with what is done")
	}
	if _, err := os.Stat("/proc/self/clear_refs"); err != nil {
		t.Skip("the peak of memory can be seen on Linux only")
	}
	size := fileMiB(t) << 20
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			p := startGateway(t, startService(t))
			protocols := new(http.Protocols)
			protocols.SetHTTP1(version == "HTTP/1.1")
			protocols.SetUnencryptedHTTP2(version == "HTTP/2.0")
			client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
			defer client.CloseIdleConnections()
			get := func(size int64) {
				res, err := client.Get(fmt.Sprintf("http://%s/v1/download/%d", p.gateway, size))
				require.NoError(t, err)
				defer res.Body.Close()
				require.Equal(t, version, res.Proto)
				require.Equal(t, "application/x-zeros", res.Header.Get("Content-Type"))
				n, err := io.Copy(io.Discard, res.Body)
				require.NoError(t, err)
				require.Equal(t, size, n)
			}
			post := func(size int64) {
				res, err := client.Post("http://"+p.gateway+"/v1/upload", "application/x-zeros", io.LimitReader(zeros{}, size))
				require.NoError(t, err)
				defer res.Body.Close()
				got, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.Equal(t, strconv.Quote(strconv.FormatInt(size, 10)), string(bytes.TrimSpace(got)))
			}
			for name, send := range map[string]func(int64){"download": get, "upload": post} {
				send(size / 64)
				before := p.residentKiB(t)
				p.resetPeak(t)
				start := time.Now()
				send(size)
				took := time.Since(start)
				grown := p.peakKiB(t) - before
				t.Logf("%s of %d MiB: %.0f MiB/s, resident %d KiB, at most %d more", name, size>>20, float64(size>>20)/took.Seconds(), before, grown)
				require.Less(t, grown, 8<<10, "KiB more for a %s of %d MiB", name, size>>20)
			}
		})
	}
}
