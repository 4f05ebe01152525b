package rest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/split"
)

// stages are what a request of the rule goes through before its answer.
func (l *rule) stages(r *http.Request, bound []plan.Bound) []string {
	var stages []string
	input := string(l.method.Descriptor.Input().FullName())
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && l.plan.TakesBody() {
		stages = append(stages, "inflate the body, "+encoding)
	}
	stages = append(stages, "bind path, body and query to "+input)
	for _, b := range bound {
		if b.Source == "mask" {
			stages = append(stages, "fill "+b.Field+" from the body")
		}
	}
	if l.rules != nil {
		stages = append(stages, "check the buf.validate rules of "+input)
	}
	return append(stages, "call "+l.method.Path)
}

// streamStages are what a request with many messages goes through before its
// answer.
func (l *rule) streamStages(r *http.Request, form split.Form) []string {
	var stages []string
	input := string(l.method.Descriptor.Input().FullName())
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" {
		stages = append(stages, "inflate the body as it comes, "+encoding)
	}
	if form == split.Lines {
		stages = append(stages, "split the body into its lines, each of them a "+input)
	} else {
		stages = append(stages, "split the body into the elements of its JSON array, each of them a "+input)
	}
	if l.settings.Stream.BindAll {
		stages = append(stages, "bind path and query to each of them")
	} else {
		stages = append(stages, "bind path and query to the first of them")
	}
	if l.rules != nil {
		stages = append(stages, "check the buf.validate rules of each of them")
	}
	return append(stages, "call "+l.method.Path+", and send each of them as soon as it is complete")
}

// formStages are what a multipart form of a method with many requests goes through
// before its answer.
func (l *rule) formStages(r *http.Request) []string {
	var stages []string
	input := string(l.method.Descriptor.Input().FullName())
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" {
		stages = append(stages, "inflate the body as it comes, "+encoding)
	}
	stages = append(stages, "bind path, query and the parts before the file to the first "+input)
	if l.rules != nil {
		stages = append(stages, "check the buf.validate rules of each message")
	}
	return append(stages, "call "+l.method.Path+", and send the file in pieces as it comes")
}

// answerStages are what becomes of each message of the upstream.
func (l *rule) answerStages(want *plan.Want, render string) []string {
	if l.plan.GivesHTTPBody() {
		return []string{"take the bytes of the google.api.HttpBody as they are"}
	}
	var stages, how []string
	if want.Mask != nil {
		stages = append(stages, "cut the answer to the fields that are asked for")
	}
	for _, option := range []struct {
		on   bool
		what string
	}{
		{l.settings.Print.EnumsAsNumbers || want.Numbers, "enums as numbers"},
		{l.settings.Print.UnsetFields, "unset fields"},
		{l.settings.Print.ProtoNames, "proto names"},
		{l.settings.Pretty, "indented"},
	} {
		if option.on {
			how = append(how, option.what)
		}
	}
	if len(how) > 0 {
		render += ", with " + strings.Join(how, ", ")
	}
	return append(stages, render)
}

// answers are what becomes of a message once it is there.
func (u *unary) answers(method string) []string {
	stages := u.headerStages()
	if p := u.response; p != nil {
		if p.location != nil {
			stages = append(stages, "make Location of the message")
		}
		if p.tag != nil && (method == http.MethodGet || method == http.MethodHead) {
			stages = append(stages, "give an answer 200 its ETag, and answer 304 to who has it")
		}
	}
	return append(stages, "answer "+u.statuses())
}

// headerStages are the further headers that a message gives.
func (l *rule) headerStages() []string {
	if l.response == nil || l.response.headers == nil {
		return nil
	}
	var names []string
	for _, n := range *l.response.headers {
		names = append(names, n.name)
	}
	return []string{"make " + strings.Join(names, ", ") + " of the message"}
}

// statuses says for people which status success has.
func (l *rule) statuses() string {
	p := l.response
	if p == nil {
		return "200"
	}
	text := ""
	if p.metadata != "" {
		text = "the status in metadata " + strconv.Quote(p.metadata) + ", or "
	}
	if p.field != nil {
		text += "that in field " + strconv.Quote(p.fieldName) + ", or "
	}
	return text + strconv.Itoa(p.status)
}
