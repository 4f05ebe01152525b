// Package event is what AWS Lambda functions are called with and answer with, when
// what calls them stands for HTTP: [Append] writes a request as an event, [Unwrap]
// reads an answer, and a [Stream] reads one that comes in parts.
//
// The package is pure: bytes and plain structs in and out, and nothing of AWS. The
// formats are those that AWS documents: the REST APIs of API Gateway (payload format
// 1.0), its HTTP APIs and function URLs (2.0), and Application Load Balancers, so that
// a function that was written for one of them need not know that a gateway has taken
// its place. What only AWS can know is an empty string where its types have one
// (accountId, apiId, the ARN of a target group), and is left out elsewhere.
//
// The package is complete, but for the answers of authorizers and WebSocket APIs, which
// are no HTTP exchanges.
package event

import (
	"net/http"
	"time"
)

// Format is how a request is written and an answer read.
type Format uint8

// The formats. The zero value is Raw.
const (
	// Raw is the body, which must be JSON, and the answer as it is.
	Raw Format = iota
	// HTTP is a plain object with what a request is made of, and no more: httpMethod,
	// path, queryString, queryStringParameters, multiValueQueryStringParameters, headers,
	// multiValueHeaders, body, isBase64Encoded.
	HTTP
	// APIGatewayV1 is the event of a REST API of API Gateway.
	APIGatewayV1
	// APIGatewayV2 is the event of an HTTP API of API Gateway, and of a function URL.
	APIGatewayV2
	// ALB is the event of an Application Load Balancer: of several headers or parameters
	// of one name it has the last.
	ALB
	// ALBMulti is the event of an Application Load Balancer whose target group has
	// multi-value headers on.
	ALBMulti
)

// String is the name of the format in configurations: api_gateway_v2.
func (f Format) String() string {
	switch f {
	case Raw:
		return "raw"
	case HTTP:
		return "http"
	case APIGatewayV1:
		return "api_gateway_v1"
	case APIGatewayV2:
		return "api_gateway_v2"
	case ALB:
		return "alb"
	case ALBMulti:
		return "alb_multi"
	}
	return "unknown"
}

// Request is an HTTP request of which an event is made. Nothing of it is changed or
// kept.
type Request struct {
	Method string
	// Path is as the client sent it: it begins with a slash, and is escaped.
	Path string
	// RawQuery is what follows the question mark, escaped.
	RawQuery string
	// Scheme is http or https; empty if it is not known.
	Scheme string
	// Host is what the client asked for, perhaps with a port. It takes the place of a
	// Host in Header.
	Host string
	// Protocol is what the events call the protocol; empty is HTTP/1.1.
	Protocol string
	// Header has the header fields that the function is to see. A Content-Length is
	// replaced by the length of Body.
	Header http.Header
	Body   []byte
	// Resource is the route's path as a template, /v1/books/{id}; empty if it is none:
	// then events say what AWS says of a route for everything, /{proxy+} or $default.
	Resource string
	// Vars are what the variables of Resource stand for.
	Vars []Var
	// Client is the address of the client, without a port.
	Client string
	// RequestID is unique for the request.
	RequestID string
	// Time is when the request came.
	Time time.Time
	// Stage is the name of the stage; empty is $default.
	Stage string
}

// Var is a variable of a path, and its text, decoded.
type Var struct{ Name, Text string }

// Response is an HTTP answer.
type Response struct {
	// Status is from 200 to 599.
	Status int
	// Header has neither framing nor hop-by-hop fields: no Content-Length.
	Header http.Header
	// Body may be a part of the payload that it was read from.
	Body []byte
}
