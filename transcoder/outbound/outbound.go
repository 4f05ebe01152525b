// Package outbound calls methods of upstreams that know HTTP and no gRPC, by the HTTP
// rules of the methods read backwards: the message becomes path, query and body of a
// request, and the JSON of the answer becomes the message again.
//
// [New] makes of an upstream of the HTTP plane one of the RPC plane, for one method, and
// [NewService] for a service. So whatever takes calls can stand in front of a REST
// service or a function: a protocol of the gateway, or, with package rpc/adapt,
// generated code of grpc-go. What a rule
// makes of a message, and an answer of a body, is up to package plan.
//
// Unary methods and server streams can be called. The messages of a stream come as
// the elements of a JSON array, as lines of NDJSON, or as server-sent events, which the
// answer's content type tells. Methods with a stream of requests have no form over
// HTTP that every service knows: they answer UNIMPLEMENTED.
package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/split"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// Options are what the calls of one method need.
type Options struct {
	// Name is that of the upstream, for errors; Route is that of the route, for the
	// upstream.
	Name, Route string
	Upstream    upstream.HTTP
	Method      *rpc.Method
	// Codec has the tables of the method's messages.
	Codec *codec.Codec
	// Bindings are the method's HTTP rules, in order. Without any the message is the
	// body of a POST to the path of native gRPC.
	Bindings []httprule.Binding
	// MaxMessageBytes bounds a message made of an answer, MaxJSONBytes the JSON of
	// one message, both ways, MaxDepth how deep messages nest. 0 is 4 MiB, 64 MiB and
	// 100.
	MaxMessageBytes, MaxJSONBytes, MaxDepth int
	// TimeoutHeader tells the upstream how many seconds are left; empty for none.
	TimeoutHeader string
}

const (
	defaultMessage = 4 << 20
	defaultJSON    = 64 << 20
	defaultDepth   = 100
)

// method is an upstream for the calls of one method.
type method struct {
	Options
	plan   *plan.Plan
	origin upstream.Origin
	// answers has for each binding what its answers are; behind them is that of
	// requests without one.
	answers []answer
	status  *codec.Message
	header  string // TimeoutHeader in canonical form
	work    sync.Pool
}

var (
	_ rpc.Upstream = (*method)(nil)
	_ rpc.Doer     = (*method)(nil)
)

// Values of headers that many requests have; who sends these only reads them.
var (
	asJSON     = []string{"application/json"}
	acceptMany = []string{"application/x-ndjson, text/event-stream, application/json"}
	anything   = []string{"*/*"}
)

// New makes an upstream for calls of one method. The error tells all that is wrong with
// its rules.
func New(o Options) (rpc.Upstream, error) {
	m, err := newMethod(o)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func newMethod(o Options) (*method, error) {
	m := &method{
		Options: o, origin: o.Upstream.Origin(), status: o.Codec.Message("google.rpc.Status"),
		header: textproto.CanonicalMIMEHeaderKey(o.TimeoutHeader),
	}
	m.work.New = func() any { return new(work) }
	m.MaxMessageBytes = cmp.Or(max(o.MaxMessageBytes, 0), defaultMessage)
	m.MaxJSONBytes = cmp.Or(max(o.MaxJSONBytes, 0), defaultJSON)
	m.MaxDepth = cmp.Or(max(o.MaxDepth, 0), defaultDepth)
	var err error
	m.plan, err = plan.New(plan.Options{
		Input: o.Codec.Message(o.Method.Descriptor.Input().FullName()), FullMethod: o.Method.Path, Bindings: o.Bindings,
		Whole: m.origin.Whole, MaxDepth: m.MaxDepth, MaxJSONBytes: m.MaxJSONBytes,
	})
	output := o.Codec.Message(o.Method.Descriptor.Output().FullName())
	if output == nil {
		return nil, errors.Join(err, errors.New("the schema lacks the response message"))
	}
	if err := m.silent(); err != nil {
		return nil, err
	}
	for i := range o.Bindings {
		b := &o.Bindings[i]
		one, problem := newAnswer(output, b.ResponseBody, o.Method.ServerStreaming)
		if problem != nil {
			err = errors.Join(err, fmt.Errorf("%s %s: %w", b.Method, b.Template, problem))
		}
		m.answers = append(m.answers, one)
	}
	if err != nil {
		return nil, err
	}
	whole, _ := newAnswer(output, "", o.Method.ServerStreaming)
	m.answers = append(m.answers, whole)
	return m, nil
}

// silent refuses a method whose answer an upstream that answers nothing cannot give.
// Clients would take it for one whose fields are all unset. Streams of requests are
// refused anyway, call by call.
func (m *method) silent() error {
	output := m.Method.Descriptor.Output()
	if !m.origin.Silent || m.Method.ClientStreaming || !m.Method.ServerStreaming && output.Fields().Len() == 0 {
		return nil
	}
	return fmt.Errorf("%s: the upstream answers before anything is done, so nobody gets the %s; expose only methods here that return a message without fields",
		m.Method.Descriptor.FullName(), output.FullName())
}

// Start implements [rpc.Upstream]. It starts one goroutine, which ends with the call.
func (m *method) Start(ctx context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	return start(ctx, m, call, sink)
}

// start runs a call on a goroutine of its own.
func start(ctx context.Context, up rpc.Doer, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	ctx, cancel := context.WithCancel(ctx)
	// The caller may change its call when Start is back.
	own := *call
	own.Header = append(rpc.Header(nil), call.Header...)
	go func() {
		defer cancel()
		up.Do(ctx, &own, sink)
	}()
	return started{cancel}
}

// started is the sending half of a call whose messages are all there.
type started struct{ cancel context.CancelFunc }

// Send implements [rpc.Stream].
func (started) Send(msg *rpc.Buffer) error {
	msg.Release()
	return errors.New("the call takes no further messages")
}

// CloseSend implements [rpc.Stream].
func (started) CloseSend() {}

// Cancel implements [rpc.Stream].
func (s started) Cancel() { s.cancel() }

// work is the working memory of one call.
type work struct {
	request plan.Request
	codec   codec.Scratch
	split   split.Splitter
	sent    *sending
	in      []byte
}

// maxKept is the largest buffer that is kept for the next call.
const maxKept = 256 << 10

// Do implements [rpc.Doer].
func (m *method) Do(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
	message := call.Request
	defer message.Release()
	switch {
	case call.Method.Path != m.Method.Path:
		m.refuse(sink, rpc.Errorf(rpc.MethodUnimplemented, "%s is not %s, which alone can be called here", call.Method.Path, m.Method.Path))
		return
	case m.Method.ClientStreaming:
		m.refuse(sink, m.unfit())
		return
	case message == nil:
		m.refuse(sink, rpc.Errorf(rpc.InvalidRequest, "%s has one request message, and no stream of them", m.Method.FullName()))
		return
	}
	k := m.work.Get().(*work)
	defer func() {
		// The transport may still have the body, which is in this memory or in that of
		// the message.
		if k.sent != nil {
			k.sent.stop()
			k.sent = nil
		}
		if cap(k.in) > maxKept {
			k.in = nil
		}
		m.work.Put(k)
	}()
	if fault := m.build(&k.request, message.B); fault != nil {
		m.refuse(sink, fault)
		return
	}
	if !call.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, call.Deadline)
		defer cancel()
	}
	res, err := m.Upstream.Send(m.request(ctx, call, k), nil)
	if err != nil {
		sink.End(m.failed(ctx, err))
		return
	}
	defer res.Body.Close()
	r := &reading{method: m, work: k, ctx: ctx, res: res, sink: sink, answer: m.answerOf(k.request.Binding)}
	sink.End(r.run())
}

