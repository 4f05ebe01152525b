package event

import (
	"net"
	"strconv"
	"strings"
	"time"
)

// clock is how API Gateway writes the time of a request.
const clock = "02/Jan/2006:15:04:05 -0700"

func (w *writer) http() {
	w.text(`{"httpMethod":`, w.Method)
	w.text(`,"path":`, w.Path)
	w.text(`,"queryString":`, w.RawQuery)
	w.last(`,"queryStringParameters":`, &w.query)
	w.all(`,"multiValueQueryStringParameters":`, &w.query)
	w.last(`,"headers":`, &w.headers)
	w.all(`,"multiValueHeaders":`, &w.headers)
	w.body(`""`)
	w.raw(`}`)
}

func (w *writer) v1() {
	resource := w.Resource
	if resource == "" {
		resource = "/{proxy+}"
	}
	w.text(`{"version":"1.0","resource":`, resource)
	w.text(`,"path":`, w.Path)
	w.text(`,"httpMethod":`, w.Method)
	w.last(`,"headers":`, &w.headers)
	w.all(`,"multiValueHeaders":`, &w.headers)
	w.last(`,"queryStringParameters":`, &w.query)
	w.all(`,"multiValueQueryStringParameters":`, &w.query)
	w.raw(`,"pathParameters":`)
	w.vars()
	w.raw(`,"stageVariables":null,"requestContext":{"accountId":"","apiId":""`)
	w.domain()
	w.text(`,"extendedRequestId":`, w.RequestID)
	w.text(`,"httpMethod":`, w.Method)
	w.text(`,"identity":{"accessKey":null,"accountId":null,"apiKey":null,"apiKeyId":null,"caller":null,`+
		`"cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,"cognitoIdentityId":null,`+
		`"cognitoIdentityPoolId":null,"principalOrgId":null,"sourceIp":`, w.Client)
	w.text(`,"user":null,"userAgent":`, w.Header.Get("User-Agent"))
	w.text(`,"userArn":null},"path":`, w.Path)
	w.text(`,"protocol":`, w.protocol())
	w.text(`,"requestId":`, w.RequestID)
	w.time(`,"requestTime":"`)
	w.text(`,"resourceId":"","resourcePath":`, resource)
	w.text(`,"stage":`, w.stage())
	w.raw(`}`)
	w.body(`null`)
	w.raw(`}`)
}

func (w *writer) v2() {
	w.raw(`{"version":"2.0","routeKey":`)
	w.routeKey()
	w.text(`,"rawPath":`, w.Path)
	w.text(`,"rawQueryString":`, w.RawQuery)
	w.cookies(`,"cookies":[`)
	w.joined(`,"headers":`, &w.headers)
	if len(w.query.list) > 0 {
		w.joined(`,"queryStringParameters":`, &w.query)
	}
	if len(w.Vars) > 0 {
		w.raw(`,"pathParameters":`)
		w.vars()
	}
	w.raw(`,"requestContext":{"accountId":"","apiId":""`)
	w.domain()
	w.text(`,"http":{"method":`, w.Method)
	w.text(`,"path":`, w.Path)
	w.text(`,"protocol":`, w.protocol())
	w.text(`,"sourceIp":`, w.Client)
	w.text(`,"userAgent":`, w.Header.Get("User-Agent"))
	w.text(`},"requestId":`, w.RequestID)
	w.raw(`,"routeKey":`)
	w.routeKey()
	w.text(`,"stage":`, w.stage())
	w.time(`,"time":"`)
	w.raw(`}`)
	w.body("")
	w.raw(`}`)
}

func (w *writer) alb(multi bool) {
	w.text(`{"requestContext":{"elb":{"targetGroupArn":""}},"httpMethod":`, w.Method)
	w.text(`,"path":`, w.Path)
	if multi {
		w.all(`,"multiValueQueryStringParameters":`, &w.query)
		w.all(`,"multiValueHeaders":`, &w.headers)
	} else {
		w.last(`,"queryStringParameters":`, &w.query)
		w.last(`,"headers":`, &w.headers)
	}
	w.body(`""`)
	w.raw(`}`)
}

// domain writes domainName and domainPrefix.
func (w *writer) domain() {
	name := w.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	prefix, _, _ := strings.Cut(name, ".")
	w.text(`,"domainName":`, name)
	w.text(`,"domainPrefix":`, prefix)
}

// time writes the time as text, for which before has the opening quote, and in
// milliseconds, under the same name with Epoch.
func (w *writer) time(before string) {
	at := w.Time.In(time.UTC)
	w.raw(before)
	w.dst = at.AppendFormat(w.dst, clock)
	w.raw(`"`)
	w.raw(before[:len(before)-len(`":"`)])
	w.raw(`Epoch":`)
	w.dst = strconv.AppendInt(w.dst, at.UnixMilli(), 10)
}

// routeKey writes "GET /v1/books/{id}".
func (w *writer) routeKey() {
	if w.Resource == "" {
		w.raw(`"$default"`)
		return
	}
	w.raw(`"`)
	w.dst = appendEscaped(w.dst, w.Method)
	w.raw(` `)
	w.dst = appendEscaped(w.dst, w.Resource)
	w.raw(`"`)
}

func (w *writer) stage() string {
	if w.Stage == "" {
		return "$default"
	}
	return w.Stage
}

func (w *writer) protocol() string {
	if w.Protocol == "" {
		return "HTTP/1.1"
	}
	return w.Protocol
}

// vars writes the path's variables. A route that has no
// template has the whole path as proxy, unless that is only a slash.
func (w *writer) vars() {
	proxy := ""
	if w.Resource == "" {
		proxy = strings.TrimPrefix(w.Path, "/")
	}
	if len(w.Vars) == 0 && proxy == "" {
		w.raw(w.none)
		return
	}
	before := `{`
	for _, v := range w.Vars {
		if v.Name == "proxy" {
			proxy = ""
		}
		w.text(before, v.Name)
		w.text(`:`, v.Text)
		before = `,`
	}
	if proxy != "" {
		w.raw(before)
		w.text(`"proxy":`, unescapePath(proxy))
	}
	w.raw(`}`)
}
