package plan

import "strconv"

// Shape is the JSON form of an error. Whatever the shape, the details come last,
// so that an error is written in one pass.
type Shape uint8

const (
	// ShapeStatus is google.rpc.Status:
	//
	//	{"code":5,"message":"no such shelf","details":[]}
	ShapeStatus Shape = iota
	// ShapeGoogle is that of Google's APIs (AIP-193), whose code is the HTTP status:
	//
	//	{"error":{"code":404,"message":"no such shelf","status":"NOT_FOUND","details":[]}}
	ShapeGoogle
	// ShapeProblem is problem details (RFC 9457), with the gRPC code, the reason of
	// an ErrorInfo, the violations of a BadRequest and the details as extensions:
	//
	//	{"type":"about:blank","title":"Not Found","status":404,"detail":"no such shelf","code":"NOT_FOUND","details":[]}
	ShapeProblem
)

// Fault is an error in the words that the shapes share.
type Fault struct {
	// Code is the gRPC code; one that gRPC does not have is UNKNOWN.
	Code    uint32
	Message string
	// HTTP is the status of the answer, Title its phrase; empty if it has none.
	HTTP  int
	Title string
	// Reason is that of the ErrorInfo, Help the address of the first link of the
	// google.rpc.Help; empty if there is none.
	Reason, Help string
	Violations   []Violation
}

// Violation is one wrong field of a request. Reason is the rule that it breaks,
// empty if there is none in particular.
type Violation struct{ Field, Description, Reason string }

// codeNames are the names of google.rpc.Code.
var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// AppendHead appends the error up to its first detail, [Shape.AppendTail] what
// follows the last one. Between them go details as JSON, separated by commas.
func (f *Fault) AppendHead(dst []byte, shape Shape) []byte {
	code := f.Code
	if code > highestCode {
		code = codeUnknown
	}
	switch shape {
	case ShapeGoogle:
		dst = append(dst, `{"error":{"code":`...)
		dst = strconv.AppendInt(dst, int64(f.HTTP), 10)
		dst = append(dst, `,"message":`...)
		dst = AppendString(dst, f.Message)
		dst = append(dst, `,"status":"`...)
		dst = append(dst, codeNames[code]...)
		dst = append(dst, '"')
	case ShapeProblem:
		dst = f.appendProblem(dst, codeNames[code])
	default:
		dst = append(dst, `{"code":`...)
		dst = strconv.AppendUint(dst, uint64(code), 10)
		dst = append(dst, `,"message":`...)
		dst = AppendString(dst, f.Message)
	}
	return append(dst, `,"details":[`...)
}

func (f *Fault) appendProblem(dst []byte, code string) []byte {
	dst = append(dst, `{"type":`...)
	if f.Help != "" {
		dst = AppendString(dst, f.Help)
	} else {
		dst = append(dst, `"about:blank"`...)
	}
	if f.Title != "" {
		dst = append(dst, `,"title":`...)
		dst = AppendString(dst, f.Title)
	}
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(f.HTTP), 10)
	dst = append(dst, `,"detail":`...)
	dst = AppendString(dst, f.Message)
	dst = append(dst, `,"code":"`...)
	dst = append(dst, code...)
	dst = append(dst, '"')
	if f.Reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = AppendString(dst, f.Reason)
	}
	if len(f.Violations) > 0 {
		dst = append(dst, `,"errors":[`...)
		for i, v := range f.Violations {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"field":`...)
			dst = AppendString(dst, v.Field)
			dst = append(dst, `,"detail":`...)
			dst = AppendString(dst, v.Description)
			if v.Reason != "" {
				dst = append(dst, `,"reason":`...)
				dst = AppendString(dst, v.Reason)
			}
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return dst
}

// AppendTail appends what follows the details.
func (shape Shape) AppendTail(dst []byte) []byte {
	if shape == ShapeGoogle {
		return append(dst, "]}}"...)
	}
	return append(dst, "]}"...)
}

// AppendElement appends an error as the element that ends an array which breaks
// off: {"error":{…}}, in any shape. fault is the error in its shape.
func (shape Shape) AppendElement(dst, fault []byte) []byte {
	if shape == ShapeGoogle {
		return append(dst, fault...)
	}
	dst = append(dst, `{"error":`...)
	dst = append(dst, fault...)
	return append(dst, '}')
}
