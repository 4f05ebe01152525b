package outbound_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound"
)

// discard is a sink that counts messages.
type discard struct {
	messages int
	status   rpc.Status
}

func (*discard) Head(rpc.Header) {}

func (d *discard) Message(msg *rpc.Buffer) error {
	d.messages++
	msg.Release()
	return nil
}

func (d *discard) End(st rpc.Status, _ rpc.Header) { d.status = st }

// book is what a service answers.
const book = `{"name":"shelves/1/books/2","title":"The Silk Roads","authors":["Peter Frankopan"],"genre":"HISTORY",` +
	`"isbn":"9781408839997","published":"2015-08-27T00:00:00Z","words":"230000","rating":4.5,"labels":{"cover":"paper"},"place":3}`

// byHand is a call as a server of gRPC makes it that somebody has written for one method,
// with generated code, net/http and protojson: it gets the bytes of the request from gRPC,
// and gives it those of each message of the answer.
type byHand func(send func(*http.Request) (*http.Response, error), wire []byte) (messages int, err error)

// BenchmarkDo is a call without a network: what this package adds, beside the same by hand.
func BenchmarkDo(b *testing.B) {
	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(librarypb.File_library_v1_library_proto),
	}})
	require.NoError(b, err)
	name := "shelves/1/books/2"
	update := &librarypb.UpdateBookRequest{Book: new(librarypb.Book)}
	require.NoError(b, protojson.Unmarshal([]byte(book), update.Book))
	for _, test := range []struct {
		name, method, contentType, answer string
		request                           proto.Message
		byHand                            byHand
	}{
		{"get", "GetBook", jsonType, book, &librarypb.GetBookRequest{Name: name}, getBook},
		{"patch", "UpdateBook", jsonType, book, update, updateBook},
		{"100 lines", "StreamBooks", lines, strings.Repeat(book+"\n", 100), &librarypb.StreamBooksRequest{Parent: "shelves/1"}, streamBooks},
		{"100 events", "StreamBooks", events, strings.Repeat("data: "+book+"\n\n", 100), &librarypb.StreamBooksRequest{Parent: "shelves/1"}, streamBooks},
	} {
		header := http.Header{"Content-Type": {test.contentType}}
		send := func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(strings.NewReader(test.answer)), ContentLength: int64(len(test.answer))}, nil
		}
		wire, err := proto.Marshal(test.request)
		require.NoError(b, err)
		messages := strings.Count(test.answer, book)

		b.Run(test.name, func(b *testing.B) {
			service, err := outbound.NewService(s, "library.v1.Library", outbound.Options{Name: "web", Upstream: stub{send: send}})
			require.NoError(b, err)
			up := service.(rpc.Doer)
			call := &rpc.Call{Method: rpc.NewMethod(s.Services()[0].Methods().ByName(protoreflect.Name(test.method)))}
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				call.Request = rpc.NewBuffer()
				call.Request.B = append(call.Request.B, wire...)
				var d discard
				up.Do(b.Context(), call, &d)
				if d.status.Code != 0 || d.messages != messages {
					b.Fatal(d)
				}
			}
		})
		b.Run(test.name+"/by hand", func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				if n, err := test.byHand(send, wire); err != nil || n != messages {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// reportCPU begins to measure what the process uses, the collector's share included; what
// it gives reports that.
func reportCPU(b *testing.B) (report func()) {
	start := cpuTime(b)
	return func() { b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N), "cpu-ns/op") }
}

func cpuTime(b *testing.B) int64 {
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return r.Utime.Nano() + r.Stime.Nano()
}

func getBook(send func(*http.Request) (*http.Response, error), wire []byte) (int, error) {
	in := new(librarypb.GetBookRequest)
	if err := proto.Unmarshal(wire, in); err != nil {
		return 0, err
	}
	return askBook(send, http.MethodGet, in.GetName(), nil)
}

func updateBook(send func(*http.Request) (*http.Response, error), wire []byte) (int, error) {
	in := new(librarypb.UpdateBookRequest)
	if err := proto.Unmarshal(wire, in); err != nil {
		return 0, err
	}
	body, err := protojson.Marshal(in.GetBook())
	if err != nil {
		return 0, err
	}
	return askBook(send, http.MethodPatch, in.GetBook().GetName(), body)
}

func askBook(send func(*http.Request) (*http.Response, error), method, name string, body []byte) (int, error) {
	res, err := ask(send, method, name, "", body)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	return 1, answerBook(text)
}

func streamBooks(send func(*http.Request) (*http.Response, error), wire []byte) (n int, err error) {
	in := new(librarypb.StreamBooksRequest)
	if err := proto.Unmarshal(wire, in); err != nil {
		return 0, err
	}
	res, err := ask(send, http.MethodGet, in.GetParent(), "/books:stream", nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		line := bytes.TrimPrefix(lines.Bytes(), []byte("data: "))
		if len(line) == 0 {
			continue
		}
		if err := answerBook(line); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// ask sends a request about what has this name.
func ask(send func(*http.Request) (*http.Response, error), method, name, suffix string, body []byte) (*http.Response, error) {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	r, err := http.NewRequest(method, "http://rest.test/v1/"+strings.Join(parts, "/")+suffix, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", jsonType)
	if body != nil {
		r.Header.Set("Content-Type", jsonType)
	}
	return send(r)
}

// answerBook makes the bytes of an answer of its JSON.
func answerBook(text []byte) error {
	out := new(librarypb.Book)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, out); err != nil {
		return err
	}
	_, err := proto.Marshal(out)
	return err
}
