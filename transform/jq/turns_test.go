package jq_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// TestTogether holds the memory of many runs at a time to that of a few, in a process
// of its own.
func TestTogether(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory, too")
	}
	const env = "JQ_TOGETHER"
	if os.Getenv(env) == "" {
		self, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.Command(self, "-test.run=^TestTogether$", "-test.v")
		cmd.Env = append(os.Environ(), env+"=1", "GOMAXPROCS=2")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		_, grown, _ := strings.Cut(string(out), "GROWN ")
		grown, _, _ = strings.Cut(grown, " ")
		n, err := strconv.Atoi(grown)
		require.NoError(t, err, "%s", out)
		t.Logf("%d MiB", n>>20)
		require.Less(t, n, 8*jq.DefaultLimits.Memory)
		return
	}
	limits := jq.Limits{Time: time.Minute, Memory: jq.DefaultLimits.Memory}
	before, _ := usage(t)
	var wg sync.WaitGroup
	for range 4 {
		p, err := jq.Compile(`("x" * 5e7) as $x | [limit(20000; repeat(1))] | [length, ($x | length)]`, jq.Config{Name: "test", Limits: limits})
		require.NoError(t, err)
		for range 8 {
			wg.Go(func() {
				_, err := p.Run(t.Context(), nil)
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	after, _ := usage(t)
	fmt.Printf("GROWN %d \n", after-before)
}

// TestTurns: who waits for a turn leaves when nobody waits for it, one program does
// not have all turns, and what is given back can be taken again.
func TestTurns(t *testing.T) {
	all := make(chan struct{}, 3)
	one, other := jq.NewTurns(all), jq.NewTurns(all)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for range 2 {
		require.True(t, one.Take(t.Context()))
	}
	require.False(t, one.Take(gone), "a third turn of three")
	require.True(t, other.Take(t.Context()))
	require.False(t, other.Take(gone), "a fourth turn of three")
	taken := make(chan bool)
	go func() { taken <- other.Take(t.Context()) }()
	one.Give()
	require.True(t, <-taken)
}

// TestTurnsGivenBack: a run gives back its turn however it ends.
func TestTurnsGivenBack(t *testing.T) {
	const large = `[range(60000)] | `
	for _, src := range []string{large + "length", large + "error", large + "repeat(.) | empty", `"x" * 2e9`, large + ".[]"} {
		p, err := jq.Compile(src, jq.Config{Name: "test", Limits: jq.DefaultLimits})
		require.NoError(t, err)
		for range 6 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := p.Run(ctx, nil)
			require.NoError(t, ctx.Err(), "%s: %v", src, err)
			cancel()
		}
	}
}
