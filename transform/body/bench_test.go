package body_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/itchyny/gojq"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// order is an object of about 2 KB with what orders have: texts, numbers, lists.
func order() []byte {
	var items []string
	for i := range 12 {
		items = append(items, fmt.Sprintf(
			`{"sku":"AB-%04d-XL","name":"Item number %d","quantity":%d,"price":%d.50,"currency":"EUR","tags":["new","sale"],"in_stock":true}`, i, i, i+1, i*3))
	}
	return []byte(`{"id":"ord_01H8XGJWBWBAQ4Z","number":90210,"created_at":"2026-03-01T12:30:00Z","status":"OPEN",` +
		`"customer":{"id":781234,"email":"ada@example.com","name":"Ada Lovelace","address":{"street":"12 St James's Square","city":"London","zip":"SW1Y"}},` +
		`"items":[` + strings.Join(items, ",") + `],"total":1234.50,"note":"Leave it at the door.\nThanks!","paid":false,"discount":null}`)
}

// five are fields as a program picks them.
var five = jq.Paths{Keys: map[string]jq.Paths{
	"id": {All: true}, "status": {All: true}, "total": {All: true}, "created_at": {All: true},
	"customer": {Keys: map[string]jq.Paths{"email": {All: true}}},
}}

func BenchmarkDecode(b *testing.B) {
	data := order()
	run := func(name string, decode func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("whole", func() error {
		_, err := body.Decode(body.JSON, "", data, jq.Paths{All: true}, body.Limits{})
		return err
	})
	run("five", func() error {
		_, err := body.Decode(body.JSON, "", data, five, body.Limits{})
		return err
	})
	run("none", func() error {
		_, err := body.Decode(body.JSON, "", data, jq.Paths{}, body.Limits{})
		return err
	})
	run("std", func() error {
		var v any
		return json.Unmarshal(data, &v)
	})
}

func BenchmarkAppend(b *testing.B) {
	v, err := body.Decode(body.JSON, "", order(), jq.Paths{All: true}, body.Limits{})
	require.NoError(b, err)
	var buf []byte
	run := func(name string, encode func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := encode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("append", func() error {
		buf, _, err = body.Append(buf[:0], body.JSON, "application/json", v, body.Limits{Bytes: 1 << 20})
		return err
	})
	run("gojq", func() error {
		_, err := gojq.Marshal(v)
		return err
	})
	run("std", func() error {
		_, err := json.Marshal(v)
		return err
	})
}

// BenchmarkProgram is what a program over a body costs with everything around it,
// beside the plain way.
func BenchmarkProgram(b *testing.B) {
	const src = `{id, status, total, at: .created_at, email: .customer.email}`
	data := order()
	p, err := jq.Compile(src, jq.Config{Name: "bench", Limits: jq.DefaultLimits})
	require.NoError(b, err)
	query, err := gojq.Parse(src)
	require.NoError(b, err)
	code, err := gojq.Compile(query)
	require.NoError(b, err)
	var buf []byte
	b.Run("parts", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			in, err := body.Decode(body.JSON, "application/json", data, five, body.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			out, err := p.Run(b.Context(), in)
			if err != nil {
				b.Fatal(err)
			}
			if buf, _, err = body.Append(buf[:0], body.JSON, "application/json", out, body.Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var in any
			if err := json.Unmarshal(data, &in); err != nil {
				b.Fatal(err)
			}
			out, _ := code.Run(in).Next()
			if _, err := json.Marshal(out); err != nil {
				b.Fatal(err)
			}
		}
	})
}
