package jq

import (
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

func nameOf(f *gojq.Func) string { return f.Name + "/" + strconv.Itoa(len(f.Args)) }

// function is a call of a function, an argument or a variable.
func (a *analysis) function(s *scope, f *gojq.Func, in value) value {
	if strings.HasPrefix(f.Name, "$") {
		return a.use(s, f.Name)
	}
	if found := s.function(f.Name, len(f.Args)); found != nil {
		if found.body != nil {
			return a.eval(found.in, found.body, in)
		}
		defer a.leave(found.def)
		if !a.enter(found.def) {
			return nothing
		}
		return a.eval(a.call(found, s, in, f.Args), found.def.Body, in)
	}
	if out, ok := a.moving(s, nameOf(f), in, f.Args); ok {
		return out
	}
	switch treat(f) {
	case inspects:
		a.inspect(in)
		return a.arguments(s, f.Args, in)
	case ignores:
		return a.arguments(s, f.Args, in)
	case loops:
		a.inspect(in)
		a.arguments(s, f.Args, in)
		return a.arguments(s, f.Args, computed)
	}
	a.lost = true
	return nothing
}

// arguments looks at what arguments yield.
func (a *analysis) arguments(s *scope, args []*gojq.Query, in value) value {
	for _, arg := range args {
		a.inspect(a.eval(s, arg, in))
	}
	return computed
}

// treatment is how a function treats its input and its arguments.
type treatment int

const (
	_ treatment = iota
	// inspects: the result is made of the input and of what the arguments yield for
	// it, and both are looked at.
	inspects
	// ignores: as inspects, but the input does not matter.
	ignores
	// loops: the arguments are run over anything within the input, or made of it.
	loops
)

// treat is how a function treats its input, zero if nobody knows.
func treat(f *gojq.Func) treatment {
	for _, own := range library {
		switch {
		case own.name != f.Name || len(f.Args) < own.min || len(f.Args) > own.max:
		case own.alone:
			return ignores
		default:
			return inspects
		}
	}
	return treatments[nameOf(f)]
}

// treatments are the functions that look at all they get, by name and number of
// arguments; [analysis.moving] has the others, and [library] tells it of ours. A
// program with a function that is in none of them needs everything.
var treatments = func() map[string]treatment {
	all := map[string]treatment{}
	for how, names := range map[treatment]string{
		inspects: `
			utf8bytelength/0 add/0 toboolean/0 tonumber/0 tostring/0 reverse/0 contains/1 inside/1 indices/1 index/1
			rindex/1 startswith/1 endswith/1 ltrimstr/1 rtrimstr/1 trimstr/1 ltrim/0 rtrim/0 trim/0 explode/0 implode/0
			split/1 split/2 join/1 ascii_downcase/0 ascii_upcase/0 tojson/0 fromjson/0 format/1 flatten/0 flatten/1
			min/0 max/0 sort/0 unique/0 abs/0 from_entries/0 in/1 transpose/0 bsearch/1 combinations/0 combinations/1
			finites/0 normals/0 isfinite/0 isinfinite/0 isnan/0 isnormal/0 paths/0 recurse/0 getpath/1 delpaths/1
			tostream/0 has/1 setpath/2 match/1 match/2 test/1 test/2 capture/1 capture/2 scan/1 scan/2 splits/1 splits/2
			gmtime/0 localtime/0 mktime/0 strftime/1 strflocaltime/1 strptime/1
			fromdateiso8601/0 todateiso8601/0 fromdate/0 todate/0
			sin/0 cos/0 tan/0 asin/0 acos/0 atan/0 sinh/0 cosh/0 tanh/0 asinh/0 acosh/0 atanh/0
			floor/0 round/0 nearbyint/0 rint/0 ceil/0 trunc/0 significand/0 fabs/0 sqrt/0 cbrt/0
			exp/0 exp10/0 exp2/0 expm1/0 frexp/0 modf/0 log/0 log10/0 log1p/0 log2/0 logb/0
			gamma/0 tgamma/0 lgamma/0 erf/0 erfc/0 j0/0 j1/0 y0/0 y1/0`,
		ignores: `
			env/0 builtins/0 now/0 infinite/0 nan/0 range/1 range/2 range/3
			atan2/2 copysign/2 drem/2 fdim/2 fmax/2 fmin/2 fmod/2 hypot/2 jn/2 nextafter/2 nexttoward/2
			remainder/2 ldexp/2 scalb/2 scalbln/2 yn/2 pow/2 fma/3`,
		loops: `
			walk/1 paths/1 path/1 sub/2 sub/3 gsub/2 gsub/3 fromstream/1 truncate_stream/1
			INDEX/1 INDEX/2 JOIN/2 JOIN/3 JOIN/4 IN/1 IN/2`,
	} {
		for name := range strings.FieldsSeq(names) {
			all[name] = how
		}
	}
	return all
}()
