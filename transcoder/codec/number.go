package codec

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// delimits reports whether c may follow a number or a literal. Everything that
// could be part of a longer word may not.
func delimits(c byte) bool {
	return c != '-' && c != '+' && c != '.' && c != '_' &&
		(c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
}

// decimal is a JSON number in parts: -digits × 10^exp.
type decimal struct {
	negative bool
	// whole is set if neither a fraction nor an exponent was written.
	whole bool
	// exact is set if digits has all the digits that were written.
	exact  bool
	digits uint64
	exp    int
}

// scanNumber reads the JSON number at the start of b; n is its length, 0 if
// there is none.
func scanNumber(b []byte) (d decimal, n int) {
	d.exact, d.whole = true, true
	i := 0
	if i < len(b) && b[i] == '-' {
		d.negative = true
		i++
	}
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		d.digits = d.digits*10 + uint64(b[i]-'0')
		i++
	}
	count := i - start
	if count == 0 || count > 1 && b[start] == '0' {
		return d, 0
	}
	if i < len(b) && b[i] == '.' {
		d.whole = false
		i++
		point := i
		for i < len(b) && b[i]-'0' <= 9 {
			d.digits = d.digits*10 + uint64(b[i]-'0')
			i++
		}
		if i == point {
			return d, 0
		}
		d.exp = point - i
		count += i - point
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		d.whole = false
		i++
		minus := false
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			minus = b[i] == '-'
			i++
		}
		exp, first := 0, i
		for i < len(b) && b[i]-'0' <= 9 {
			if exp < 1<<20 {
				exp = exp*10 + int(b[i]-'0')
			}
			i++
		}
		if i == first {
			return d, 0
		}
		if minus {
			exp = -exp
		}
		d.exp += exp
	}
	if i < len(b) && !delimits(b[i]) {
		return d, 0
	}
	// 19 digits always fit; leading zeros of a fraction are not worth counting.
	d.exact = count <= 19
	return d, i
}

// integer is the whole number that a well-formed JSON number spells. ok is
// false if it is none, fits is false if it is one of more than 64 bits.
func integer(number []byte, d decimal) (magnitude uint64, ok, fits bool) {
	if d.whole && d.exact {
		return d.digits, true, true
	}
	// Work on the digits as written, since there may be any number of them:
	// drop zeros at both ends and see where the point is.
	exp := d.exp
	var magn uint64
	significant, trailing := 0, 0
	before, after, point := 0, 0, false // digits around the point
	for _, c := range number {
		if c|0x20 == 'e' {
			break
		}
		if c-'0' > 9 {
			point = point || c == '.'
			continue
		}
		if point {
			after++
		} else if before > 0 || c != '0' {
			before++
		}
		if c == '0' {
			if significant > 0 {
				trailing++
			}
			continue
		}
		for ; trailing > 0; trailing-- {
			if significant++; significant <= 20 {
				magn *= 10
			}
		}
		if significant++; significant <= 20 {
			hi := magn > (math.MaxUint64-uint64(c-'0'))/10
			if hi {
				significant = 21
				continue
			}
			magn = magn*10 + uint64(c-'0')
		}
	}
	if significant == 0 {
		return 0, true, true
	}
	exp += trailing
	if exp < 0 {
		return 0, false, true
	}
	// The referee refuses an exponent that is far larger than it need be.
	if written := d.exp + after; significant+exp > 20 || written >= 0 && before+written > 20 {
		return 0, true, false
	}
	for ; exp > 0; exp-- {
		if magn > math.MaxUint64/10 {
			return 0, true, false
		}
		magn *= 10
	}
	return magn, true, true
}

// encodeInteger is the value on the wire of a number with a kind of integer;
// ok is false if it does not fit.
func encodeInteger(kind protoreflect.Kind, negative bool, magnitude uint64) (v uint64, ok bool) {
	switch kind {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return magnitude, magnitude <= math.MaxUint32 && (!negative || magnitude == 0)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return magnitude, !negative || magnitude == 0
	}
	limit := uint64(math.MaxInt64)
	small := kind == protoreflect.Int32Kind || kind == protoreflect.Sint32Kind ||
		kind == protoreflect.Sfixed32Kind || kind == protoreflect.EnumKind
	if small {
		limit = math.MaxInt32
	}
	n := int64(magnitude)
	if negative {
		limit++
		n = -n
	}
	if magnitude > limit {
		return 0, false
	}
	switch kind {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return protowire.EncodeZigZag(n), true
	case protoreflect.Sfixed32Kind:
		return uint64(uint32(n)), true
	}
	return uint64(n), true
}