func (m *method) answerOf(binding int) *answer {
	if binding < 0 {
		return &m.answers[len(m.answers)-1]
	}
	return &m.answers[binding]
}

// request makes the request of what the plan has built.
func (m *method) request(ctx context.Context, call *rpc.Call, k *work) *http.Request {
	built := &k.request
	path := m.origin.BasePath + string(built.Path)
	r := &http.Request{
		Method: built.Method, URL: target(path, string(built.RawQuery)), Host: m.origin.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header, len(call.Header)+4),
	}
	h := r.Header
	transcoder.WriteMetadata(h, call.Header, &everything)
	for _, name := range unsent {
		delete(h, name)
	}
	m.tellOfClient(h)
	if a := m.answerOf(built.Binding); !a.file || len(h["Accept"]) == 0 {
		h["Accept"] = a.accept
	}
	switch built.ContentType {
	case "":
	case asJSON[0]:
		h["Content-Type"] = asJSON
	default:
		h["Content-Type"] = []string{built.ContentType}
	}
	if deadline, ok := ctx.Deadline(); ok && m.header != "" {
		h[m.header] = []string{strconv.FormatFloat(max(time.Until(deadline).Seconds(), 0), 'f', 3, 64)}
	}
	if len(built.Body) > 0 {
		r.ContentLength = int64(len(built.Body))
		k.sent = newSending(built.Body)
		r.Body, r.GetBody = &k.sent.first, k.sent.again
	}
	if m.origin.Aware {
		ctx = upstream.WithAbout(ctx, m.about(call, r, string(built.Path), built.Binding))
	}
	return r.WithContext(ctx)
}

// everything is the policy of what may pass: the protocols in front have one each.
var everything rpc.HeaderPolicy

// unsent are headers that metadata does not become: those by which an answer may be a
// part of one, or none at all, where a message is whole, and those by which some
// services take a request for another one than its rule has made of it.
var unsent = [...]string{
	"Range", "If-Range", "If-None-Match", "If-Modified-Since",
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Original-Url", "X-Rewrite-Url",
}

// refuse ends a call that the upstream is not asked.
func (m *method) refuse(sink rpc.Sink, err *rpc.Error) { sink.End(err.Status(), nil) }

// failed is the status of a call without an answer, or without the rest of one, and
// what else is told of it.
func (m *method) failed(ctx context.Context, cause error) (rpc.Status, rpc.Header) {
	out := rpc.Error{Reason: rpc.UpstreamUnreachable, Cause: cause}
	var failure *upstream.Error
	if errors.As(cause, &failure) {
		out.Reason, out.Message = failure.Reason, failure.Message
	}
	if ctx.Err() != nil {
		out.Reason = upstream.Ended(ctx)
	}
	if out.Message == "" {
		out.Message = fmt.Sprintf("upstream %q: %s", m.Name, upstream.Told(out.Reason))
	}
	st := out.Status()
	if failure == nil {
		return st, nil
	}
	st.NotSent, st.RetryAfter = failure.NotSent, failure.RetryAfter
	return st, transcoder.AppendAnswer(nil, failure.Header, &everything)
}

// broken is the status of an answer that cannot be read.
func (m *method) broken(cause error, format string, args ...any) rpc.Status {
	err := rpc.Errorf(rpc.UpstreamProtocol, "upstream %q %s", m.Name, fmt.Sprintf(format, args...))
	err.Cause = cause
	return err.Status()
}

// tooLarge is the status of an answer over a limit.
func (m *method) tooLarge(limit int) rpc.Status {
	return rpc.Errorf(rpc.UpstreamTooLarge, "upstream %q sent a message that is over the limit of %d bytes", m.Name, limit).Status()
}

// ok is the status of a call that went well.
var ok = rpc.Status{Code: codes.OK}
