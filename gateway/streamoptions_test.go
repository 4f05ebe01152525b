package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStreamOptionWarnings: options of streams on routes without such streams.
func TestStreamOptionWarnings(t *testing.T) {
	g, err := compiled(t, `
listeners:
- name: main
  address: ":1"
  transcode: {stream: {form: sse}}
routes:
- {name: unary, transcode: {upstream: a, methods: [b.v1.Books.Get], stream: {form: sse, heartbeat: 5s, bind_all: true, idle_timeout: 1s, websocket: {}}}}
- {name: inherits, hosts: [i.test], transcode: {upstream: a, methods: [b.v1.Books.Get]}}
- {name: answers, hosts: [a.test], transcode: {upstream: a, methods: [b.v1.Books.Get, b.v1.Streams.Watch], stream: {form: sse, bind_all: true, idle_timeout: 1s}}}
- {name: asks, hosts: [b.test], transcode: {upstream: a, methods: [b.v1.Streams.Load], stream: {heartbeat: 5s, bind_all: true, websocket: {}}}}
`)
	require.NoError(t, err)
	var told []string
	for _, w := range g.Warnings() {
		told = append(told, w.Path+": "+w.Message)
		require.Positive(t, w.Line)
	}
	require.Equal(t, []string{
		`routes[0].transcode.stream.form: changes nothing: no method of route "unary" has a stream of responses`,
		`routes[0].transcode.stream.heartbeat: changes nothing: no method of route "unary" has a stream of responses`,
		`routes[0].transcode.stream.bind_all: changes nothing: no method of route "unary" has a stream of requests`,
		`routes[0].transcode.stream.idle_timeout: changes nothing: no method of route "unary" has a stream`,
		`routes[0].transcode.stream.websocket: changes nothing: no method of route "unary" has a stream`,
		`routes[2].transcode.stream.bind_all: changes nothing: no method of route "answers" has a stream of requests`,
		`routes[3].transcode.stream.heartbeat: changes nothing: no method of route "asks" has a stream of responses`,
	}, told)
}
