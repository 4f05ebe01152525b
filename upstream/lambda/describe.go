package lambda

import (
	"cmp"
	"fmt"

	"github.com/dragoman-gateway/dragoman/upstream"
)

var _ upstream.Describer = (*function)(nil)

// Describe implements [upstream.Describer]: which function a request calls, and how.
func (f *function) Describe() []string {
	how := map[invocation]string{
		wait:   "wait for what it returns",
		async:  "answer 202 as soon as AWS has the event",
		stream: "pass on what it streams",
		dryRun: "answer 204 if it could be called",
	}[f.invocation]
	return []string{fmt.Sprintf("call function %s in %s with an event of form %v, and %s", f.name(), cmp.Or(f.region, f.up.region), f.format, how)}
}
