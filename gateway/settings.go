package gateway

import (
	"math"
	"net/http"

	"github.com/dragoman-gateway/dragoman/config"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// settingsOf are a transcode route and its options on some of its listeners in
// the words of the transcoder, which knows nothing of the configuration.
func settingsOf(rt *config.Route, o *config.Options) *transcoder.Settings {
	t := rt.Transcode
	if t == nil {
		return actionSettings(rt, o)
	}
	s := &transcoder.Settings{
		UnaryTimeout:       t.UnaryTimeout,
		StreamTimeout:      t.StreamTimeout,
		MaxRequestBytes:    t.MaxRequestBytes,
		MaxMessageBytes:    t.MaxMessageBytes,
		MaxJSONBytes:       t.MaxJSONBytes,
		MaxDepth:           t.MaxDepth,
		MaxQueryParameters: t.MaxQueryParameters,
		RequestMetadata:    rpc.HeaderPolicy(t.RequestHeaders),
		ResponseMetadata:   rpc.HeaderPolicy(t.ResponseHeaders),
	}
	setOptions(s, o)
	return s
}

// actionSettings are what counts of the options on a route that transcodes nothing:
// errors, and what programs may look at.
func actionSettings(rt *config.Route, o *config.Options) *transcoder.Settings {
	s := transcoder.DefaultSettings()
	setOptions(&s, o)
	// Nothing else says what the body is.
	s.FormBodies = true
	if f := rt.Forward; f != nil {
		s.UnaryTimeout = f.Timeout
		if f.MaxRequestBytes > 0 {
			s.MaxRequestBytes = int(min(f.MaxRequestBytes, math.MaxInt))
		}
	}
	return &s
}

// listenerSettings are those that count where there is no route.
func listenerSettings(l *config.Listener) *transcoder.Settings {
	s := transcoder.DefaultSettings()
	setOptions(&s, l.Options)
	return &s
}

func setOptions(s *transcoder.Settings, o *config.Options) {
	s.Print = codec.Print{
		EnumsAsNumbers: o.Print.GetEnumsAsNumbers(),
		UnsetFields:    o.Print.GetUnsetFields(),
		ProtoNames:     o.Print.GetProtoNames(),
	}
	s.Pretty, s.Partial = o.Print.GetPretty(), o.Print.GetPartial()

	s.UnknownFields = unknown[o.Parse.GetUnknownFields()]
	s.UnknownQuery = unknown[o.Parse.GetUnknownQuery()]
	s.IgnoredQuery = o.Parse.GetIgnoredQuery()
	s.FoldEnums = o.Parse.GetCaseInsensitiveEnums()
	for _, name := range o.Parse.GetSystemParameters() {
		switch name {
		case "$alt":
			s.Alt = true
		case "$.xgafv":
			s.ErrorFormat = true
		case "key":
			s.Key = true
		}
	}
	s.QueryMaps, s.QueryStructs = o.Parse.GetQueryMaps(), o.Parse.GetQueryStructs()
	s.PathWins = o.Parse.GetBoundFields() == "path_wins"
	s.PatchMask = o.Parse.GetPatchMask()
	s.FormBodies = o.Parse.GetFormBodies()

	s.ErrorShape = shapes[o.Errors.GetShape()]
	s.WWWAuthenticate = o.Errors.GetWwwAuthenticate()
	s.Localized, s.InBand = o.Errors.GetLocalized(), o.Errors.GetInBand()
	s.TimeoutHeader = http.CanonicalHeaderKey(o.HTTP.GetTimeoutHeader())
	s.ETag = o.HTTP.GetEtag()

	ws := o.Stream.GetWebsocket()
	s.Stream = transcoder.Stream{
		Form:        forms[o.Stream.GetForm()],
		Heartbeat:   o.Stream.GetHeartbeat().AsDuration(),
		EventField:  o.Stream.GetEventField(),
		IDField:     o.Stream.GetIdField(),
		BindAll:     o.Stream.GetBindAll(),
		IdleTimeout: o.Stream.GetIdleTimeout().AsDuration(),
		WebSocket:   !ws.GetDisabled(),
		Origins:     ws.GetOrigins(),
		Ping:        config.DefaultPing,
	}
	if ws.GetPing() != nil {
		s.Stream.Ping = ws.GetPing().AsDuration()
	}
	s.ContentTypes, s.Multipart = o.Files.GetContentTypes(), o.Files.GetMultipart()
}

// responseOf is a rule for answers in the words of the transcoder.
func responseOf(cfg *configpb.ResponseRule, origin string) *transcoder.Response {
	status := http.StatusOK
	if cfg.Status != nil {
		status = int(cfg.GetStatus())
	}
	var headers []transcoder.ResponseHeader
	for _, h := range cfg.GetHeaders() {
		headers = append(headers, transcoder.ResponseHeader{Name: http.CanonicalHeaderKey(h.GetName()), Value: h.GetValue()})
	}
	return &transcoder.Response{
		Headers:        headers,
		Origin:         origin,
		Status:         status,
		Location:       cfg.GetLocation(),
		NoContent:      cfg.GetNoContent(),
		StatusField:    cfg.GetStatusField(),
		StatusMetadata: cfg.GetStatusMetadata(),
	}
}

// What the schema calls these.
var (
	unknown = map[string]transcoder.Unknown{
		"reject": transcoder.Reject, "ignore": transcoder.Ignore, "report": transcoder.Report, "capture": transcoder.Capture,
	}
	shapes = map[string]transcoder.ErrorShape{
		"status": transcoder.ShapeStatus, "google": transcoder.ShapeGoogle, "problem": transcoder.ShapeProblem,
	}
	forms = map[string]transcoder.StreamForm{
		"accept": transcoder.FormByAccept, "array": transcoder.FormArray, "ndjson": transcoder.FormLines, "sse": transcoder.FormEvents,
	}
	escapes = map[string]httprule.Escapes{
		"standard": httprule.Standard, "decode": httprule.DecodeSlashes, "keep": httprule.KeepSlashes, "reject": httprule.RejectSlashes,
	}
)
