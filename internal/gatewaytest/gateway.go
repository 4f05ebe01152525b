// Package gatewaytest starts a whole gateway inside a test: the same packages in
// the same order as `dragoman serve -c FILE`, on free ports of the loopback.
package gatewaytest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/server"
)

// grace is how long calls that a test has left open may hold up its end.
const grace = 10 * time.Second

// Gateway is a gateway that serves until its test ends.
type Gateway struct {
	// Address is that of the first listener, Listeners those of all by name.
	Address   string
	Listeners map[string]string
}

// Start serves the configuration file at path, and fails the test if that cannot
// be done.
func Start(t testing.TB, path string, env map[string]string) *Gateway {
	t.Helper()
	g, err := TryStart(t, path, env)
	require.NoError(t, err)
	return g
}

// TryStart is [Start] for a configuration that may be refused: the error is what
// the command would print. env holds the variables that the file may name.
// Listeners listen where the file says, so a test's file says 127.0.0.1:0.
func TryStart(t testing.TB, path string, env map[string]string) (*Gateway, error) {
	t.Helper()
	return TryStartLogging(t, path, env, slog.New(slog.NewTextHandler(t.Output(), nil)))
}

// TryStartLogging is [TryStart] for a test that reads the access log.
func TryStartLogging(t testing.TB, path string, env map[string]string, access *slog.Logger) (*Gateway, error) {
	t.Helper()
	file, err := config.Load(path, func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
	if err != nil {
		return nil, err
	}
	plan, err := config.Link(file)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	g, err := builtin.Gateway(plan, log, access)
	if err != nil {
		return nil, err
	}
	if err := g.Start(t.Context()); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	listeners, err := builtin.Listeners(plan, g)
	require.NoError(t, err)
	srv, err := server.Listen(t.Context(), listeners, log)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, grace) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served, "draining")
		require.NoError(t, g.Close())
	})
	out := &Gateway{Address: srv.Address(plan.Listeners[0].Name), Listeners: make(map[string]string)}
	for _, l := range plan.Listeners {
		out.Listeners[l.Name] = srv.Address(l.Name)
	}
	return out, nil
}

// Expand replaces ${gateway} in a command by the address, and ${gateway NAME} by
// that of the listener NAME.
func (g *Gateway) Expand(s string) string {
	s = strings.ReplaceAll(s, "${gateway}", g.Address)
	for name, address := range g.Listeners {
		s = strings.ReplaceAll(s, "${gateway "+name+"}", address)
	}
	return s
}
