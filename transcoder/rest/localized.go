package rest

import (
	"strings"

	"golang.org/x/text/language"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// The most of an Accept-Language header that is looked at. A longer one is as if
// it were not there: no person wrote it.
const (
	maxAcceptBytes = 1 << 10
	maxAcceptTags  = 16
)

// localized is the message in the language that fits best to the values of
// Accept-Language, the zero one if none fits.
func localized(messages []plan.Localized, accept []string) plan.Localized {
	header := strings.Join(accept, ",")
	if header == "" || len(header) > maxAcceptBytes || strings.Count(header, ",") >= maxAcceptTags {
		return plan.Localized{}
	}
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(wanted) == 0 {
		return plan.Localized{}
	}
	var have []language.Tag
	var which []int
	for i, m := range messages {
		// One that is not a language could not be Content-Language either.
		if tag, err := language.Parse(m.Locale); err == nil && tag != language.Und {
			have, which = append(have, tag), append(which, i)
		}
	}
	if len(have) == 0 {
		return plan.Localized{}
	}
	_, i, confidence := language.NewMatcher(have).Match(wanted...)
	if confidence < language.High {
		// At best a language that many who speak the wanted one understand.
		return plan.Localized{}
	}
	best := messages[which[i]]
	best.Locale = have[i].String()
	return best
}
