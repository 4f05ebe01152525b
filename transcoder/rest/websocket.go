package rest

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// Streams over WebSocket (RFC 6455, HTTP/1.1). A frame of the client, all parts of
// a message in the words of the RFC, is one request message: as JSON if it is
// text, serialized if it is binary, each in the place of the rule's body. Path and
// query are bound into the first one. An empty text frame ends them. The answers
// come in the kind of the client's last frame, text before the first one.
//
// What is wrong before the first frame is an HTTP answer. After that a session
// ends with a close frame: 1000 for OK, else 4000 and the gRPC code, with the
// message; who gets text, gets the whole error in a frame before.

// webSocket serves a rule of a method with streaming that is reached by an
// upgrade.
type webSocket struct {
	rule
	// framed says that request messages come in frames: there are many, or the
	// rule has a body.
	framed bool
	// wire says that a frame may be binary.
	wire bool
}

var _ route.Handler = (*webSocket)(nil)

// upgradesTo reports whether an upgrade at the path of b, one of a method's rules,
// is for b. Rules whose paths differ in their HTTP methods alone do not differ for
// an upgrade; it is a GET, so a rule for that has it, or else the first one.
func upgradesTo(rules []httprule.Binding, b *httprule.Binding) bool {
	var best *httprule.Binding
	for i := range rules {
		rule := &rules[i]
		if rule.Template.String() != b.Template.String() {
			continue
		}
		if best == nil || rule.Method == http.MethodGet && best.Method != http.MethodGet {
			best = rule
		}
	}
	return best == nil || best == b
}

// newWebSocket is the handler of a rule for upgrades. A rule without a body takes
// whole messages from the frames of a method with client streaming, which could
// have none otherwise.
func newWebSocket(ep *transcoder.Endpoint, b *httprule.Binding, o plan.Options, response *response, passes *rpc.HeaderPolicy) (*webSocket, error) {
	if ep.Method.ClientStreaming && b.Body == "" {
		framed := *b
		framed.Body, o.QueryBesideBody = "*", true
		b = &framed
	}
	o.JSONFiles = true
	p, err := plan.Compile(ep.Codec, ep.Method.Descriptor.Input(), ep.Method.Descriptor.Output(), b, o)
	if err != nil {
		return nil, err
	}
	return &webSocket{
		rule:   rule{method: ep.Method, upstream: ep.Upstream, settings: ep.Settings, plan: p, rules: ep.Validate, response: response, passes: passes},
		framed: ep.Method.ClientStreaming || p.TakesBody(),
		wire:   p.TakesWire(),
	}, nil
}

// Serve implements [route.Handler]. It returns when the session is over.
func (t *webSocket) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	k := newWork()
	defer k.release()
	if err := t.admit(k, w, r, x); err != nil {
		t.look(k).refuse(w, r, x, err)
		return
	}
	sock := &socket{}
	conn, err := websocket.Accept(hijacker{w, sock}, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		// It has been answered: what is left are connections that have no upgrade.
		k.call.Request.Release()
		x.Code, x.Reason, x.Error = int(rpc.Internal.Code()), string(rpc.Internal), err
		return
	}
	// Longer messages are told from others by the session.
	conn.SetReadLimit(-1)
	newSession(t, k, r, x, conn, sock).run()
}

// admit checks all of a request that can be checked before the upgrade, and makes
// k.call of it.
func (t *webSocket) admit(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange) *rpc.Error {
	t.plan.Begin(r.URL.RawQuery, &k.scratch)
	k.want = plan.Want{}
	if err := checkHandshake(w, r); err != nil {
		return err
	}
	if err := checkOrigin(r, t.settings.Stream.Origins); err != nil {
		return err
	}
	if !t.framed {
		if err := withoutMessages(r, x); err != nil {
			return err
		}
		return t.prepare(k, w, r, x)
	}
	var err *rpc.Error
	if k.call.Deadline, err = transcoder.Deadline(r, t.settings, false, time.Now()); err != nil {
		return err
	}
	k.spans = k.spans[:0]
	for _, s := range x.Captures {
		k.spans = append(k.spans, plan.Span(s))
	}
	fault := t.plan.CheckHead(&plan.Request{Path: x.Path, Captures: k.spans, RawQuery: r.URL.RawQuery}, &k.scratch)
	if ignored := k.scratch.Outcome.Ignored; len(ignored) > 0 {
		w.Header().Set(rpc.IgnoredHeader, string(ignored))
	}
	if fault != nil {
		return badRequest(fault)
	}
	if t.settings.Alt || t.settings.Partial {
		if err := t.wish(k, r); err != nil {
			return err
		}
	}
	if k.call.Header, fault = transcoder.AppendMetadata(k.call.Header, r, x.Client, &t.settings.RequestMetadata); fault != nil {
		if errors.As(fault, &err) {
			return err
		}
		return rpc.Errorf(rpc.InvalidRequest, "%v", fault)
	}
	if t.settings.UnknownQuery == transcoder.Capture {
		k.captured()
	}
	k.call.Method = t.method
	return nil
}

