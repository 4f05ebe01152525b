package rest

import (
	"strconv"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// answerStages are what a message of the upstream goes through before it is
// rendered.
func (l *rule) answerStages(want *plan.Want) []string {
	if want.Mask == nil {
		return nil
	}
	return []string{"cut the answer to the fields that are asked for"}
}

// answers are what becomes of a message once it is there.
func (u *unary) answers() []string {
	stages := []string{"render the message as JSON"}
	if p := u.response; p != nil {
		if p.location != nil {
			stages = append(stages, "make Location of the message")
		}
		if p.tag != nil {
			stages = append(stages, "give an answer 200 to GET its ETag, and answer 304 to who has it")
		}
	}
	return append(stages, "answer "+u.statuses())
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
