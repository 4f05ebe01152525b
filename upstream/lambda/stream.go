package lambda

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/schemas"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go/transport/http/protocol/restjson1"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// lingering is how long the connection of a stream may take to end after the event that
// completes it. Otherwise it is not used again.
const lingering = 100 * time.Millisecond

var errCut = errors.New("the function's stream ended before it was complete")

// decodeAlone gives a call a protocol of its own. That of the client decodes the events of
// all streams, and writes to itself while it does.
func decodeAlone(o *lambda.Options) { o.Protocol = restjson1.New(schemas.AWSGirApiService) }

// streamed is the body of an answer that is streamed. It ends with io.EOF only if the
// service has said that the stream is complete.
type streamed struct {
	x      *exchange
	events *lambda.InvokeWithResponseStreamEventStream
	// chunk is what has come and has not been read, err what comes after it.
	chunk []byte
	err   error
	// bodiless says that what comes is not for the client: it is read for its end.
	bodiless bool
	close    sync.Once
}

// head reads until the head of the answer is known.
func (s *streamed) head(contentType string) (*event.Response, *upstream.Error) {
	prelude := event.NewStream(contentType)
	var answer event.Response
	for {
		s.next()
		if s.err == io.EOF { //nolint:errorlint // next sets that alone
			if err := prelude.End(&answer); err != nil {
				return nil, &upstream.Error{Reason: rpc.UpstreamProtocol, Err: err}
			}
			return &answer, nil
		}
		if s.err != nil {
			return nil, asError(s.err)
		}
		body, known, err := prelude.Next(s.chunk, &answer)
		if err != nil {
			return nil, &upstream.Error{Reason: rpc.UpstreamProtocol, Err: err}
		}
		if s.chunk = body; known {
			return &answer, nil
		}
	}
}

// Read implements [io.Reader]. It gives what there is, and waits only if that is nothing.
func (s *streamed) Read(p []byte) (int, error) {
	for len(s.chunk) == 0 && s.err == nil {
		s.next()
	}
	if len(s.chunk) == 0 {
		return 0, s.err
	}
	n := copy(p, s.chunk)
	s.chunk = s.chunk[n:]
	return n, nil
}

// next waits for an event, and sets chunk or err, or neither if the event says nothing.
func (s *streamed) next() {
	select {
	case e, ok := <-s.events.Events():
		if !ok {
			s.err = s.cut()
			return
		}
		switch e := e.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			if !s.bodiless {
				s.chunk = e.Value.Payload
			}
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			s.complete(e.Value)
		}
	case <-s.x.ctx.Done():
		s.err = s.x.named(interrupted(s.x.ctx, false))
	}
}

// cut is the error of a stream that nobody has completed.
func (s *streamed) cut() error {
	if err := s.events.Err(); err != nil {
		failure := s.x.failed(err)
		failure.NotSent = false // whatever it is called: the function has been begun
		return s.x.named(failure)
	}
	if s.x.ctx.Err() != nil {
		return s.x.named(interrupted(s.x.ctx, false))
	}
	return s.x.named(&upstream.Error{Reason: rpc.UpstreamUnreachable, Err: errCut})
}

// complete takes the last event.
func (s *streamed) complete(e types.InvokeWithResponseStreamCompleteEvent) {
	if code := aws.ToString(e.ErrorCode); code != "" {
		s.err = s.x.named(s.x.up.functionFailed(code, []byte(aws.ToString(e.ErrorDetails))))
		return
	}
	s.err = io.EOF
	timer := time.NewTimer(lingering)
	defer timer.Stop()
	select {
	case <-s.events.Events():
	case <-timer.C:
	case <-s.x.ctx.Done():
	}
}

// Close implements [io.Closer]: it ends the stream, wherever that is, and a Read that
// waits for it.
func (s *streamed) Close() error {
	s.close.Do(func() {
		_ = s.events.Close() // what it has to say, Read has said
		s.x.release()
	})
	return nil
}
