package main

import (
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/dragoman-gateway/dragoman/internal/googletest"
)

// function is one whose container runs while it is needed.
type function struct {
	name string
	env  []string

	// mu guards what follows; nil is asleep.
	mu      sync.Mutex
	running *googletest.Function
}

// wake starts the container if the function is asleep, and says whether it was.
func (f *function) wake() (asleep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running != nil {
		return false
	}
	program, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	if f.running, err = googletest.NewFunction(program, f.name, os.Stderr, f.env...); err != nil {
		log.Fatal(err)
	}
	return true
}

// sleep ends the container.
func (f *function) sleep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running != nil {
		f.running.Close()
		f.running = nil
	}
}

// ServeHTTP is what the container answers. The function is awake.
func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	running := f.running
	f.mu.Unlock()
	if running == nil {
		http.Error(w, "the function fell asleep", http.StatusServiceUnavailable)
		return
	}
	running.ServeHTTP(w, r)
}

// newKnative is a stand-in for the ingress of Knative: it finds a service by the host of
// the request, NAME.NAMESPACE.DOMAIN, and lets requests wait while it starts.
func newKnative() http.Handler {
	services := map[string]*function{
		"hello.default.example.com": {name: "hello", env: []string{"K_SERVICE=hello"}},
		"other.default.example.com": {name: "hello", env: []string{"K_SERVICE=other"}},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		service := services[strings.ToLower(host)]
		if service == nil {
			http.NotFound(w, r)
			return
		}
		service.wake()
		service.ServeHTTP(w, r)
	})
}

// newOpenFaaS is a stand-in for the gateway of OpenFaaS: it finds a function by the path of
// the request, /function/NAME. To be instructive it is impatient: it refuses the request
// that a function is started for, and lets it sleep again after the next one.
func newOpenFaaS() http.Handler {
	functions := map[string]*function{"figlet": {name: "figlet"}}
	// One request at a time: who has an answer may count on it that the function sleeps.
	var one sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		rest, ok := strings.CutPrefix(r.URL.Path, "/function/")
		name, path, _ := strings.Cut(rest, "/")
		f := functions[name]
		switch {
		case !ok || f == nil:
			http.NotFound(w, r)
		case f.wake():
			log.Printf("%s was asleep: refused %s", name, r.Method)
			http.Error(w, name+" is starting", http.StatusServiceUnavailable)
		default:
			r.URL.Path, r.URL.RawPath = "/"+path, ""
			f.ServeHTTP(w, r)
			f.sleep()
		}
	})
}
