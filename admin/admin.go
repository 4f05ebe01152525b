// Package admin answers the questions of the machine that runs the gateway, on
// a listener of its own: whether it lives and whether it is ready.
package admin

import (
	"encoding/json"
	"net/http"
)

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready bool `json:"ready"`
	// Waiting says what is missing, one entry per upstream.
	Waiting []Waiting `json:"waiting,omitempty"`
}

// Waiting names one thing that the gateway still needs.
type Waiting struct {
	Upstream string `json:"upstream"`
	Reason   string `json:"reason"`
}

// Handler serves /healthz, which is 200 as long as the process answers, /readyz,
// which is 200 when ready says so and 503 with the reasons before, and /metrics,
// which has the counters for Prometheus.
func Handler(ready func() Readiness, counters func() []Counter) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		state := ready()
		w.Header().Set("Content-Type", "application/json")
		if !state.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(state)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(appendCounters(nil, counters()))
	})
	return mux
}
