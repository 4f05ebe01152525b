package codec_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// BenchmarkForms prints the samples in other JSON forms. BenchmarkWireToJSON has
// the usual one.
func BenchmarkForms(b *testing.B) {
	for _, s := range samples(b) {
		for _, form := range []struct {
			name  string
			print codec.Print
		}{
			{"usual", codec.Print{}},
			{"enums", codec.Print{EnumsAsNumbers: true}},
			{"unset", codec.Print{UnsetFields: true}},
			{"names", codec.Print{ProtoNames: true}},
			{"all", codec.Print{EnumsAsNumbers: true, UnsetFields: true, ProtoNames: true}},
		} {
			c, err := codec.NewPrinting(benchFiles{s.md.ParentFile()}, form.print)
			require.NoError(b, err)
			m := c.Message(s.md.FullName())
			scratch, buf := &codec.Scratch{}, make([]byte, 0, 1<<20)
			text, err := m.AppendJSON(nil, s.wire, scratch)
			require.NoError(b, err)
			measure(b, s.name+"/"+form.name, len(text), func() error {
				_, err := m.AppendJSON(buf, s.wire, scratch)
				return err
			})
		}
	}
}

// BenchmarkIndented makes the samples' JSON pretty.
func BenchmarkIndented(b *testing.B) {
	for _, s := range samples(b) {
		text, err := s.codec.AppendJSON(nil, s.wire, &codec.Scratch{})
		require.NoError(b, err)
		buf := make([]byte, 0, codec.IndentedLen(text))
		measure(b, s.name, len(text), func() error {
			codec.AppendIndented(buf, text)
			return nil
		})
	}
}

// BenchmarkParseOptions reads the samples with every option on: as they are, and
// with an unknown field at the end, which is ignored and listed.
func BenchmarkParseOptions(b *testing.B) {
	for _, s := range samples(b) {
		unknown := append(bytes.TrimSuffix(bytes.Clone(s.text), []byte("}")), `,"unknownField":{"a":[1,2,3]}}`...)
		for _, test := range []struct {
			name  string
			text  []byte
			parse codec.Parse
		}{
			{"off", s.text, codec.Parse{}},
			{"on", s.text, codec.Parse{IgnoreUnknown: true, Record: true, FoldEnums: true, BoundWins: true}},
			{"ignored", unknown, codec.Parse{IgnoreUnknown: true}},
			{"listed", unknown, codec.Parse{IgnoreUnknown: true, Record: true}},
		} {
			scratch, buf := &codec.Scratch{Parse: test.parse}, make([]byte, 0, 1<<20)
			measure(b, s.name+"/"+test.name, len(test.text), func() error {
				_, err := s.codec.AppendWire(buf, test.text, scratch, nil)
				return err
			})
		}
	}
}
