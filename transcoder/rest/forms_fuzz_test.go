package rest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder"
)

func TestPreferred(t *testing.T) {
	const array, lines, events = transcoder.FormArray, transcoder.FormLines, transcoder.FormEvents
	for accept, want := range map[string]transcoder.StreamForm{
		"":                         array,
		"*/*":                      array,
		"text/*":                   array,
		"application/json":         array,
		"text/event-stream":        events,
		"TEXT/Event-Stream":        events,
		"text/event-stream;a=b":    events,
		"application/x-ndjson":     lines,
		"application/ndjson":       lines,
		"application/jsonl":        lines,
		"application/json-seq":     array,
		"text/event-streams":       array,
		"application/x-ndjson;q=0": array,
		"application/x-ndjson;q=0.001, text/event-stream;q=0.002": events,
		"application/json, text/event-stream":                     array,
		"text/event-stream, application/x-ndjson":                 lines,
		// The most specific range is what counts for JSON.
		"application/json;q=0.1, */*, text/event-stream;q=0.5":         events,
		"application/*;q=0.1, */*, text/event-stream;q=0.5":            events,
		"application/json, application/*;q=0, text/event-stream;q=0.5": array,
		// What is named comes before what a range has too.
		"application/x-ndjson, */*":                                      lines,
		"text/event-stream, application/*, application/ndjson;q=0.9":     events,
		"text/event-stream, */*, application/json":                       array,
		"*/*;q=0.001, text/event-stream;q=0":                             array,
		"*/*;q=0.5, text/event-stream;q=0.5":                             events,
		"*/*;q=0.5, text/event-stream;q=0.499":                           array,
		"text/html, application/xhtml+xml, image/webp, */*;q=0.8":        array,
		"application/x-ndjson ; q=1.000 ":                                lines,
		"application/json;q=0.9;x=y , application/x-ndjson;charset=utf8": lines,
		"application/json;q=0,text/event-stream;q=0":                     array,
		// Weights that are none.
		"text/event-stream;q=":       array,
		"text/event-stream;q=1.001":  array,
		"text/event-stream;q=0.0001": array,
		"text/event-stream;q=-1":     array,
		"text/event-stream;q=1e0":    array,
		"text/event-stream;q=2":      array,
		"text/event-stream;q=.5":     array,
		"text/event-stream;q=0.":     array,
		"text/event-stream;Q=1.":     events,
		",,;,=;q, text/event-stream": events,
	} {
		require.Equal(t, want, preferred([]string{accept}), accept)
		require.Equal(t, want, preferred(strings.Split(accept, ",")), accept)
	}
}

// FuzzPreferred checks that no header gets a form that it does not name.
func FuzzPreferred(f *testing.F) {
	f.Add("application/json;q=0.5, text/event-stream;q=0.8, */*")
	f.Add("application/x-ndjson; q=0.001")
	f.Fuzz(func(t *testing.T, accept string) {
		lower := strings.ToLower(accept)
		switch preferred([]string{accept}) {
		case transcoder.FormArray:
		case transcoder.FormLines:
			require.True(t, strings.Contains(lower, "ndjson") || strings.Contains(lower, "jsonl"))
		case transcoder.FormEvents:
			require.Contains(t, lower, "text/event-stream")
		default:
			t.Fatal("no form")
		}
		// What is added with the highest weight wins.
		require.Equal(t, transcoder.FormLines, preferred([]string{"application/json;q=0.1, application/jsonl", lowered(accept)}))
	})
}

// lowered is a header without what could compete.
func lowered(accept string) string {
	if strings.Contains(accept, "*") || strings.Contains(strings.ToLower(accept), "json") {
		return ""
	}
	return accept
}
