package event_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00"

// read gives data to a Stream in chunks of a size, and collects the answer.
func read(contentType, data string, size int) (out event.Response, err error) {
	s := event.NewStream(contentType)
	var body []byte
	for head := false; len(data) > 0; {
		chunk := []byte(data[:min(size, len(data))])
		data = data[len(chunk):]
		part := chunk
		if !head {
			if part, head, err = s.Next(chunk, &out); err != nil {
				return out, err
			}
			if !head && len(part) > 0 {
				panic("a body before the head")
			}
		}
		body = append(body, part...)
		clear(chunk) // the caller's buffer is used again
		if head && len(data) == 0 {
			out.Body = body
			return out, nil
		}
	}
	return out, s.End(&out)
}

func TestStream(t *testing.T) {
	for _, row := range []struct {
		name, contentType, in string
		status                int
		header                http.Header
		body                  string
	}{
		{"as documented", event.StreamType, `{"statusCode":201,"headers":{"Content-Type":"text/html","X-N":1},"cookies":["a=1","b=2"]}` + zeros + "<p>hello",
			201, http.Header{"Content-Type": {"text/html"}, "X-N": {"1"}, "Set-Cookie": {"a=1", "b=2"}}, "<p>hello"},
		{"several values", event.StreamType, `{"statusCode":200,"multiValueHeaders":{"X-A":["1","2"]},"body":"no"}` + zeros + "x",
			200, http.Header{"Content-Type": {asBytes}, "X-A": {"1", "2"}}, "x"},
		{"nothing said", event.StreamType, "{ } \r\n" + zeros + "x", 200, of(asBytes), "x"},
		{"no body", event.StreamType, `{"statusCode":204}` + zeros, 204, of(asBytes), ""},
		{"zeros and objects in the body", event.StreamType, `{}` + zeros + zeros + `{}` + zeros, 200, of(asBytes), zeros + `{}` + zeros},
		{"no prelude", event.StreamType, "hello" + zeros, 200, of(asBytes), "hello" + zeros},
		{"space, which is no prelude", event.StreamType, " {}" + zeros, 200, of(asBytes), " {}" + zeros},
		{"nothing", event.StreamType, "", 200, of(asBytes), ""},
		{"another type", "text/event-stream", `{"statusCode":201}` + zeros, 200, of("text/event-stream"), `{"statusCode":201}` + zeros},
		{"no type", "", " {}" + zeros, 200, of(asBytes), " {}" + zeros},
		{"no type and nothing", "", "", 200, of(asBytes), ""},
		{"the longest prelude", event.StreamType, `{"a":"` + strings.Repeat("a", 128<<10-8) + `"}` + zeros + "x", 200, of(asBytes), "x"},
	} {
		t.Run(row.name, func(t *testing.T) {
			sizes := []int{1, 2, 3, 7, 8, 9, 64, 1 << 20}
			for _, size := range sizes {
				got, err := read(row.contentType, row.in, size)
				require.NoError(t, err)
				want := event.Response{Status: row.status, Header: row.header, Body: []byte(row.body)}
				if len(got.Body) == 0 {
					got.Body = []byte{}
				}
				require.Empty(t, cmp.Diff(want, got), "in chunks of %d", size)
			}
		})
	}
}

func TestStreamErrors(t *testing.T) {
	for in, want := range map[string]string{
		`{"statusCode":200}`:                               "the function's stream ended in its prelude, before the eight zero bytes behind it",
		`{"statusCode":200}` + zeros[1:]:                   "the function's stream ended in its prelude, before the eight zero bytes behind it",
		`{"statusCode":200}` + zeros[1:] + "x":             "the prelude of the function's stream is not followed by eight zero bytes",
		`{"statusCode":200` + zeros + "x":                  "the prelude of the function's stream: not JSON, at byte 17",
		`{} {}` + zeros:                                    "the prelude of the function's stream: not JSON, at byte 3",
		`{"statusCode":"x"}` + zeros:                       `statusCode "x" is no number`,
		`{"headers":{"a":"b\n"}}` + zeros:                  `headers: the value of A has a control character`,
		`{` + strings.Repeat(" ", 128<<10):                 "the prelude of the function's stream has more than 131072 bytes",
		`{` + strings.Repeat(" ", 128<<10-1) + "}" + zeros: "the prelude of the function's stream has more than 131072 bytes",
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			_, err := read(event.StreamType, in, size)
			require.EqualError(t, err, want, "%.40q in chunks of %d", in, size)
		}
	}
}

// TestStreamOfRuntime reads what aws-lambda-go's runtime sends.
func TestStreamOfRuntime(t *testing.T) {
	data, err := io.ReadAll(&events.LambdaFunctionURLStreamingResponse{
		StatusCode: 418, Headers: map[string]string{"Content-Type": "text/plain"}, Cookies: []string{"a=1"}, Body: strings.NewReader("short and stout"),
	})
	require.NoError(t, err)
	got, err := read((&events.LambdaFunctionURLStreamingResponse{}).ContentType(), string(data), 5)
	require.NoError(t, err)
	require.Equal(t, event.Response{Status: 418, Header: http.Header{"Content-Type": {"text/plain"}, "Set-Cookie": {"a=1"}}, Body: []byte("short and stout")}, got)

	data, err = io.ReadAll(&events.APIGatewayProxyStreamingResponse{
		MultiValueHeaders: map[string][]string{"X-A": {"1", "2"}}, Body: bytes.NewReader([]byte{0, 1}),
	})
	require.NoError(t, err)
	got, err = read((&events.APIGatewayProxyStreamingResponse{}).ContentType(), string(data), 3)
	require.NoError(t, err)
	require.Equal(t, event.Response{Status: 200, Header: http.Header{"Content-Type": {asBytes}, "X-A": {"1", "2"}}, Body: []byte{0, 1}}, got)
}

// FuzzStream wants the same answer however the stream is cut.
func FuzzStream(f *testing.F) {
	f.Add([]byte(`{"statusCode":201,"headers":{"a":"b"}}`+zeros+"body"), 3)
	f.Add([]byte(" \n{}"+zeros), 1)
	f.Add([]byte("{}"+zeros[2:]), 2)
	f.Add([]byte("hello"), 4)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		if size < 1 {
			return
		}
		whole, wholeErr := read(event.StreamType, string(data), len(data)+1)
		parts, partsErr := read(event.StreamType, string(data), size)
		if wholeErr != nil {
			require.EqualError(t, partsErr, wholeErr.Error())
			return
		}
		require.NoError(t, partsErr)
		require.Equal(t, whole.Status, parts.Status)
		require.Equal(t, whole.Header, parts.Header)
		require.Equal(t, string(whole.Body), string(parts.Body))
		require.True(t, bytes.HasSuffix(data, whole.Body))

		plain, err := read("", string(data), size)
		require.NoError(t, err)
		require.Equal(t, string(data), string(plain.Body))
	})
}
