package config

import (
	"errors"
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"
	"google.golang.org/genproto/googleapis/api/annotations"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Service is the part of a file with a google.api.Service that is about HTTP. It
// is immutable and safe for any goroutine.
type Service struct {
	source
	// Rules are never empty; each has a selector and valid templates.
	Rules []Rule
	// FullyDecode decodes %2F in path variables of several segments too.
	FullyDecode bool
}

// LoadService reads a google.api.Service in YAML or JSON, of which only http is
// looked at, since the rest is for other tools. The file is taken as it is, without
// the environment. The error is a [Report], or the reason why the file cannot be
// read.
func LoadService(path string) (*Service, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return parseService(path, data)
}

func parseService(name string, data []byte) (*Service, error) {
	s := &Service{source: source{Name: name, places: places{}}}
	var cfg annotations.Http
	var others []string
	report := s.parse(data, &cfg, func(doc *yaml.Node) (*yaml.Node, string) {
		var http *yaml.Node
		http, others = s.http(doc)
		return http, "http"
	}, nil)
	if len(cfg.GetRules()) == 0 && len(report) > 0 {
		return nil, report.Err()
	}
	if len(cfg.GetRules()) == 0 {
		p := s.Problem("http.rules", "there is no HTTP rule")
		p.Advice = "the file must be a google.api.Service, with rules under http: rules:"
		if meant := nearestName("http", others); meant != "" {
			p = s.Problem(meant, "no such field")
			p.Advice = advise(meant, []string{"http"}, "")
		}
		return nil, Report{p}.Err()
	}
	s.FullyDecode = cfg.GetFullyDecodeReservedExpansion()
	known := report
	for i, rule := range cfg.GetRules() {
		path := indexPath("http.rules", i)
		s.Rules = append(s.Rules, Rule{Path: path, Rule: rule})
		for _, p := range append(s.checkSelector(path, rule.GetSelector()), s.checkRule(path, rule)...) {
			if !known.explains([]string{p.Path}) {
				report = append(report, p)
			}
		}
	}
	if err := report.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// http is the value of that field in a google.api.Service, nil if there is none,
// and the names of the other fields, whose places it notes.
func (f *source) http(doc *yaml.Node) (*yaml.Node, []string) {
	if doc.Kind != yaml.MappingNode {
		return nil, nil
	}
	var others []string
	for i := 0; i+1 < len(doc.Content); i += 2 {
		key := doc.Content[i]
		f.places[key.Value] = place{line: key.Line, column: key.Column}
		if key.Value == "http" {
			return doc.Content[i+1], nil
		}
		others = append(others, key.Value)
	}
	return nil, others
}

var selectorPattern = regexp.MustCompile(`^([A-Za-z_][0-9A-Za-z_]*(\.[A-Za-z_][0-9A-Za-z_]*)*(\.\*)?|\*)$`)

// checkSelector does for a service config what the schema does for rules of a
// configuration.
func (f *source) checkSelector(path, selector string) Report {
	if selectorPattern.MatchString(selector) {
		return nil
	}
	shown := "is empty or missing,"
	if selector != "" {
		shown = fmt.Sprintf("%q", selector)
	}
	return Report{f.Problem(fieldPath(path, "selector"),
		"%s must be a method, package.Service.Method, or the beginning of names and .*, for example library.v1.Library.GetBook", shown)}
}

// checkRule reports what is wrong with the templates and fields of a rule at path,
// as far as can be told without the messages.
func (f *source) checkRule(path string, rule *annotations.HttpRule) Report {
	report := f.checkBinding(path, rule)
	for i, extra := range rule.GetAdditionalBindings() {
		at := indexPath(fieldPath(path, "additional_bindings"), i)
		if s := extra.GetSelector(); s != "" && s != rule.GetSelector() {
			p := f.Problem(fieldPath(at, "selector"), "%q has no meaning here", s)
			p.Advice = "remove it: the selector of the rule counts"
			report = append(report, p)
		}
		if len(extra.GetAdditionalBindings()) > 0 {
			p := f.Problem(fieldPath(at, "additional_bindings"), "cannot be inside of others")
			p.Advice = "list them all in the rule itself"
			report = append(report, p)
		}
		report = append(report, f.checkBinding(at, extra)...)
	}
	return report
}

// ruleField is how an error of httprule begins that is about one field.
var ruleField = regexp.MustCompile(`^(body|response_body|custom): `)

// checkBinding checks one rule without its additional bindings.
func (f *source) checkBinding(path string, rule *annotations.HttpRule) Report {
	_, err := httprule.Bindings(&annotations.HttpRule{Pattern: rule.GetPattern(), Body: rule.GetBody(), ResponseBody: rule.GetResponseBody()})
	var report Report
	for _, err := range split(err) {
		at, text := path, err.Error()
		var template *httprule.ParseError
		if errors.As(err, &template) {
			at = fieldPath(path, patternField(rule))
		} else if field := ruleField.FindStringSubmatch(text); field != nil {
			at, text = fieldPath(path, field[1]), text[len(field[0]):]
		}
		report = append(report, f.Problem(at, "%s", text))
	}
	return report
}

// patternField is the field of a rule with its path template.
func patternField(rule *annotations.HttpRule) string {
	r := rule.ProtoReflect()
	field := r.WhichOneof(r.Descriptor().Oneofs().ByName("pattern"))
	if field.Message() != nil {
		return string(field.Name()) + ".path"
	}
	return string(field.Name())
}

// split is the errors that [errors.Join] has put together.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
