// Command testee answers protobuf's conformance runner with the gateway's codec.
//
//	testee IMAGE
//
// IMAGE is a serialized FileDescriptorSet with the runner's test messages. The
// runner writes requests to the standard input and reads responses from the
// standard output, each preceded by its length in four bytes, little end first.
//
// What starts or ends in JSON goes through the codec alone: JSON to JSON is JSON
// to wire to JSON. The gateway never re-encodes wire data and has no text
// format, so those requests are answered as skipped.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// maxRequest is far above what the runner sends.
const maxRequest = 64 << 20

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "testee: %v\n", err)
		os.Exit(1)
	}
}

// run serves requests until the input ends.
func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("want one argument: the image with the test messages")
	}
	c, err := load(args[0])
	if err != nil {
		return err
	}
	t := testee{codec: c}
	var size [4]byte
	for {
		if _, err := io.ReadFull(in, size[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a request's length: %w", err)
		}
		n := binary.LittleEndian.Uint32(size[:])
		if n > maxRequest {
			return fmt.Errorf("request of %d bytes, more than %d", n, maxRequest)
		}
		buf := make([]byte, n)
		if _, err := io.ReadFull(in, buf); err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		req, err := parseRequest(buf)
		if err != nil {
			return err
		}
		answer := t.answer(req).serialize()
		framed := append(binary.LittleEndian.AppendUint32(nil, uint32(len(answer))), answer...)
		if _, err := out.Write(framed); err != nil {
			return fmt.Errorf("write a response: %w", err)
		}
	}
}

// load compiles the tables of the image's messages.
func load(path string) (*codec.Codec, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(data, set); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s, err := schema.New(set)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return codec.New(s)
}

// testee translates one request at a time.
type testee struct {
	codec   *codec.Codec
	scratch codec.Scratch
}

func (t *testee) answer(req request) response {
	switch {
	case req.payload != wirePayload && req.payload != jsonPayload, req.output != wireFormat && req.output != jsonFormat:
		return response{skipped, []byte("neither JSON nor wire data")}
	case req.payload == wirePayload && req.output == wireFormat:
		return response{skipped, []byte("wire data is passed on as it is")}
	}
	m := t.codec.Message(req.message)
	if m == nil {
		return response{runtimeError, fmt.Appendf(nil, "no message type %q in the image", req.message)}
	}

	wire := req.data
	if req.payload == jsonPayload {
		t.scratch.Parse.IgnoreUnknown = req.category == ignoreUnknown
		var err error
		if wire, err = m.AppendWire(nil, req.data, &t.scratch, nil); err != nil {
			return response{parseError, []byte(err.Error())}
		}
	}
	if err := m.CheckRequired(wire, &t.scratch); err != nil {
		return response{parseError, []byte(err.Error())}
	}
	if req.output == wireFormat {
		return response{wireResult, wire}
	}
	json, err := m.AppendJSON(nil, wire, &t.scratch)
	if err == nil {
		return response{jsonResult, json}
	}
	// Only here is the codec one step where the runner knows two.
	var e *codec.Error
	if errors.As(err, &e) && (e.Kind == codec.KindUnprintable || e.Kind == codec.KindUnknownType || e.Kind == codec.KindTooLarge) {
		return response{serializeError, []byte(err.Error())}
	}
	return response{parseError, []byte(err.Error())}
}