// checkHandshake checks what RFC 6455, section 4.2.1, demands of a client's
// handshake. That it is an upgrade is known.
func checkHandshake(w http.ResponseWriter, r *http.Request) *rpc.Error {
	if r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || r.ContentLength != 0 {
		return rpc.Errorf(rpc.InvalidRequest, "a WebSocket is opened by a GET of HTTP/1.1 without a body")
	}
	const version = "13"
	if v := r.Header["Sec-Websocket-Version"]; len(v) != 1 || strings.TrimSpace(v[0]) != version {
		w.Header().Set("Sec-WebSocket-Version", version)
		return rpc.Errorf(rpc.InvalidRequest, "header \"sec-websocket-version\": want %s, the only version that is supported", version)
	}
	const keyBytes = 16
	if keys := r.Header["Sec-Websocket-Key"]; len(keys) == 1 {
		if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0])); err == nil && len(key) == keyBytes {
			return nil
		}
	}
	return rpc.Errorf(rpc.InvalidRequest, "header \"sec-websocket-key\": want one value, the base64 of %d bytes", keyBytes)
}

// checkOrigin refuses pages of other origins than the gateway's own host and those
// that fit a pattern. A client that is no browser has no origin, and could have
// any.
func checkOrigin(r *http.Request, allowed []string) *rpc.Error {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return nil
	}
	if len(origins) == 1 {
		origin := strings.ToLower(origins[0])
		scheme, host, ok := splitOrigin(origin)
		if ok && isOwn(r, scheme, host) {
			return nil
		}
		for _, pattern := range allowed {
			// A star may stand for a host or a part of it, and not for more.
			if (ok || origin == "null") && matches(strings.ToLower(pattern), origin) {
				return nil
			}
		}
	}
	return rpc.Errorf(rpc.OriginNotAllowed, "pages of the origin %.200q may not connect", origins[0])
}

// splitOrigin reads an origin as browsers write it (RFC 6454, section 6.2): scheme,
// host and port, and nothing else.
func splitOrigin(origin string) (scheme, host string, ok bool) {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" || u.Scheme+"://"+u.Host != origin {
		return "", "", false
	}
	return u.Scheme, u.Host, true
}

// isOwn reports whether an origin is the gateway's own. A connection without TLS
// may be the last part of one with it, so there a page may have come by https; to a
// connection with TLS none has come by http but one that somebody else made.
func isOwn(r *http.Request, scheme, host string) bool {
	var port string
	switch {
	case scheme == "https":
		port = ":443"
	case scheme == "http" && r.TLS == nil:
		port = ":80"
	default:
		return false
	}
	// An origin does not name the port that its scheme has anyway.
	own := strings.TrimSuffix(strings.ToLower(r.Host), port)
	return own == strings.TrimSuffix(host, port)
}

// closing is how a session ends.
type closing struct {
	code   websocket.StatusCode
	reason string
	// fault is the error as a text frame, nil if there is none.
	fault []byte
	// silent says that nobody is there to be told.
	silent bool
}

// Close codes from 4000 on are for private use (RFC 6455, section 7.4.2).
const closeStatus websocket.StatusCode = 4000

// maxReason is the longest reason of a close frame in bytes (RFC 6455, section
// 5.5: a control frame has 125, and the code two of them).
const maxReason = 123

// clipped is the beginning of a text that a close frame can hold, which must be
// UTF-8.
func clipped(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxReason {
		return text
	}
	const dots = "…"
	cut := maxReason - len(dots)
	for cut > 0 && text[cut]&0xC0 == 0x80 {
		cut--
	}
	return text[:cut] + dots
}

// errLeft is what ends a session whose client has left, errDrained one that
// outlives the gateway.
var (
	errLeft    = errors.New("the client has left")
	errDrained = errors.New("the gateway is shutting down")
)

// closingOf is how a session ends because of cause.
func (s *session) closingOf(cause error) closing {
	var refused *rpc.Error
	if errors.As(cause, &refused) {
		c := s.refused(refused)
		if refused.Reason == rpc.RequestTooLarge {
			c.code = websocket.StatusMessageTooBig
		}
		return c
	}
	s.x.Code = int(codes.Canceled)
	if cause != errLeft { //nolint:errorlint // that of a client which said so, and no further cause
		s.x.Error = cause
	}
	if s.r.Context().Err() != nil {
		// After an upgrade nothing but the end of the gateway ends it.
		s.x.Error = errDrained
		return closing{code: websocket.StatusGoingAway, reason: errDrained.Error()}
	}
	s.x.Reason = string(rpc.ClientClosed)
	return closing{silent: true}
}

// refused is the end by an error that the gateway made.
func (s *session) refused(err *rpc.Error) closing {
	fail(s.x, err)
	look := s.look(s.work)
	return closing{
		code:   closeStatus + websocket.StatusCode(err.GRPCCode()),
		reason: clipped(err.Message),
		fault:  look.shape.AppendElement(nil, look.appendError(nil, err)),
	}
}

// failed is the end by a status of the upstream, not OK.
func (s *session) failed(st *rpc.Status) closing {
	note(s.x, st)
	message := s.translated(s.r, plan.ReadDetails(st.Details).Localized).Message
	fault := s.renderStatus(nil, s.work, st, st.HTTPStatus(), message)
	if message == "" {
		message = st.Message
	}
	return closing{
		code:   closeStatus + websocket.StatusCode(s.x.Code),
		reason: clipped(message),
		fault:  s.look(s.work).shape.AppendElement(nil, fault),
	}
}
