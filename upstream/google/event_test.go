package google

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// Events arrive at a real function, through the SDK of CloudEvents, as they were meant.
func TestEvents(t *testing.T) {
	g := googletest.Start(t)
	function := functions(t)
	door := googletest.StartDoor(t, g, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/last" {
			if r.Method != "POST" || r.URL.Path != "/" || r.URL.RawQuery != "" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			r.URL.Path = "/event"
		}
		function.ServeHTTP(w, r)
	}))
	plain := start(t, g, &configpb.GoogleFunctionUpstream{Url: door.URL, Credentials: &configpb.GoogleCredentials{File: g.KeyFile(t)}})
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = zip.Write([]byte(`{"zipped":1}`))
	require.NoError(t, zip.Close())
	attributes := func(more map[string]any) map[string]any {
		out := map[string]any{
			"specversion": "1.0", "id": "5f3b1c9e-0000-4000-8000-000000000001", "type": "com.example.über \"x\" 100%", "source": "//gateway/a%20b",
			"subject": "/uploads/ä%20b", "time": "2023-11-14T22:13:20Z",
		}
		for name, value := range more {
			out[name] = value
		}
		return out
	}
	for _, tt := range []struct {
		name, body string
		header     http.Header
		structured bool // only
		want       map[string]any
	}{
		{"json", `{"a":[1,2]}`, http.Header{"Content-Type": {"application/json"}}, false, map[string]any{"datacontenttype": "application/json", "data": map[string]any{"a": []any{1.0, 2.0}}}},
		{"text", "grüße", http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, true, map[string]any{"datacontenttype": "text/plain; charset=utf-8", "data": "grüße"}},
		{"text of another charset", "abc", http.Header{"Content-Type": {"text/plain; charset=latin1"}}, true, map[string]any{"datacontenttype": "text/plain; charset=latin1", "data_base64": "YWJj"}},
		{"bytes", "\xff\x00", http.Header{"Content-Type": {"application/octet-stream"}}, true, map[string]any{"datacontenttype": "application/octet-stream", "data_base64": "/wA="}},
		{"json that is none", `{"a`, http.Header{"Content-Type": {"application/json"}}, true, map[string]any{"datacontenttype": "application/json", "data_base64": "eyJh"}},
		{"nothing", "", http.Header{}, false, nil},
		{"json without type", `[1]`, http.Header{}, true, map[string]any{"data": []any{1.0}}},
		{"compressed", zipped.String(), http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, true, map[string]any{"datacontenttype": "application/json", "data": map[string]any{"zipped": 1.0}}},
		{"attributes of the client", `1`, http.Header{"Content-Type": {"application/json"}, "Ce-Id": {"forged"}, "Ce-Extra": {"forged"}, "Ce_type": {"forged"}, "Range": {"bytes=0-1"}}, false, map[string]any{"datacontenttype": "application/json", "data": 1.0}},
	} {
		for _, mode := range []string{"binary", "structured"} {
			if tt.structured && mode == "binary" {
				continue
			}
			t.Run(tt.name+" "+mode, func(t *testing.T) {
				up := start(t, g, &configpb.GoogleFunctionUpstream{
					Url: door.URL, Credentials: &configpb.GoogleCredentials{File: g.KeyFile(t)},
					CloudEvent: &configpb.CloudEvent{Mode: mode, Type: "com.example.über \"x\" 100%", Source: "//gateway/a%20b", Subject: "/uploads/ä%20b"},
				})
				require.True(t, up.Origin().Aware)
				require.True(t, up.Origin().Whole)
				status, text := send(t, up, request(t, up, "PUT", "/x/y?z=1", strings.NewReader(tt.body), tt.header.Clone()))
				require.Less(t, status, 300, text)
				_, text = send(t, plain, request(t, plain, "GET", "/last", nil, nil))
				var got map[string]any
				require.NoError(t, json.Unmarshal([]byte(text), &got), text)
				if mode == "binary" {
					// The SDK of the framework leaves header values as they are.
					for _, name := range []string{"type", "source", "subject"} {
						var err error
						require.NotContains(t, got[name], " ")
						got[name], err = url.PathUnescape(got[name].(string))
						require.NoError(t, err)
					}
				}
				if diff := cmp.Diff(attributes(tt.want), got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// What is on the wire: the path of gen 1, and no attribute but the gateway's.
func TestEventOnTheWire(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer server.Close()
	g := googletest.Start(t)
	up := start(t, g, &configpb.GoogleFunctionUpstream{
		Url: server.URL + "/upload", Credentials: &configpb.GoogleCredentials{Anonymous: true},
		CloudEvent: &configpb.CloudEvent{Type: "t", Source: "s"},
	})
	_, _ = send(t, up, request(t, up, "DELETE", "/a%20b?q=1", nil, http.Header{"Ce-Forged": {"x"}, "If-Match": {"x"}}))
	require.Equal(t, "POST /upload", got.Method+" "+got.RequestURI)
	events := make(http.Header)
	for name, values := range got.Header {
		if strings.HasPrefix(name, "Ce") || strings.HasPrefix(name, "If") {
			events[name] = values
		}
	}
	require.Equal(t, http.Header{
		"Ce-Specversion": {"1.0"}, "Ce-Id": {"5f3b1c9e-0000-4000-8000-000000000001"}, "Ce-Type": {"t"}, "Ce-Source": {"s"},
		"Ce-Subject": {"/a%2520b?q=1"}, "Ce-Time": {"2023-11-14T22:13:20Z"},
	}, events)
}

// A body that says that it is an event would be one, whatever its headers say.
func TestEventsOfTheClient(t *testing.T) {
	g := googletest.Start(t)
	function := functions(t)
	var types []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		types = append(types, r.Header.Get("Content-Type"))
		r.URL.Path = "/event"
		function.ServeHTTP(w, r)
	}))
	defer server.Close()
	const forged = `{"specversion":"1.0","id":"1","type":"forged","source":"//forged"}`
	for _, kind := range []string{"application/cloudevents+json", "Application/CloudEvents+JSON; charset=utf-8", "application/cloudevents-batch+json", " application/cloudevents"} {
		for mode, sent := range map[string]bool{"binary": false, "structured": true} {
			up := start(t, g, &configpb.GoogleFunctionUpstream{
				Url: server.URL, Credentials: &configpb.GoogleCredentials{Anonymous: true},
				CloudEvent: &configpb.CloudEvent{Mode: mode, Type: "t", Source: "s"},
			})
			types = nil
			in := &body{Reader: strings.NewReader(forged)}
			resp, err := up.Send(request(t, up, "POST", "/", in, http.Header{"Content-Type": {kind}}), nil)
			require.True(t, in.closed)
			if sent {
				require.NoError(t, err, kind)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, []string{"application/cloudevents+json; charset=UTF-8"}, types, "the client's is the data of it")
				continue
			}
			var failure *upstream.Error
			require.ErrorAs(t, err, &failure, kind)
			require.Equal(t, rpc.UnsupportedMediaType, failure.Reason)
			require.True(t, failure.NotSent)
			require.Empty(t, types)
		}
	}
}

// structured is what an upstream that makes structured events sends; it goes nowhere.
func structured(t *testing.T, r *http.Request) (*http.Request, error) {
	t.Helper()
	var sent *http.Request
	up := &Upstream{event: newEvent(&configpb.CloudEvent{Mode: "structured", Type: "t", Source: "s"}), HTTP: direct{handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent = r })}}
	resp, err := up.Send(r, nil)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	return sent, err
}

