package gateway

import (
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// settingsOf are the options of a transcode route in the words of the
// transcoder, which knows nothing of the configuration.
func settingsOf(rt *config.Route) *transcoder.Settings {
	t := &rt.Transcode
	return &transcoder.Settings{
		UnaryTimeout:       t.UnaryTimeout,
		StreamTimeout:      t.StreamTimeout,
		MaxRequestBytes:    t.MaxRequestBytes,
		MaxMessageBytes:    t.MaxMessageBytes,
		MaxJSONBytes:       t.MaxJSONBytes,
		MaxDepth:           t.MaxDepth,
		MaxQueryParameters: t.MaxQueryParameters,
		IgnoredQuery:       t.IgnoredQuery,
		RequestMetadata:    rpc.HeaderPolicy(t.RequestHeaders),
		ResponseMetadata:   rpc.HeaderPolicy(t.ResponseHeaders),
	}
}