var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// encodeFloat is the value on the wire of a well-formed JSON number with a
// kind of float; ok is false if it is out of range.
func encodeFloat(kind protoreflect.Kind, number []byte, d decimal) (v uint64, ok bool) {
	// If digits and power of ten are both exact as floats, one operation gives
	// the correctly rounded result.
	if kind == protoreflect.DoubleKind {
		var f float64
		switch {
		case d.exact && d.digits < 1<<53 && -22 <= d.exp && d.exp <= 22:
			f = float64(d.digits)
			if d.exp < 0 {
				f /= pow10[-d.exp]
			} else {
				f *= pow10[d.exp]
			}
			if d.negative {
				f = -f
			}
		default:
			var err error
			if f, err = strconv.ParseFloat(text(number), 64); err != nil {
				return 0, false
			}
		}
		return math.Float64bits(f), true
	}
	var f float32
	switch {
	case d.exact && d.digits < 1<<24 && -10 <= d.exp && d.exp <= 10:
		f = float32(d.digits)
		if d.exp < 0 {
			f /= float32(pow10[-d.exp])
		} else {
			f *= float32(pow10[d.exp])
		}
		if d.negative {
			f = -f
		}
	default:
		wide, err := strconv.ParseFloat(text(number), 32)
		if err != nil {
			return 0, false
		}
		f = float32(wide)
	}
	return uint64(math.Float32bits(f)), true
}

// namedFloat is the value on the wire of a number that has a name only.
func namedFloat(kind protoreflect.Kind, name []byte) (v uint64, ok bool) {
	var f float64
	switch string(name) {
	case "NaN":
		f = math.NaN()
	case "Infinity":
		f = math.Inf(1)
	case "-Infinity":
		f = math.Inf(-1)
	default:
		return 0, false
	}
	if kind == protoreflect.FloatKind {
		return uint64(math.Float32bits(float32(f))), true
	}
	return math.Float64bits(f), true
}

// appendFloat appends f, which is finite, in the shortest form that reads back
// as f.
func appendFloat(dst []byte, f float64, size int) []byte {
	abs := math.Abs(f)
	if abs < 1e6 && (abs >= 1e-3 || abs == 0 && !math.Signbit(f)) {
		// Few digits: if dividing by the power of ten gives back f, these are
		// its digits, and at this length no others would be.
		limit := 1e15
		if size == 32 {
			limit = 1e6
		}
		for _, scale := range [...]int{0, 2, 4, 6} {
			scaled := math.Floor(abs*pow10[scale] + 0.5)
			if scaled >= limit {
				break
			}
			back := scaled / pow10[scale]
			if size == 32 {
				back = float64(float32(back))
			}
			if back == abs {
				return appendScaled(dst, f < 0, uint64(scaled), scale)
			}
		}
	}
	format := byte('f')
	if abs != 0 && (size == 64 && (abs < 1e-6 || abs >= 1e21) ||
		size == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21)) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, size)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-07 → e-7
		dst = dst[:n-1]
	}
	return dst
}

// appendScaled appends digits × 10^-scale.
func appendScaled(dst []byte, negative bool, digits uint64, scale int) []byte {
	if negative {
		dst = append(dst, '-')
	}
	for scale > 0 && digits%10 == 0 {
		digits /= 10
		scale--
	}
	if scale == 0 {
		return strconv.AppendUint(dst, digits, 10)
	}
	unit := uint64(pow10[scale])
	dst = strconv.AppendUint(dst, digits/unit, 10)
	dst = append(dst, '.')
	for fraction := digits % unit; scale > 0; scale-- {
		unit /= 10
		dst = append(dst, '0'+byte(fraction/unit))
		fraction %= unit
	}
	return dst
}
