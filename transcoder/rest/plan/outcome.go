package plan

// Outcome is what a request says beside its message: what its answer should look
// like, and what of it was left out. [Plan.Bind] fills it, as far as it comes if
// the request is refused.
type Outcome struct {
	// IntEnums asks for an answer with enums as numbers.
	IntEnums bool
	// Errors is the form of errors that was asked for.
	Errors ErrorForm
	// HasFields says that the answer should have some fields only, Fields which:
	// the decoded value of fields or $fields, not parsed, and valid UTF-8.
	HasFields bool
	Fields    []byte
	// Ignored names what was left out and must be reported, as the value of one
	// header: query.foo, body.bar.baz. It is empty if there was nothing, and at
	// most [MaxIgnored] bytes long; an ellipsis in dots ends a longer list.
	Ignored []byte
	full    bool // the list has ended early
	// Captured has the query parameters that the message does not have, as they
	// came, with & between them; what is not printable ASCII is percent-encoded.
	Captured []byte
}

// ErrorForm is a JSON form of errors that a request can ask for.
type ErrorForm uint8

const (
	// AnyErrors is none in particular.
	AnyErrors ErrorForm = iota
	// GoogleErrors is the form of AIP-193, $.xgafv=1.
	GoogleErrors
	// StatusErrors is google.rpc.Status, $.xgafv=2.
	StatusErrors
)

// MaxIgnored bounds [Outcome.Ignored].
const MaxIgnored = 1 << 10

// reset forgets all, but keeps the memory.
func (o *Outcome) reset() {
	*o = Outcome{Fields: o.Fields[:0], Ignored: o.Ignored[:0], Captured: o.Captured[:0]}
}

// Begin forgets what s knows of the last request, and looks in the query of the
// next for the form of errors that it asks for, so that even an error before
// [Plan.Bind] has it. Bind does the same once more.
func (p *Plan) Begin(rawQuery string, s *Scratch) {
	s.Outcome.reset()
	s.trim()
	s.filled = false
	if p.options.ErrorFormat {
		p.findErrorForm(rawQuery, s)
	}
}
