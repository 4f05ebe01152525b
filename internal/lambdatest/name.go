package lambdatest

import (
	"regexp"
	"strings"
)

// name is what a function is known by.
type name struct{ account, function string }

// namePattern is that of the API reference: a name, a partial or a full ARN,
// each with a qualifier or not.
var namePattern = regexp.MustCompile(`^(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?$`)

// target is the function that a request names.
type target struct {
	name
	// qualifier is a version or an alias, empty if there is none.
	qualifier string
}

// parseTarget reads the name in a path together with the Qualifier of the query.
func (s *Service) parseTarget(text, qualifier string) (target, *apiError) {
	m := namePattern.FindStringSubmatch(text)
	if m == nil || len(text) > 170 {
		return target{}, invalid(typeValidation, "1 validation error detected: Value '"+text+"' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "+namePattern.String())
	}
	region, account := strings.TrimSuffix(m[3], ":"), strings.TrimSuffix(m[8], ":")
	t := target{name: name{account: or(account, s.account), function: m[10]}, qualifier: m[12]}
	if region != "" && region != s.Region {
		return t, &apiError{status: 404, kind: typeNotFound, message: "Functions from '" + region + "' are not reachable in this region ('" + s.Region + "')", capital: true}
	}
	if t.qualifier == "" {
		t.qualifier = qualifier
	} else if qualifier != "" && qualifier != t.qualifier {
		return t, invalid(typeInvalidParameter, "The derived qualifier from the function name does not match the specified qualifier.")
	}
	return t, nil
}

// arn is the name in full, with the qualifier if there is one.
func (s *Service) arn(t target) string {
	arn := "arn:aws:lambda:" + s.Region + ":" + t.account + ":function:" + t.function
	if t.qualifier != "" {
		arn += ":" + t.qualifier
	}
	return arn
}

// find resolves a target to a function and one of its versions.
func (s *Service) find(t target) (*function, string, *apiError) {
	fn := s.functions[t.name]
	if fn == nil {
		return nil, "", s.notFound(t)
	}
	version := t.qualifier
	if alias, ok := fn.Aliases[version]; ok {
		version = alias
	}
	version = or(version, latest)
	if fn.pools[version] == nil {
		return nil, "", s.notFound(t)
	}
	return fn, version, nil
}

func (s *Service) notFound(t target) *apiError {
	return &apiError{status: 404, kind: typeNotFound, message: "Function not found: " + s.arn(t), capital: true}
}
