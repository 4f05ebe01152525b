package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/dragoman-gateway/dragoman/config"
)

// sample is the request, and the answer to it, that programs are tried on.
type sample struct {
	method, path, data string
	headers            []string
	// posts says that there is a body, if only an empty one; answers that there is
	// an answer.
	posts, answers  bool
	response        string
	status          int
	responseHeaders []string
}

// read makes the request, as the listener would see it, and what answers it, which is
// nil if there is no answer.
func (m *sample) read(l *config.Listener, rt *config.Route) (*http.Request, http.Handler, error) {
	if !strings.HasPrefix(m.path, "/") && !strings.Contains(m.path, "://") {
		return nil, nil, usageError{fmt.Errorf("--path %q: want a path that begins with a slash, or a whole URL", m.path)}
	}
	if stdin := func(name string) bool { return name == "-" || name == "@-" }; stdin(m.data) && stdin(m.response) {
		return nil, nil, usageError{errors.New("-d and --response cannot both be the standard input")}
	}
	q := question{method: m.method, url: m.path, data: m.data, headers: m.headers}
	if q.method == "" {
		q.method = http.MethodGet
		if m.posts {
			q.method = http.MethodPost
		}
	}
	r, err := q.request()
	if err != nil {
		return nil, nil, err
	}
	if r.URL.Host == "" && r.Host == "localhost" && len(rt.Hosts) > 0 {
		r.Host = strings.Replace(rt.Hosts[0], "*", "any", 1)
	}
	if l.TLS != nil || r.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{}
	}
	if !m.answers {
		return r, nil, nil
	}
	upstream, err := m.answer()
	return r, upstream, err
}

// answer makes what answers as the upstream would.
func (m *sample) answer() (http.Handler, error) {
	if m.status < 200 || m.status > 599 {
		return nil, usageError{fmt.Errorf("--status %d: want one from 200 to 599", m.status)}
	}
	var body []byte
	if m.response != "" {
		name := m.response
		if !strings.HasPrefix(name, "@") {
			name = "@" + name
		}
		var err error
		if body, err = readData("--response", name); err != nil {
			return nil, err
		}
	}
	header := make(http.Header)
	if len(body) > 0 {
		header.Set("Content-Type", "application/json")
	}
	for _, line := range m.responseHeaders {
		name, value, err := headerOf("--response-header", line)
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(name, "content-type") {
			header.Set(name, value)
		} else {
			header.Add(name, value)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(m.status)
		// It is written to memory.
		_, _ = w.Write(body)
	}), nil
}

// headerOf takes a header of the command line apart.
func headerOf(what, line string) (name, value string, err error) {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || name == "":
		return "", "", usageError{fmt.Errorf("%s %q: want NAME:VALUE", what, line)}
	case !httpguts.ValidHeaderFieldName(name):
		return "", "", usageError{fmt.Errorf("%s %q: %q is no name of a header", what, line, name)}
	case !httpguts.ValidHeaderFieldValue(value):
		return "", "", usageError{fmt.Errorf("%s %q: the value has a character that no header may have", what, line)}
	}
	return name, value, nil
}
