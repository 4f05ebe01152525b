package plan

import (
	"bytes"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Details are what the details of a google.rpc.Status tell a gateway, beside
// what they tell its client.
type Details struct {
	// Reason is that of the first google.rpc.ErrorInfo, Help the address of the
	// first link of a google.rpc.Help.
	Reason, Help string
	// Violations are those of every google.rpc.BadRequest.
	Violations []Violation
	// Retry says that there is a google.rpc.RetryInfo with a delay, RetryDelay is
	// how long that is; a negative one is zero.
	Retry      bool
	RetryDelay time.Duration
	// Localized are the messages of each google.rpc.LocalizedMessage, at most
	// [maxLocalized].
	Localized []Localized
}

// Localized is a message in the language of a locale: de-CH.
type Localized struct{ Locale, Message string }

// maxLocalized bounds among how many messages a language is chosen: choosing
// costs more than reading.
const maxLocalized = 64

// ReadDetails reads the serialized google.rpc.Status of grpc-status-details-bin.
// What is broken, or of another type, is passed over.
func ReadDetails(status []byte) Details {
	var d Details
	if _, ok := parseStatus(status); !ok {
		return d
	}
	each(status, func(number protowire.Number, value []byte, _ uint64) {
		if number != statusDetails {
			return
		}
		url, body, ok := parseAny(value)
		if !ok {
			return
		}
		name := url[bytes.LastIndexByte(url, '/')+1:]
		const namespace = "google.rpc."
		if !bytes.HasPrefix(name, []byte(namespace)) {
			return
		}
		switch string(name[len(namespace):]) {
		case "ErrorInfo":
			if reason := text(body, 1); d.Reason == "" {
				d.Reason = reason
			}
		case "Help":
			each(body, func(number protowire.Number, link []byte, _ uint64) {
				if number == 1 && d.Help == "" {
					d.Help = text(link, 2)
				}
			})
		case "BadRequest":
			each(body, func(number protowire.Number, v []byte, _ uint64) {
				if number == 1 {
					d.Violations = append(d.Violations, Violation{Field: text(v, 1), Description: text(v, 2), Reason: text(v, 3)})
				}
			})
		case "RetryInfo":
			d.readRetry(body)
		case "LocalizedMessage":
			if len(d.Localized) < maxLocalized {
				d.Localized = append(d.Localized, Localized{Locale: text(body, 1), Message: text(body, 2)})
			}
		}
	})
	return d
}

func (d *Details) readRetry(info []byte) {
	each(info, func(number protowire.Number, duration []byte, _ uint64) {
		if number != 1 {
			return
		}
		var seconds, nanos int64
		each(duration, func(number protowire.Number, _ []byte, v uint64) {
			switch number {
			case 1:
				seconds = int64(v)
			case 2:
				nanos = int64(int32(v))
			}
		})
		// What does not fit a time.Duration, with the nanoseconds and rounded up, is
		// as good as for ever.
		const most = int64(math.MaxInt64/time.Second) - 2
		nanos = min(max(nanos, -999_999_999), 999_999_999)
		delay := time.Duration(min(max(seconds, -most), most))*time.Second + time.Duration(nanos)
		d.Retry, d.RetryDelay = true, max(delay, 0)
	})
}

// text is the last value of a string field of a serialized message.
func text(wire []byte, field protowire.Number) (out string) {
	each(wire, func(number protowire.Number, value []byte, _ uint64) {
		if number == field && value != nil {
			out = string(value)
		}
	})
	return out
}

// each calls f for every field of a serialized message that is a varint or has a
// length, up to where the message is broken. value is nil for varints.
func each(wire []byte, f func(number protowire.Number, value []byte, v uint64)) {
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return
		}
		wire = wire[n:]
		switch kind {
		case protowire.VarintType:
			var v uint64
			if v, n = protowire.ConsumeVarint(wire); n >= 0 {
				f(number, nil, v)
			}
		case protowire.BytesType:
			var value []byte
			if value, n = protowire.ConsumeBytes(wire); n >= 0 {
				f(number, value, 0)
			}
		default:
			n = protowire.ConsumeFieldValue(number, kind, wire)
		}
		if n < 0 {
			return
		}
		wire = wire[n:]
	}
}
