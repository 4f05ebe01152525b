package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// logAccess writes the one line that every request gets. The query is never
// logged: it may hold credentials.
func (g *Gateway) logAccess(x *exchange, r *http.Request, start time.Time, aborted bool) {
	if g.access == nil {
		return
	}
	x.attrs = x.fields(r, start, aborted)
	// A group without a name stands for its members. As one attribute they stay
	// where they are, while a record would copy all but the first five.
	g.access.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.Attr{Value: slog.GroupValue(x.attrs...)})
}

// fields are those of the line. The room that making them takes on the stack is not
// there any more when they are written.
func (x *exchange) fields(r *http.Request, start time.Time, aborted bool) []slog.Attr {
	status := x.writer.status
	if status == 0 && !aborted {
		// What net/http sends for a handler that only sets headers, as for a
		// gRPC answer of trailers alone.
		status = http.StatusOK
	}
	remote := r.RemoteAddr
	if x.Client != nil {
		remote = x.Client.Address
	}
	attrs := append(x.attrs[:0],
		slog.String("method", r.Method),
		slog.String("path", x.request.Path),
		slog.Int("status", status),
		slog.Duration("duration", time.Since(start)),
		slog.Int64("bytes_in", x.RequestBytes),
		slog.Int64("bytes_out", x.ResponseBytes),
		slog.String("remote", remote),
	)
	if e := x.Entry; e != nil {
		upstream := x.Upstream
		if upstream == "" {
			upstream = e.Upstream
		}
		attrs = append(attrs, slog.String("route", e.Route), slog.String("protocol", e.Protocol))
		if e.RPC != "" {
			attrs = append(attrs, slog.String("rpc", e.RPC))
		}
		if upstream != "" {
			attrs = append(attrs, slog.String("upstream", upstream))
		}
	}
	if x.Code >= 0 {
		attrs = append(attrs, slog.String("grpc_status", codeName(x.Code)))
	}
	if x.Reason != "" {
		attrs = append(attrs, slog.String("reason", x.Reason))
	}
	if x.Error != nil {
		attrs = append(attrs, slog.String("error", x.Error.Error()))
	}
	if x.UnknownFields > 0 {
		attrs = append(attrs, slog.Int("unknown_fields", x.UnknownFields))
	}
	if x.writer.fault != nil {
		attrs = append(attrs, slog.String("header_error", x.writer.fault.Error()))
	}
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if len(x.Log) > 0 {
		attrs = appendFields(attrs, x.Log)
	}
	return attrs
}

// What further fields a line may have: a line of more than a few KiB is cut or
// dropped by those who gather logs.
const (
	maxFields     = 32
	maxFieldBytes = 1 << 10
)

// ownFields are the names that a line has by itself, whether this one has them or
// not: who reads logs must be able to rely on them.
var ownFields = []string{
	slog.TimeKey, slog.LevelKey, slog.MessageKey, slog.SourceKey,
	"method", "path", "status", "duration", "bytes_in", "bytes_out", "remote", "route", "protocol", "rpc", "upstream",
	"grpc_status", "reason", "error", "unknown_fields", "header_error", "aborted",
}

// appendFields adds further fields, the last one of a name, as [route.Exchange]
// says.
func appendFields(attrs, fields []slog.Attr) []slog.Attr {
	if n := len(fields); n > maxFields {
		fields = fields[n-maxFields:]
	}
	for i, f := range fields {
		if f.Key == "" || len(f.Key) > maxFieldBytes || slices.Contains(ownFields, f.Key) ||
			slices.ContainsFunc(fields[i+1:], func(later slog.Attr) bool { return later.Key == f.Key }) {
			continue
		}
		if f.Value.Kind() == slog.KindString && len(f.Value.String()) > maxFieldBytes {
			text := f.Value.String()[:maxFieldBytes]
			f.Value = slog.StringValue(strings.ToValidUTF8(text, "") + "…")
		}
		attrs = append(attrs, f)
	}
	return attrs
}

// codeName is the code as the gRPC documentation spells it.
func codeName(code int) string {
	if code >= 0 && code < len(codeNames) {
		return codeNames[code]
	}
	return codes.Code(code).String()
}

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
	"OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}
