package lambda

import (
	"cmp"
	"fmt"

	"github.com/dragoman-gateway/dragoman/upstream"
)

// Describe says which function a request calls, and how.
func (u *Upstream) Describe(about *upstream.About) []string {
	c, err := u.call(about)
	if err != nil {
		return []string{"call nothing: " + err.Error()}
	}
	name := c.function
	if c.qualifier != "" {
		name += ":" + c.qualifier
	}
	how := map[invocation]string{
		wait:   "wait for what it returns",
		async:  "answer 202 as soon as AWS has the event",
		stream: "pass on what it streams",
		dryRun: "answer 204 if it could be called",
	}[c.invocation]
	return []string{fmt.Sprintf("call function %s in %s with an event of form %v, and %s", name, cmp.Or(c.region, u.region), c.format, how)}
}
