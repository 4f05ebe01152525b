// Command routing is the service behind this example: it answers with what it has
// been asked, as `stable`, as `canary` and as `flaky`, each on an address of its own.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
)

func main() {
	stable := flag.String("stable", "localhost:8001", "`ADDRESS` of the stable version")
	canary := flag.String("canary", "localhost:8002", "`ADDRESS` of the canary")
	flaky := flag.String("flaky", "localhost:8003", "`ADDRESS` of what answers every third request only")
	flag.Parse()
	failed := make(chan error, 1)
	for _, s := range []struct {
		name, address string
		handler       http.Handler
	}{
		{"stable", *stable, echo("stable")},
		{"canary", *canary, echo("canary")},
		{"flaky", *flaky, everyThird(echo("flaky"))},
	} {
		lis, err := net.Listen("tcp", s.address)
		if err != nil {
			log.Fatal(err)
		}
		log.Printf("serving %s on %s", s.name, lis.Addr())
		go func() { failed <- http.Serve(lis, s.handler) }() // an example on the loopback
	}
	log.Fatal(<-failed)
}

// asked is what a request was like when it came here.
type asked struct {
	Service string            `json:"service"`
	Method  string            `json:"method"`
	Target  string            `json:"target"`
	Headers map[string]string `json:"headers,omitempty"`
}

func echo(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := asked{Service: name, Method: r.Method, Target: r.RequestURI, Headers: make(map[string]string)}
		for key, values := range r.Header {
			if strings.HasPrefix(key, "X-") && (key == "X-Forwarded-For" || !strings.HasPrefix(key, "X-Forwarded-")) {
				out.Headers[strings.ToLower(key)] = strings.Join(values, ", ")
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Service", name)
		w.Header().Set("X-Internal-Host", "rack-7")
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(out)
	})
}

// everyThird lets every third request for a path through, and answers the others 503.
func everyThird(next http.Handler) http.Handler {
	var mu sync.Mutex
	seen := make(map[string]int)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.URL.Path]++
		pass := seen[r.URL.Path]%3 == 0
		mu.Unlock()
		if !pass {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}
