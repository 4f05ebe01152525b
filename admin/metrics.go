package admin

import (
	"strconv"
	"strings"
)

// Counter is one metric that only grows.
type Counter struct {
	Name, Help string
	// Samples are in the order in which they are shown.
	Samples []Sample
}

// Sample is the value of a counter for some labels.
type Sample struct {
	Labels []Label
	Value  uint64
}

// Label tells samples of one counter apart.
type Label struct{ Name, Value string }

// Escapes of the text format (Prometheus, exposition formats), in the values of
// labels and in help.
var (
	inLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	inHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// appendCounters writes counters in the text format of Prometheus.
func appendCounters(dst []byte, counters []Counter) []byte {
	for _, c := range counters {
		dst = append(dst, "# HELP "+c.Name+" "+inHelp.Replace(c.Help)+"\n# TYPE "+c.Name+" counter\n"...)
		for _, s := range c.Samples {
			dst = append(dst, c.Name...)
			for i, l := range s.Labels {
				dst = append(dst, "{,"[min(i, 1)])
				dst = append(dst, l.Name+`="`+inLabel.Replace(l.Value)+`"`...)
			}
			if len(s.Labels) > 0 {
				dst = append(dst, '}')
			}
			dst = append(append(dst, ' '), strconv.FormatUint(s.Value, 10)...)
			dst = append(dst, '\n')
		}
	}
	return dst
}
