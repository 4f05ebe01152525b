package event_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// usual is a request as browsers send them.
func usual() *event.Request {
	in := busy()
	in.RawQuery = "page=2&sort=title"
	in.Header = http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip, deflate, br"}, "Accept-Language": {"en"}, "Authorization": {"Bearer " + strings.Repeat("x", 600)},
		"Content-Type": {"application/json"}, "Cookie": {"session=0123456789abcdef"}, "Origin": {"https://example.com"}, "Referer": {"https://example.com/books"},
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}, "X-Request-Id": {"req-1"},
	}
	in.Body = []byte(`{"items":[` + strings.TrimSuffix(strings.Repeat(`{"id":1,"name":"A name"},`, 80), ",") + `]}`)
	return in
}

func BenchmarkAppend(b *testing.B) {
	in := usual()
	for _, format := range formats {
		b.Run(format.String(), func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = event.Append(dst[:0], format, in)
			}
			b.SetBytes(int64(len(dst)))
		})
	}
	b.Run("v2/encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		data, _ := event.Append(nil, event.APIGatewayV2, in)
		var e events.APIGatewayV2HTTPRequest
		require.NoError(b, json.Unmarshal(data, &e))
		for b.Loop() {
			data, _ = json.Marshal(&e)
		}
		b.SetBytes(int64(len(data)))
	})
	b.Run("v2/base64-1MiB", func(b *testing.B) {
		b.ReportAllocs()
		in := usual()
		in.Header.Set("Content-Type", "image/png")
		in.Body = bytes.Repeat([]byte{0xff}, 1<<20)
		b.SetBytes(int64(len(in.Body)))
		for b.Loop() {
			_, _ = event.Append(nil, event.APIGatewayV2, in)
		}
	})
	b.Run("v2/text-1MiB", func(b *testing.B) {
		b.ReportAllocs()
		in := usual()
		in.Body = bytes.Repeat(in.Body, 1<<20/len(in.Body))
		b.SetBytes(int64(len(in.Body)))
		for b.Loop() {
			_, _ = event.Append(nil, event.APIGatewayV2, in)
		}
	})
}

func BenchmarkUnwrap(b *testing.B) {
	answer := func(body string) []byte {
		data, err := json.Marshal(events.APIGatewayV2HTTPResponse{
			StatusCode: 200, Headers: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Request-Id": "req-1"}, Body: body,
		})
		require.NoError(b, err)
		return data
	}
	object := string(usual().Body)
	for _, row := range []struct {
		name    string
		payload []byte
	}{
		{"text-2KiB", answer(strings.Repeat("x", 2<<10))},
		{"json-2KiB", answer(object)},
		{"json-1MiB", answer(strings.Repeat(object, 1<<20/len(object)))},
		{"text-1MiB", answer(strings.Repeat("x", 1<<20))},
		{"inferred-2KiB", []byte(object)},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(row.payload)))
			var out event.Response
			for b.Loop() {
				if err := event.Unwrap(event.APIGatewayV2, row.payload, &out); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(row.name+"/encoding-json", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(row.payload)))
			for b.Loop() {
				var out events.APIGatewayV2HTTPResponse
				if err := json.Unmarshal(row.payload, &out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
