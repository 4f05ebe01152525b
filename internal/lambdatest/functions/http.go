package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
)

// seen is what answerHTTP tells of a request, whatever the format of the event.
type seen struct {
	Format  string              `json:"format"`
	Method  string              `json:"method"`
	Path    string              `json:"path"`
	Query   map[string][]string `json:"query,omitempty"`
	Headers map[string]string   `json:"headers,omitempty"`
	Cookies []string            `json:"cookies,omitempty"`
	Params  map[string]string   `json:"pathParameters,omitempty"`
	Body    string              `json:"body,omitempty"`
	Binary  bool                `json:"binary,omitempty"`
	Source  string              `json:"source,omitempty"`
}

// answerHTTP describes an HTTP request in an answer of the event's own format:
// API Gateway 1.0 or 2.0, a load balancer, or plain JSON if it is none of them.
// The query's status is that of the answer; with binary set, its body is base64
// of the bytes 0 to 255; it always sets two cookies where the format can.
func answerHTTP(raw json.RawMessage) (any, error) {
	var probe struct {
		Version        string
		HTTPMethod     string `json:"httpMethod"`
		RequestContext struct{ ELB *struct{} }
	}
	if err := json.Unmarshal(raw, &probe); err != nil {
		return nil, err
	}
	switch {
	case probe.Version == "2.0":
		return answerV2(raw)
	case probe.RequestContext.ELB != nil:
		return answerALB(raw)
	case probe.HTTPMethod != "":
		return answerV1(raw)
	}
	return raw, nil
}

func answerV1(raw json.RawMessage) (any, error) {
	var event events.APIGatewayProxyRequest
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, err
	}
	s := seen{
		Format: "1.0", Method: event.HTTPMethod, Path: event.Path, Query: event.MultiValueQueryStringParameters, Headers: event.Headers,
		Params: event.PathParameters, Body: event.Body, Binary: event.IsBase64Encoded, Source: event.RequestContext.Identity.SourceIP,
	}
	a, err := answerFor(s)
	return events.APIGatewayProxyResponse{
		StatusCode: a.status, Headers: a.headers, MultiValueHeaders: map[string][]string{"Set-Cookie": a.cookies},
		Body: a.body, IsBase64Encoded: a.binary,
	}, err
}

func answerV2(raw json.RawMessage) (any, error) {
	var event events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, err
	}
	query := make(map[string][]string)
	for name, value := range event.QueryStringParameters {
		query[name] = []string{value}
	}
	s := seen{
		Format: "2.0", Method: event.RequestContext.HTTP.Method, Path: event.RawPath, Query: query, Headers: event.Headers, Cookies: event.Cookies,
		Params: event.PathParameters, Body: event.Body, Binary: event.IsBase64Encoded, Source: event.RequestContext.HTTP.SourceIP,
	}
	a, err := answerFor(s)
	return events.APIGatewayV2HTTPResponse{
		StatusCode: a.status, Headers: a.headers, Cookies: a.cookies, Body: a.body, IsBase64Encoded: a.binary,
	}, err
}

func answerALB(raw json.RawMessage) (any, error) {
	var event events.ALBTargetGroupRequest
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, err
	}
	multi := event.MultiValueHeaders != nil || event.MultiValueQueryStringParameters != nil
	s := seen{Format: "alb", Method: event.HTTPMethod, Path: event.Path, Query: event.MultiValueQueryStringParameters, Headers: event.Headers, Body: event.Body, Binary: event.IsBase64Encoded}
	if multi {
		s.Format = "alb-multi"
		s.Headers = make(map[string]string)
		for name, values := range event.MultiValueHeaders {
			if len(values) > 0 {
				s.Headers[name] = values[len(values)-1]
			}
		}
	} else {
		s.Query = make(map[string][]string)
		for name, value := range event.QueryStringParameters {
			s.Query[name] = []string{value}
		}
	}
	a, err := answerFor(s)
	resp := events.ALBTargetGroupResponse{
		StatusCode: a.status, StatusDescription: strconv.Itoa(a.status) + " " + http.StatusText(a.status), Body: a.body, IsBase64Encoded: a.binary,
	}
	if multi {
		resp.MultiValueHeaders = map[string][]string{"Set-Cookie": a.cookies}
		for name, value := range a.headers {
			resp.MultiValueHeaders[name] = []string{value}
		}
	} else {
		// One of the cookies is all that this format can carry.
		a.headers["Set-Cookie"] = a.cookies[0]
		resp.Headers = a.headers
	}
	return resp, err
}

// answer is one of any format.
type answer struct {
	status  int
	headers map[string]string
	cookies []string
	body    string
	binary  bool
}

func answerFor(s seen) (answer, error) {
	a := answer{status: http.StatusOK, headers: map[string]string{"Content-Type": "application/json", "X-Format": s.Format}, cookies: []string{"a=1; Path=/", "b=2"}}
	if status := s.Query["status"]; len(status) > 0 {
		n, err := strconv.Atoi(status[0])
		if err != nil {
			return a, errors.New("the query's status is no number")
		}
		a.status = n
	}
	if len(s.Query["binary"]) > 0 {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		a.body, a.binary = base64.StdEncoding.EncodeToString(all), true
		a.headers["Content-Type"] = "application/octet-stream"
		return a, nil
	}
	body, err := json.Marshal(s)
	a.body = string(body)
	return a, err
}
