package proxy_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Early hints pass, and nothing of them is in the answer.
func TestEarlyHints(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "done")
		})
		s := serve(t, to(up))
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			require.Equal(t, http.StatusEarlyHints, code)
			hints = append(hints, h.Get("Link"))
			return nil
		}})
		res, body := do(t, client(t, version), request(t, "GET", "http://"+s.address+"/", nil).WithContext(ctx))
		require.Equal(t, "done", body)
		require.Equal(t, []string{"</a.css>; rel=preload"}, hints)
		require.NotContains(t, res.Header, "Link")
	})
}

// A client is told to continue when the upstream wants the body, and never else.
func TestExpectContinue(t *testing.T) {
	for _, version := range versions {
		up, got := mirror(t, nil)
		refusing := backend(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusExpectationFailed) })
		told := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { told++ }})
		expecting := func(u *plain) (*http.Response, string) {
			r := request(t, "POST", "http://"+serve(t, to(u)).address+"/", strings.NewReader("body")).WithContext(ctx)
			r.Header.Set("Expect", "100-continue")
			return do(t, client(t, version), r)
		}
		res, _ := expecting(up)
		require.Equal(t, 200, res.StatusCode)
		saw := <-got
		require.Equal(t, "body", saw.Body)
		if version == "HTTP/1.1" {
			require.Equal(t, "100-continue", saw.Header.Get("Expect"))
			require.Equal(t, 1, told)
			res, _ = expecting(refusing)
			require.Equal(t, http.StatusExpectationFailed, res.StatusCode)
			require.Equal(t, 1, told)
		}
	}
}

func TestTrailers(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		got := make(chan http.Header, 1)
		up := backend(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			got <- r.Trailer
			w.Header().Set("Trailer", "X-Announced")
			_, _ = io.WriteString(w, "body")
			w.Header().Set("X-Announced", "1")
			w.Header().Set(http.TrailerPrefix+"X-Late", "2")
			w.Header().Set(http.TrailerPrefix+"Content-Type", "text/forged")
			w.Header().Set(http.TrailerPrefix+"X-Dragoman-Error", "FORGED")
		})
		s := serve(t, to(up))
		r := request(t, "POST", "http://"+s.address+"/", io.MultiReader(strings.NewReader("hello")))
		r.Trailer = http.Header{"X-Sum": {"abc"}}
		if version == "HTTP/1.1" {
			r.Trailer["Authorization"], r.Trailer["X_sum"] = []string{"forged"}, []string{"forged"}
		}
		res, body := do(t, client(t, version), r)
		require.Equal(t, "body", body)
		require.Equal(t, http.Header{"X-Sum": {"abc"}}, <-got)
		require.Equal(t, http.Header{"X-Announced": {"1"}, "X-Late": {"2"}}, res.Trailer)
	})
}

// A stream of events comes event by event, its head before the first one.
func TestEvents(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		next := make(chan string)
		up := backend(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			for event := range next {
				_, _ = io.WriteString(w, event)
				_ = http.NewResponseController(w).Flush()
			}
		})
		s := serve(t, to(up))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		res, err := client(t, version).Do(request(t, "GET", "http://"+s.address+"/", nil).WithContext(ctx))
		require.NoError(t, err)
		buf := make([]byte, 100)
		for _, event := range []string{"data: 1\n\n", "data: 2\n\n"} {
			next <- event
			n, err := res.Body.Read(buf)
			require.NoError(t, err)
			require.Equal(t, event, string(buf[:n]))
		}
		close(next)
		_, err = res.Body.Read(buf)
		require.Equal(t, io.EOF, err)
	})
}