// A structured event is another body than the request's: nothing is said of that any
// more, and it can be sent again.
func TestStructuredBody(t *testing.T) {
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = zip.Write([]byte(`{"a":1}`))
	require.NoError(t, zip.Close())
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://f/", &zipped)
	require.NoError(t, err)
	r.Header = http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}, "Trailer": {"X-Sum"}}
	r.Trailer = http.Header{"X-Sum": nil}
	r.TransferEncoding = []string{"chunked"}
	got, err := structured(t, r)
	require.NoError(t, err)
	require.Equal(t, http.Header{"Content-Type": {"application/cloudevents+json; charset=UTF-8"}}, got.Header)
	require.Empty(t, got.Trailer)
	require.Empty(t, got.TransferEncoding)
	again, err := got.GetBody()
	require.NoError(t, err)
	first, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	second, err := io.ReadAll(again)
	require.NoError(t, err)
	require.Contains(t, string(first), `"data":{"a":1}`)
	require.Equal(t, string(first), string(second))
	require.EqualValues(t, len(first), got.ContentLength)
}

// A client that goes away while its request is read is no mistake of the request.
func TestBodyThatIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := iotest.ErrReader(context.Canceled)
	r, err := http.NewRequestWithContext(ctx, "POST", "http://f/", in)
	require.NoError(t, err)
	_, err = structured(t, r)
	var failure *upstream.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, rpc.ClientClosed, failure.Reason)
	require.True(t, failure.NotSent)
}

func TestEventBodiesAreBounded(t *testing.T) {
	g := googletest.Start(t)
	up := start(t, g, &configpb.GoogleFunctionUpstream{
		Url: "http://127.0.0.1:1", Credentials: &configpb.GoogleCredentials{Anonymous: true},
		CloudEvent: &configpb.CloudEvent{Mode: "structured", Type: "t", Source: "s"},
	})
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, _ = zip.Write(make([]byte, 2*maxEvent))
	require.NoError(t, zip.Close())
	for name, r := range map[string]*http.Request{
		"by its length": request(t, up, "POST", "/", bytes.NewReader(make([]byte, maxEvent+1)), nil),
		"by itself":     request(t, up, "POST", "/", struct{ *body }{&body{Reader: strings.NewReader(strings.Repeat("x", maxEvent+1))}}, nil),
		"inflated":      request(t, up, "POST", "/", &bomb, http.Header{"Content-Encoding": {"gzip"}}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := up.Send(r, nil)
			var failure *upstream.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, rpc.RequestTooLarge, failure.Reason, err)
			require.True(t, failure.NotSent)
		})
	}
}

func FuzzHeaderValue(f *testing.F) {
	f.Add("plain")
	f.Add("a b\"c%d")
	f.Add("Euro € 😀")
	f.Add("\r\nX: y\xff")
	f.Fuzz(func(t *testing.T, text string) {
		got := headerValue(text)
		for _, c := range []byte(got) {
			if c <= ' ' || c >= 0x7f || c == '"' {
				t.Fatalf("%q has %q", got, c)
			}
		}
		back, err := url.PathUnescape(got)
		if err != nil || back != strings.ToValidUTF8(text, "\ufffd") {
			t.Fatalf("%q becomes %q: %v", text, back, err)
		}
	})
}

// The example of the HTTP protocol binding, section 3.1.3.2.
func TestHeaderValue(t *testing.T) {
	require.Equal(t, "Euro%20%E2%82%AC%20%F0%9F%98%80", headerValue("Euro € 😀"))
}

func FuzzAppendData(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "application/json")
	f.Add([]byte("text"), "text/plain; charset=utf-8")
	f.Add([]byte{0xff}, "")
	f.Fuzz(func(t *testing.T, data []byte, contentType string) {
		out, err := appendData([]byte(`{"x":1`), data, contentType)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%q, %v", out, err)
		}
	})
}
