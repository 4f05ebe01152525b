// Package server owns the sockets: listeners, TLS, HTTP versions, limits on
// what a connection may do, and draining. It hands every request to an
// http.Handler and knows nothing of what that does.
//
// Certificates are read once, at the start.
package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Listener describes one listening address.
type Listener struct {
	// Name is for logs and errors.
	Name string
	// Address is host:port as in net.Listen; port 0 picks a free one.
	Address string
	// TLS, if set, makes the port HTTPS: HTTP/1.1 and HTTP/2 by ALPN. Without
	// it the port speaks HTTP/1.1 and HTTP/2 with prior knowledge (h2c).
	TLS     *tls.Config
	Handler http.Handler
	Limits  Limits
}

// Limits bound what one connection may cost. Zero values are the defaults.
type Limits struct {
	// HeaderBytes bounds a request's header block; default 64 KiB.
	HeaderBytes int
	// HeaderTimeout bounds the time to read it; default 10 s.
	HeaderTimeout time.Duration
	// IdleTimeout closes a connection without requests; default 5 min.
	IdleTimeout time.Duration
	// MaxStreams bounds the concurrent HTTP/2 requests of a connection; default 100.
	MaxStreams int
}

func (l Limits) withDefaults() Limits {
	if l.HeaderBytes == 0 {
		l.HeaderBytes = 64 << 10
	}
	if l.HeaderTimeout == 0 {
		l.HeaderTimeout = 10 * time.Second
	}
	if l.IdleTimeout == 0 {
		l.IdleTimeout = 5 * time.Minute
	}
	if l.MaxStreams == 0 {
		l.MaxStreams = 100
	}
	return l
}

// Server is a set of listeners that start and drain together.
type Server struct {
	listeners []*listener
	log       *slog.Logger
}

type listener struct {
	name string
	net.Listener
	http *http.Server
	// upgrades are the requests that may have taken their connection over:
	// net/http does not count those. cut ends the context of every request.
	upgrades sync.WaitGroup
	cut      context.CancelFunc
}

// Listen opens every address; either all of them or none. Connections wait in
// the kernel's queue until [Server.Serve].
func Listen(ctx context.Context, listeners []Listener, log *slog.Logger) (*Server, error) {
	s := &Server{log: log}
	for _, cfg := range listeners {
		l, err := listen(ctx, cfg, log)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("listener %q: %w", cfg.Name, err)
		}
		s.listeners = append(s.listeners, l)
	}
	return s, nil
}

func listen(ctx context.Context, cfg Listener, log *slog.Logger) (*listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, err
	}
	limits := cfg.Limits.withDefaults()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	if cfg.TLS != nil {
		protocols.SetHTTP2(true)
	} else {
		protocols.SetUnencryptedHTTP2(true)
	}
	base, cut := context.WithCancel(context.Background())
	l := &listener{name: cfg.Name, Listener: ln, cut: cut}
	l.http = &http.Server{
		Handler:           l.counting(cfg.Handler),
		BaseContext:       func(net.Listener) context.Context { return base },
		TLSConfig:         cfg.TLS,
		Protocols:         protocols,
		ReadHeaderTimeout: limits.HeaderTimeout,
		IdleTimeout:       limits.IdleTimeout,
		MaxHeaderBytes:    limits.HeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: limits.MaxStreams},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return l, nil
}

// counting is h, with requests counted that may take their connection over.
func (l *listener) counting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Upgrade"]) > 0 {
			l.upgrades.Add(1)
			defer l.upgrades.Done()
		}
		h.ServeHTTP(w, r)
	})
}

// Address is where the named listener listens, with the port that was picked;
// "" for an unknown name.
func (s *Server) Address(name string) string {
	for _, l := range s.listeners {
		if l.name == name {
			return l.Addr().String()
		}
	}
	return ""
}

// Serve answers until ctx is done, then drains: it refuses new connections and
// lets running requests and streams finish for at most grace. Then their contexts
// end, and their connections are closed; who has taken a connection over has a
// short while to close it. It returns nil after a complete drain, an error if a
// listener failed or requests had to be cut off.
func (s *Server) Serve(ctx context.Context, grace time.Duration) error {
	errs := make(chan error, len(s.listeners))
	var running sync.WaitGroup
	for _, l := range s.listeners {
		running.Go(func() {
			var err error
			if l.http.TLSConfig != nil {
				err = l.http.ServeTLS(l.Listener, "", "")
			} else {
				err = l.http.Serve(l.Listener)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				errs <- fmt.Errorf("listener %q: %w", l.name, err)
			}
		})
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-errs:
	}
	err := errors.Join(failed, s.drain(grace))
	running.Wait()
	return err
}

func (s *Server) drain(grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	errs := make([]error, len(s.listeners))
	var draining sync.WaitGroup
	for i, l := range s.listeners {
		draining.Go(func() {
			if !l.drain(ctx) {
				errs[i] = fmt.Errorf("listener %q: requests were still running after %v and have been cut off", l.name, grace)
			}
		})
	}
	draining.Wait()
	return errors.Join(errs...)
}

// farewell is how long who has taken a connection over may take to close it after
// its context has ended.
const farewell = 3 * time.Second

// drain reports whether everything had ended before ctx did.
func (l *listener) drain(ctx context.Context) bool {
	complete := l.http.Shutdown(ctx) == nil
	upgraded := make(chan struct{})
	go func() {
		defer close(upgraded)
		l.upgrades.Wait()
	}()
	if complete {
		select {
		case <-upgraded:
		case <-ctx.Done():
			complete = false
		}
	}
	if complete {
		l.cut()
		return true
	}
	_ = l.http.Close()
	l.cut()
	select {
	case <-upgraded:
	case <-time.After(farewell):
	}
	return false
}

func (s *Server) close() {
	for _, l := range s.listeners {
		l.cut()
		_ = l.Close()
	}
}

// LoadTLS reads a certificate chain and its key, both PEM files. An error names
// the file.
func LoadTLS(certFile, keyFile string) (*tls.Config, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("cert %q with key %q: %w", certFile, keyFile, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// VerifyClients has a listener ask clients for certificates, and verify them
// against the authorities in a PEM file; optional lets those in that have none. An
// error names the file.
func VerifyClients(config *tls.Config, caFile string, optional bool) error {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%q holds no certificate in PEM form", caFile)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	if optional {
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return nil
}
