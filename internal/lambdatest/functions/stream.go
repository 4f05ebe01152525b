package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/aws/aws-lambda-go/events"
)

// script is what a streaming handler is asked to do: an event of its own, or the
// body of an HTTP event.
type script struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Cookies []string          `json:"cookies"`
	Steps   []step            `json:"steps"`
}

// step is one of: bytes that are sent at once, as often as Times says, if it
// does; a URL to wait for; an error; and the end of the process.
type step struct {
	Write string `json:"write"`
	Times int    `json:"times"`
	Wait  string `json:"wait"`
	Error string `json:"error"`
	Exit  int    `json:"exit"`
}

func parse(event json.RawMessage) (script, error) {
	var s script
	var enclosed struct{ Body string }
	if json.Unmarshal(event, &enclosed) == nil && enclosed.Body != "" {
		event = json.RawMessage(enclosed.Body)
	}
	if err := json.Unmarshal(event, &s); err != nil {
		return s, err
	}
	if len(s.Steps) == 0 {
		s.Steps = []step{{Write: "one\n"}, {Write: "two\n"}, {Write: "three\n"}}
	}
	return s, nil
}

// streamHTTP streams behind a prelude with status and headers.
func streamHTTP(event json.RawMessage) (*events.LambdaFunctionURLStreamingResponse, error) {
	s, err := parse(event)
	if err != nil {
		return nil, err
	}
	return &events.LambdaFunctionURLStreamingResponse{StatusCode: s.Status, Headers: s.Headers, Cookies: s.Cookies, Body: s.play()}, nil
}

// unframed streams nothing but what it writes.
type unframed struct{ in io.ReadCloser }

func (u unframed) Read(p []byte) (int, error) { return u.in.Read(p) }
func (u unframed) Close() error               { return u.in.Close() }

func streamBytes(event json.RawMessage) (any, error) {
	s, err := parse(event)
	if err != nil {
		return nil, err
	}
	return unframed{s.play()}, nil
}

// play goes through the steps as fast as they are read.
func (s script) play() io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		for _, st := range s.Steps {
			if err := st.do(w); err != nil {
				w.CloseWithError(err)
				return
			}
		}
		_ = w.Close() // that of a pipe cannot fail
	}()
	return r
}

func (s step) do(w io.Writer) error {
	switch {
	case s.Wait != "":
		return wait(s.Wait)
	case s.Error != "":
		return errors.New(s.Error)
	case s.Exit != 0:
		os.Exit(s.Exit)
	}
	for range max(1, s.Times) {
		if _, err := io.WriteString(w, s.Write); err != nil {
			return err
		}
	}
	return nil
}
