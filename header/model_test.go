package header_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/header"
)

// TestMergeModel holds what is merged against the rule as it is told to people: of
// each name the last level that mentions it decides alone.
func TestMergeModel(t *testing.T) {
	names := []string{"A", "X-A", "X-B", "X-In", "X-In-A", "X-In-B", "Content-Length", "Grpc-Timeout"}
	patterns := []string{"x-*", "X-IN-*", "x-in*", "c*", "g*", "a*"}
	random := rand.New(rand.NewPCG(1, 2))
	valid := 0
	for range 8_000 {
		levels := make([]*header.Spec, 1+random.IntN(4))
		for i := range levels {
			levels[i] = both(randomList(random, i, names[:6], patterns))
		}
		came := http.Header{}
		for _, name := range names {
			if random.IntN(3) > 0 {
				came[name] = []string{"came"}
			}
		}
		e, err := header.Merge(levels...)
		if err != nil {
			continue // a name in two lists: another round will do
		}
		valid++
		want := http.Header{}
		for _, name := range names {
			if values := decided(name, came[name], levels); values != nil {
				want[name] = values
			}
		}
		require.Equal(t, want, edited(t, e, came), "%+v", levels)
	}
	require.Greater(t, valid, 2_000)
}

func randomList(random *rand.Rand, level int, names, patterns []string) header.List {
	var l header.List
	for i := range random.IntN(4) {
		name, text := names[random.IntN(len(names))], fmt.Sprintf("level %d, %d", level, i)
		if random.IntN(2) == 0 {
			name = strings.ToLower(name)
		}
		switch random.IntN(4) {
		case 0:
			l.Set = append(l.Set, header.Value{Name: name, Text: text})
		case 1:
			l.Append = append(l.Append, header.Value{Name: name, Text: text})
		case 2:
			l.Remove = append(l.Remove, name)
		case 3:
			l.Remove = append(l.Remove, patterns[random.IntN(len(patterns))])
		}
	}
	return l
}

// decided is what becomes of the values of one name.
func decided(name string, came []string, levels []*header.Spec) []string {
	if name == "Content-Length" || name == "Grpc-Timeout" {
		return came
	}
	for i := len(levels) - 1; i >= 0; i-- {
		l := levels[i].Request
		for _, v := range l.Set {
			if strings.EqualFold(v.Name, name) {
				return []string{v.Text}
			}
		}
		found := false
		for _, v := range l.Append {
			if strings.EqualFold(v.Name, name) {
				came, found = append(came[:len(came):len(came)], v.Text), true
			}
		}
		if found {
			return came
		}
		for _, removed := range l.Remove {
			prefix, pattern := strings.CutSuffix(strings.ToLower(removed), "*")
			if pattern && strings.HasPrefix(strings.ToLower(name), prefix) || strings.EqualFold(removed, name) {
				return nil
			}
		}
	}
	return came
}
