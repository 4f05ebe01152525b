package codec

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// plainFloat formats f by the rule for JSON numbers alone.
func plainFloat(f float64, size int) string {
	b, err := json.Marshal(f)
	if size == 32 {
		b, err = json.Marshal(float32(f))
	}
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestAppendFloat(t *testing.T) {
	check := func(f float64) {
		require.Equal(t, plainFloat(f, 64), string(appendFloat(nil, f, 64)))
		if f := float64(float32(f)); !math.IsInf(f, 0) {
			require.Equal(t, plainFloat(f, 32), string(appendFloat(nil, f, 32)))
		}
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 0.29, 1.005, 24.75, 999999.999999, 1e6, 999999.5, 1e-3,
		0.0009999, 1e21, 9.99e20, 1e-6, 9.9e-7, 1e-7, 5e-324, math.MaxFloat64, math.MaxFloat32, 1 << 24, 1<<24 + 1,
		16777.217, 0.123456, 0.1234567, 123456.7, 123456.78} {
		check(f)
		check(-f)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		check(math.Round(r.Float64()*1e8) / 1e2)
		check(math.Round(r.Float64()*1e9) / 1e4)
		check(math.Round(r.Float64()*1e6) / 1e6)
		check(float64(float32(r.Float64() * 100)))
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			check(f)
		}
	}
}

func TestEncodeFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	number := func() string {
		s := strconv.FormatUint(r.Uint64N(1<<(1+r.Uint64N(63))), 10)
		if r.IntN(2) == 0 {
			s += "." + strconv.FormatUint(r.Uint64N(1<<(1+r.Uint64N(40))), 10)
		}
		if r.IntN(3) == 0 {
			s += "e" + strconv.Itoa(r.IntN(80)-40)
		}
		return s
	}
	for range 30_000 {
		s := number()
		d, n := scanNumber([]byte(s))
		require.Equal(t, len(s), n, s)

		want64, err := strconv.ParseFloat(s, 64)
		got64, ok := encodeFloat(protoreflect.DoubleKind, []byte(s), d)
		require.Equal(t, err == nil, ok, s)
		require.Equal(t, math.Float64bits(want64), got64, s)

		want32, err := strconv.ParseFloat(s, 32)
		got32, ok := encodeFloat(protoreflect.FloatKind, []byte(s), d)
		require.Equal(t, err == nil, ok, s)
		if err == nil {
			require.Equal(t, uint64(math.Float32bits(float32(want32))), got32, s)
		}
	}
}

func TestScanNumber(t *testing.T) {
	for _, s := range []string{"", "-", "+1", "01", "-01", ".5", "1.", "1.e2", "1e", "1e+", "1E-", "0x1", "1_0", "1a", "--1", "1.2.3", "NaN"} {
		_, n := scanNumber([]byte(s))
		require.Zero(t, n, "%q", s)
	}
	for _, s := range []string{"0", "-0", "10", "0.5", "1e2", "1E+2", "1.25e-10", "123456789012345678901234567890"} {
		_, n := scanNumber([]byte(s + ","))
		require.Equal(t, len(s), n, "%q", s)
	}
}

func TestInteger(t *testing.T) {
	for _, test := range []struct {
		in       string
		want     uint64
		ok, fits bool
	}{
		{"0", 0, true, true},
		{"-0", 0, true, true},
		{"1.0", 1, true, true},
		{"1e2", 100, true, true},
		{"1.5e1", 15, true, true},
		{"100e-2", 1, true, true},
		{"0.0e99999999999", 0, true, true},
		{"1.5", 0, false, true},
		{"1e-1", 0, false, true},
		{"105e-1", 0, false, true},
		{"18446744073709551615", math.MaxUint64, true, true},
		{"18446744073709551616", 0, true, false},
		{"184467440737095516150e-1", math.MaxUint64, true, true},
		{"1e20", 0, true, false},
		{"1e99999999999", 0, true, false},
		{"100000000000000000000.000e-3", 100000000000000000, true, true},
	} {
		d, n := scanNumber([]byte(test.in))
		require.Equal(t, len(test.in), n, test.in)
		got, ok, fits := integer([]byte(test.in), d)
		require.Equal(t, test.ok, ok, test.in)
		if ok {
			require.Equal(t, test.fits, fits, test.in)
		}
		if ok && fits {
			require.Equal(t, test.want, got, test.in)
		}
	}
}

func TestEncodeInteger(t *testing.T) {
	const minInt32, minInt64 = 1 << 31, 1 << 63
	for _, test := range []struct {
		kind      protoreflect.Kind
		negative  bool
		magnitude uint64
		want      uint64
		ok        bool
	}{
		{protoreflect.Int32Kind, false, math.MaxInt32, math.MaxInt32, true},
		{protoreflect.Int32Kind, false, math.MaxInt32 + 1, 0, false},
		{protoreflect.Int32Kind, true, minInt32, 1<<64 - minInt32, true},
		{protoreflect.Int32Kind, true, minInt32 + 1, 0, false},
		{protoreflect.Sint32Kind, true, 1, 1, true},
		{protoreflect.Sint32Kind, true, minInt32, math.MaxUint32, true},
		{protoreflect.Sfixed32Kind, true, 1, math.MaxUint32, true},
		{protoreflect.Int64Kind, true, minInt64, minInt64, true},
		{protoreflect.Int64Kind, true, minInt64 + 1, 0, false},
		{protoreflect.Int64Kind, false, math.MaxInt64 + 1, 0, false},
		{protoreflect.Sint64Kind, true, minInt64, math.MaxUint64, true},
		{protoreflect.Uint32Kind, false, math.MaxUint32, math.MaxUint32, true},
		{protoreflect.Uint32Kind, false, math.MaxUint32 + 1, 0, false},
		{protoreflect.Uint32Kind, true, 1, 0, false},
		{protoreflect.Uint64Kind, true, 0, 0, true},
		{protoreflect.Fixed64Kind, false, math.MaxUint64, math.MaxUint64, true},
		{protoreflect.EnumKind, true, 1, math.MaxUint64, true},
	} {
		got, ok := encodeInteger(test.kind, test.negative, test.magnitude)
		require.Equal(t, test.ok, ok, "%+v", test)
		if ok {
			require.Equal(t, test.want, got, "%+v", test)
		}
	}
}
