package rest

import (
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// forms are the framings in which the answers of a method with server streaming
// can travel. They are immutable.
type forms struct {
	// fixed is the only one; nil if the client chooses.
	fixed  framing
	events *events
}

// fileForms are those of google.api.HttpBody.
var fileForms = &forms{fixed: download{}}

// newForms is nil for a method whose answer is one message. With problems come
// the forms that are right.
func newForms(ep *transcoder.Endpoint) (_ *forms, problems []error) {
	if !ep.Method.ServerStreaming {
		return nil, nil
	}
	f := &forms{events: new(events)}
	output, s := ep.Method.Descriptor.Output(), &ep.Settings.Stream
	for _, option := range []struct {
		name, path string
		value      **plan.Value
	}{{"event_field", s.EventField, &f.events.event}, {"id_field", s.IDField, &f.events.id}} {
		var err error
		if *option.value, err = newEventValue(ep, output, option.path); err != nil {
			problems = append(problems, &transcoder.RuleError{
				RPC: ep.Method.FullName(), Option: "stream." + option.name, Err: fmt.Errorf("%s %q: %w", option.name, option.path, err),
			})
		}
	}
	switch s.Form {
	case transcoder.FormArray:
		f.fixed = array{}
	case transcoder.FormLines:
		f.fixed = lines{}
	case transcoder.FormEvents:
		f.fixed = f.events
	}
	return f, problems
}

// newEventValue is nil for a field that messages of this type do not have: one
// setting is for all methods of a route.
func newEventValue(ep *transcoder.Endpoint, output protoreflect.MessageDescriptor, path string) (*plan.Value, error) {
	if path == "" || !hasField(output, path) {
		return nil, nil
	}
	return plan.NewValue(ep.Codec, output, path, false)
}

// choose is the form of the answer to r.
func (f *forms) choose(r *http.Request) framing {
	if f.fixed != nil {
		return f.fixed
	}
	accept := r.Header["Accept"]
	if len(accept) == 0 {
		return array{}
	}
	switch preferred(accept) {
	case transcoder.FormLines:
		return lines{}
	case transcoder.FormEvents:
		return f.events
	}
	return array{}
}

// name is what the configuration calls a form.
func name(f framing) string {
	switch f.(type) {
	case lines:
		return "ndjson"
	case download:
		return "raw"
	case *events:
		return "sse"
	}
	return "array"
}

// names lists the forms.
func (f *forms) names() []string {
	if f.fixed != nil {
		return []string{name(f.fixed)}
	}
	return []string{name(array{}), name(lines{}), name(f.events)}
}

// preferred is the form that an Accept header prefers (RFC 9110, section 12.5.1). Of
// equals it is one that is named, rather than in a range, and then the array
// first, and NDJSON before events. Who does not name NDJSON or events, but a range
// that they are in, is not taken to understand them; who takes nothing that there
// is gets an array, as answers to unary calls are JSON whatever is accepted.
// Elements that are not well formed count for nothing.
func preferred(accept []string) transcoder.StreamForm {
	var named [transcoder.FormEvents + 1]int
	// The most specific range counts for JSON: application/json, application/*, */*.
	var json [3]int
	listed := 0
	for _, line := range accept {
		for element := range strings.SplitSeq(line, ",") {
			media, parameters, _ := strings.Cut(element, ";")
			media = strings.Trim(media, " \t")
			form, specific := transcoder.FormArray, 0
			switch {
			case media == "*/*":
			case strings.EqualFold(media, "application/*"):
				specific = 1
			case strings.EqualFold(media, "application/json"):
				specific = 2
			case strings.EqualFold(media, "text/event-stream"):
				form = transcoder.FormEvents
			case strings.EqualFold(media, "application/x-ndjson"),
				strings.EqualFold(media, "application/ndjson"),
				strings.EqualFold(media, "application/jsonl"):
				form = transcoder.FormLines
			default:
				continue
			}
			q, ok := quality(parameters)
			if !ok {
				continue
			}
			if form == transcoder.FormArray {
				json[specific], listed = max(json[specific], q), max(listed, specific)
			} else {
				named[form] = max(named[form], q)
			}
		}
	}
	best, most := transcoder.FormArray, json[listed]
	if most > 0 && listed < len(json)-1 {
		most--
	}
	for _, form := range [...]transcoder.StreamForm{transcoder.FormLines, transcoder.FormEvents} {
		if named[form] > most {
			best, most = form, named[form]
		}
	}
	return best
}

// quality is the weight among the parameters of a media range, in thousandths. It
// is 1000 if there is none, and not ok if it is malformed.
func quality(parameters string) (q int, ok bool) {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.Trim(p, " \t"), "=")
		if name == "q" || name == "Q" {
			return weight(value)
		}
	}
	return 1000, true
}

// weight reads 0.5 as 500 (RFC 9110, section 12.4.2).
func weight(s string) (int, bool) {
	const longest = len("0.000")
	if s == "" || len(s) > longest || s[0] != '0' && s[0] != '1' || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	q, unit := int(s[0]-'0')*1000, 100
	for i := len("0."); i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		q += int(s[i]-'0') * unit
		unit /= 10
	}
	return q, q <= 1000
}
