package grpc_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// serveFrugal answers every call with the same bytes, and hardly allocates.
func serveFrugal(t testing.TB) string {
	t.Helper()
	block := func(pairs ...string) []byte {
		var b bytes.Buffer
		enc := hpack.NewEncoder(&b)
		enc.SetMaxDynamicTableSize(0) // the blocks are sent more than once
		for i := 0; i < len(pairs); i += 2 {
			require.NoError(t, enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
		}
		return b.Bytes()
	}
	head, end := block(":status", "200", "content-type", "application/grpc"), block("grpc-status", "0")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		fr := http2.NewFramer(conn, conn)
		fr.SetReuseFrames()
		if fr.WriteSettings() != nil {
			return
		}
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			h := f.Header()
			switch {
			case h.Type == http2.FrameSettings && !h.Flags.Has(http2.FlagSettingsAck):
				_ = fr.WriteSettingsAck()
			case h.Type == http2.FrameData && h.Flags.Has(http2.FlagDataEndStream):
				_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: h.StreamID, BlockFragment: head, EndHeaders: true})
				_ = fr.WriteData(h.StreamID, false, []byte{0, 0, 0, 0, 0})
				_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: h.StreamID, BlockFragment: end, EndHeaders: true, EndStream: true})
			}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// TestAllocations: a whole unary request through the gateway may take 120, and
// most of them are grpc-go's. The deadline is 7 of these.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	const budget = 100
	up := newUpstream(t, &configpb.GRPCUpstream{Target: serveFrugal(t)})
	defer func() { require.NoError(t, up.Close()) }()
	header := rpc.Header{{Name: "accept", Value: "*/*"}, {Name: "x-forwarded-for", Value: "127.0.0.1"}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sink frugal
	n := testing.AllocsPerRun(500, func() {
		call := rpc.Call{Method: unary, Header: header, Request: rpc.NewBuffer(), Deadline: time.Now().Add(time.Minute)}
		rpc.Run(ctx, up, &call, &sink)
	})
	require.Zero(t, sink.failed)
	t.Logf("%v allocations", n)
	require.LessOrEqual(t, n, float64(budget))
}

// frugal is a sink that allocates nothing.
type frugal struct{ failed int }

func (*frugal) Head(rpc.Header) {}

func (*frugal) Message(msg *rpc.Buffer) error {
	msg.Release()
	return nil
}

func (f *frugal) End(st rpc.Status, _ rpc.Header) {
	if st.Code != 0 {
		f.failed++
	}
}
