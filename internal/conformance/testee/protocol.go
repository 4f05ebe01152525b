package main

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The numbers below are those of conformance/conformance.proto, which comes with
// the runner. Its handful of fields is read and written here by hand, so that the
// testee needs no generated code.

// The members of ConformanceRequest.payload that the testee knows.
const (
	wirePayload = protowire.Number(1)
	jsonPayload = protowire.Number(2)
)

// The values of WireFormat that the testee knows.
const (
	wireFormat = 1
	jsonFormat = 2
)

// ignoreUnknown is the test category that wants unknown JSON fields ignored.
const ignoreUnknown = 3

// The members of ConformanceResponse.result.
const (
	parseError     = protowire.Number(1)
	runtimeError   = protowire.Number(2)
	wireResult     = protowire.Number(3)
	jsonResult     = protowire.Number(4)
	skipped        = protowire.Number(5)
	serializeError = protowire.Number(6)
)

// request is one ConformanceRequest.
type request struct {
	payload  protowire.Number
	data     []byte
	output   uint64
	message  protoreflect.FullName
	category uint64
}

func parseRequest(b []byte) (request, error) {
	var req request
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return req, fmt.Errorf("malformed request: %w", protowire.ParseError(n))
		}
		b = b[n:]
		var data []byte
		var v uint64
		switch typ {
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return req, fmt.Errorf("malformed request: field %d: %w", num, protowire.ParseError(n))
		}
		b = b[n:]
		switch num {
		case wirePayload, jsonPayload:
			req.payload, req.data = num, data
		case 3:
			req.output = v
		case 4:
			req.message = protoreflect.FullName(data)
		case 5:
			req.category = v
		}
	}
	return req, nil
}

// response is one ConformanceResponse: the member that is set, and its bytes.
type response struct {
	member protowire.Number
	data   []byte
}

func (r response) serialize() []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, r.member, protowire.BytesType), r.data)
}
