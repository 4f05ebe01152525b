package gateway

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dragoman-gateway/dragoman/config"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// edits are the changes of headers that levels of the configuration ask for, the
// least specific first; nil for none. What is wrong is reported, once for each place.
func (c *compiler) edits(levels ...config.Headers) *header.Edits {
	specs := make([]*header.Spec, len(levels))
	for i, level := range levels {
		specs[i] = c.headerSpec(level)
	}
	edits, err := header.Merge(specs...)
	for _, err := range unjoin(err) {
		var wrong *header.Error
		if !errors.As(err, &wrong) {
			continue
		}
		p := c.gateway.plan.File.Problem(levels[wrong.Level].Path+"."+wrong.Field(), "%v", wrong.Err)
		if !slices.Contains(c.report, p) {
			c.report = append(c.report, p)
		}
	}
	return edits
}

// headerSpec is one level in the words of package header; nil for none.
func (c *compiler) headerSpec(level config.Headers) *header.Spec {
	if level.Rule == nil {
		return nil
	}
	list := func(cfg *configpb.HeaderEdits, direction string) header.List {
		values := func(list string, cfg []*configpb.HeaderValue) []header.Value {
			var out []header.Value
			for i, v := range cfg {
				at := fmt.Sprintf("%s.%s.%s[%d].jq", level.Path, direction, list, i)
				out = append(out, header.Value{Name: v.GetName(), Text: v.GetValue(), Program: c.gateway.programs.expressions[at]})
			}
			return out
		}
		return header.List{Set: values("set", cfg.GetSet()), Append: values("append", cfg.GetAppend()), Remove: cfg.GetRemove()}
	}
	return &header.Spec{Request: list(level.Rule.GetRequest(), "request"), Response: list(level.Rule.GetResponse(), "response")}
}

// levels are those of a route on its listeners, to which those of an upstream that it
// leads to belong.
func (rt *compiledRoute) levels(up *config.Upstream, more ...config.Headers) []config.Headers {
	levels := []config.Headers{rt.options.Headers}
	if up != nil {
		levels = append(levels, up.Headers)
	}
	return append(append(levels, rt.cfg.Headers), more...)
}

// headers gives the entries of a route what changes the headers of their requests and
// answers. It comes before programs are put around them: requests are changed last.
func (c *compiler) headers(rt *compiledRoute, settings *transcoder.Settings) {
	edits := c.edits(rt.levels(rt.cfg.Upstream())...)
	if edits == nil {
		return
	}
	for _, e := range rt.entries {
		e.Edits = edits
		if rt.cfg.Forward == nil {
			e.Handler = edits.Wrap(e.Handler, header.Refuse(c.gateway.refuser(settings)))
		}
	}
}

// listenerEdits are those of answers without a route; nil for none.
func (c *compiler) listenerEdits(l *config.Listener) route.HeadEdits {
	if edits := c.edits(l.Headers); edits != nil {
		return edits
	}
	return nil
}
