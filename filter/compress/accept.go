package compress

import "strings"

// choose is the coding that the client likes best, and of several the one that
// the filter likes best; nil if it likes none, or prefers none. forced says that
// the client does not take an answer that is not encoded.
func (f *compression) choose(accept []string) (best *coding, forced bool) {
	if len(accept) == 0 {
		return nil, false
	}
	any, anyListed := quality(accept, "*", "*")
	most := 0
	for _, c := range f.codings {
		q, listed := quality(accept, c.name, c.alias)
		if !listed {
			q = any
		}
		if q > most {
			best, most = c, q
		}
	}
	identity, listed := quality(accept, "identity", "identity")
	if listed && identity > most {
		return nil, false
	}
	// Without a word about it, identity is always taken.
	return best, listed && identity == 0 || !listed && anyListed && any == 0
}

// quality is what an Accept-Encoding header says of a coding that has two names,
// in thousandths. Elements that are not well formed count for nothing.
func quality(accept []string, name, alias string) (q int, listed bool) {
	for _, line := range accept {
		for element := range strings.SplitSeq(line, ",") {
			coding, parameter, weighted := strings.Cut(element, ";")
			coding = strings.Trim(coding, " \t")
			if !strings.EqualFold(coding, name) && !strings.EqualFold(coding, alias) {
				continue
			}
			if !weighted {
				return 1000, true
			}
			if q, ok := weight(strings.Trim(parameter, " \t")); ok {
				return q, true
			}
		}
	}
	return 0, false
}

// weight reads q=0.5 as 500 (RFC 9110, 12.4.2).
func weight(s string) (int, bool) {
	if len(s) < 3 || len(s) > len("q=0.000") || s[0]|0x20 != 'q' || s[1] != '=' || s[2] != '0' && s[2] != '1' {
		return 0, false
	}
	q, unit := int(s[2]-'0')*1000, 100
	if len(s) > 3 && s[3] != '.' {
		return 0, false
	}
	for i := 4; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		q += int(s[i]-'0') * unit
		unit /= 10
	}
	return q, q <= 1000
}
