package lambdatest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
)

const (
	contentTypeEvents = "application/vnd.amazon.eventstream"
	contentTypeBytes  = "application/octet-stream"
	contentTypeJSON   = "application/json"
	// headerRemapped is what the function calls its answer.
	headerRemapped = "X-Amzn-Remapped-Content-Type"

	// chunkBytes is the size of the largest payload chunk.
	chunkBytes = 32 << 10
)

// complete is the event that ends a stream.
type complete struct {
	ErrorCode    string `json:",omitempty"`
	ErrorDetails string `json:",omitempty"`
	LogResult    string `json:",omitempty"`
}

// events writes an answer as an event stream.
type events struct {
	w       http.ResponseWriter
	r       *http.Request
	encoder *eventstream.Encoder
	begun   bool
	// gone is set when nobody reads any more. The function goes on all the same.
	gone bool
	// chunks are left until the connection is reset, if reset is set.
	reset  bool
	chunks int
}

func (e *events) begin(contentType string) {
	if e.begun {
		return
	}
	e.begun = true
	e.w.Header().Set("Content-Type", contentTypeEvents)
	e.w.Header().Set(headerRemapped, or(contentType, contentTypeBytes))
	e.w.WriteHeader(http.StatusOK)
}

func (e *events) write(kind, contentType string, payload []byte) {
	if e.gone {
		return
	}
	var m eventstream.Message
	m.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(eventstreamapi.EventMessageType))
	m.Headers.Set(eventstreamapi.EventTypeHeader, eventstream.StringValue(kind))
	m.Headers.Set(eventstreamapi.ContentTypeHeader, eventstream.StringValue(contentType))
	m.Payload = payload
	err := e.encoder.Encode(e.w, m)
	if err == nil {
		err = http.NewResponseController(e.w).Flush()
	}
	e.gone = err != nil
}

func (e *events) chunk(payload []byte) {
	if e.write("PayloadChunk", contentTypeBytes, payload); !e.reset {
		return
	}
	if e.chunks--; e.chunks == 0 {
		e.gone = true
		reset(e.r)
	}
}

func (e *events) complete(c complete) {
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings
	}
	e.write("InvokeComplete", contentTypeJSON, payload)
}

// answerStream serves InvokeWithResponseStream.
func (s *Service) answerStream(w http.ResponseWriter, r *http.Request, req *request) {
	if req.call.Type == dryRun {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	e := &events{w: w, r: r, encoder: eventstream.NewEncoder(), reset: req.fault.Reset, chunks: req.fault.ResetAfter}
	over := false
	f, err := req.fn.pools[req.version].invoke(s.ctx, req.inv, false, func(resp *response) error {
		e.begin(resp.contentType)
		sent, buf := 0, make([]byte, chunkBytes)
		for {
			n, err := resp.body.Read(buf)
			if sent += n; sent > s.limits.stream {
				over, resp.tooLarge = true, true
				return nil
			}
			if n > 0 {
				e.chunk(buf[:n])
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	if refused := notRun(err); refused != nil {
		s.refuse(w, req, refused)
		return
	}
	// A function that fails before it answers makes a stream as well.
	e.begin("")
	var c complete
	if over {
		f = tooLarge(s.limits.stream)
	}
	if f != nil {
		c.ErrorCode, c.ErrorDetails = "Unhandled", string(f.payload)
	}
	if req.tail {
		c.LogResult = base64.StdEncoding.EncodeToString([]byte(req.inv.log))
	}
	e.complete(c)
}
