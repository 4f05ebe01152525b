package transform_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
	"github.com/dragoman-gateway/dragoman/transform"
)

// To forward costs a chain for heads nothing.
func TestForwardedAllocations(t *testing.T) {
	for name, in := range map[string]spec{"request": {request: addsHeader}, "response": {response: answersHeader}} {
		transcoded := testing.AllocsPerRun(200, served(t, unary, in))
		w, r, x := &sink{header: make(http.Header)}, request("GET", "/v1/books/1"), &route.Exchange{}
		e := forwarded(t)
		h := chainOf(t, in).Wrap(e, handler(unary))
		n := testing.AllocsPerRun(200, func() {
			clear(w.header)
			*x = route.Exchange{Entry: e, Path: "/v1/books/1", Code: -1}
			h.Serve(w, r, x)
		})
		t.Log(name, n, transcoded)
		require.LessOrEqual(t, n, transcoded, name)
	}
}

func request(method, path string) *http.Request {
	r, err := http.NewRequest(method, "http://api.example.com"+path, nil)
	if err != nil {
		panic(err)
	}
	r.RemoteAddr = "192.0.2.1:4711"
	return r
}

// Neither whole bodies nor streams are held by a chain for heads.
func TestForwardedLargeBodies(t *testing.T) {
	const size = 100 << 20
	for _, typed := range []string{"application/json", "application/x-ndjson", "text/event-stream"} {
		g := serve(t, setup{entry: forwarded(t), specs: heads, next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
			w.Header().Set("Content-Type", typed)
			if n, _ := io.Copy(io.Discard, r.Body); n == size {
				_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
			}
		}})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/v1/a", io.LimitReader(zeros{}, size))
		require.NoError(t, err)
		r.Header.Set("Content-Type", typed)
		resp, err := g.Client().Do(r)
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, int64(size), n)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
	}
}

// A stream of any length takes the memory of its messages, one at a time.
func TestForwardedStreamsAreNotGathered(t *testing.T) {
	const messages = 20_000
	line := []byte(`{"n":1,"text":"` + strings.Repeat("x", 1000) + "\"}\n")
	for _, name := range []string{"", "zstd"} {
		most := uint64(0)
		g := serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.headers["x-n"] = .body.n`, response: `.body.n += 1`}}, next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
			w.Header().Set("Content-Type", "application/x-ndjson")
			var out io.Writer = w
			if name != "" {
				w.Header().Set("Content-Encoding", name)
				e := coding.NewEncoder(w, name)
				defer func() { _ = e.Close() }()
				out = e
			}
			var m runtime.MemStats
			for i := range messages {
				_, _ = out.Write(line)
				if i%2000 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
			}
		}})
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		resp, err := g.Client().Get(g.URL + "/v1/a")
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		if name == "" {
			require.Equal(t, int64(messages*len(line)), n)
		}
		require.Less(t, most, before.HeapAlloc+8<<20, "of 20 MB")
	}
}

// memory is a ResponseWriter that keeps what it gets.
type memory struct {
	header http.Header
	status int
	bytes.Buffer
}

func (m *memory) Header() http.Header    { return m.header }
func (m *memory) WriteHeader(status int) { m.status = max(m.status, status) }
func (m *memory) Flush()                 {}

// FuzzForwarded writes an answer in pieces: what comes out is what comes out of the
// whole, and no more than its messages can be.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"data: {\"n\":1}\n\nid: 1\r\ndata: {\"n\":\rdata: 2}\r\n\r\n", "{\"n\":1}\n\n{\"n\":2}", "data: {\n\n", "[1]\n2"} {
		f.Add([]byte(seed), uint8(1), false)
		f.Add([]byte(seed), uint8(5), true)
	}
	c, err := transform.New(specs(f, []spec{{response: `.body = [.body] | .headers["x-a"] = (.body | tojson)`}}), options())
	require.NoError(f, err)
	e := forwarded(f)
	f.Fuzz(func(t *testing.T, in []byte, step uint8, zipped bool) {
		for _, typed := range []string{"text/event-stream", "application/x-ndjson"} {
			run := func(step int) (out *memory, cut bool) {
				out = &memory{header: make(http.Header)}
				body := in
				if zipped {
					body = coding.Append(nil, in, "gzip")
				}
				h := c.Wrap(e, handler(func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
					w.Header().Set("Content-Type", typed)
					if zipped {
						w.Header().Set("Content-Encoding", "gzip")
					}
					for rest := body; len(rest) > 0; {
						n := min(len(rest), step)
						if _, err := w.Write(rest[:n]); err != nil {
							return
						}
						rest = rest[n:]
					}
				}))
				defer func() {
					if fault := recover(); fault != nil {
						require.Equal(t, http.ErrAbortHandler, fault)
						cut = true
					}
				}()
				h.Serve(out, request("GET", "/v1/a"), &route.Exchange{Entry: e, Path: "/v1/a", Code: -1})
				return out, false
			}
			text := func(out *memory, cut bool) string {
				data := out.Bytes()
				if out.header.Get("Content-Encoding") != "" && !cut {
					plain, err := coding.Inflate(nil, data, "gzip", 1<<30)
					require.Nil(t, err)
					data = plain
				}
				if cut && zipped {
					data = nil
				}
				return fmt.Sprint(out.status, out.header, cut, string(data))
			}
			require.Equal(t, text(run(len(in)+1<<10)), text(run(int(step)+1)))
		}
	})
}
