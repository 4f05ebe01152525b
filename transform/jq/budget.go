package jq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	// patience is how many instructions of the engine pass between two looks at the
	// clock: about a microsecond.
	patience = 128
	// deepestValue is how deep a value may be nested that is walked. Each level
	// costs the walk a frame of a stack that kills the process when it is full.
	deepestValue = 10_000
	// longestNumber is how long the text of a number may be that is computed with.
	longestNumber = 1_000
	// widestNumber is how many bits an integer may have that is computed with.
	widestNumber = 1 << 20

	limitTime   = "time"
	limitMemory = "memory"
)

// errOver stands for the failure that the run has kept. No program sees it: the
// engine asks the run before its next instruction, and ends there, whatever the
// program would catch.
var errOver = errors.New("over a limit")

// ended stands in a run for the error of its context.
var ended = &RunError{Message: "nobody waits for the result"}

// stop is closed for ever: the Done of a run that is over a limit.
var stop = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// A budget is the state of one run of a program: what it may still cost. It is the
// context that the engine runs in, which asks for Done before each instruction.
// That is the clock: no timer has to be set for runs of a microsecond, and nothing
// that a program can write goes on after the first excess.
type budget struct {
	limits Limits
	// left are the bytes that may still be made, small those without a turn; turn
	// says that the run has one.
	left, small int64
	turn        bool
	turns       *Turns
	// ticks are the instructions, or what costs as much, until the next look at the
	// clock.
	ticks int
	// start is the time of the first look; zero before.
	start  time.Time
	parent context.Context
	// failure is the first excess.
	failure *RunError
	// regexps are the patterns that the program has used.
	regexps *regexps
	// single is for the assignment to one path that is going on.
	single edit
}

var _ context.Context = (*budget)(nil)

func (r *budget) begin(ctx context.Context) {
	r.left = math.MaxInt64
	if r.limits.Memory > 0 {
		r.left = int64(r.limits.Memory)
	}
	r.ticks, r.start, r.parent, r.failure = patience, time.Time{}, ctx, nil
	r.small = smallRun
}

// end gives back the run's turn, if it has taken one.
func (r *budget) end() {
	if r.turn {
		r.turn = false
		r.turns.Give()
	}
}

// wait takes a turn. To wait is not to run: it does not count as time.
func (r *budget) wait() bool {
	began := time.Now()
	if !r.turns.Take(r.parent) {
		r.failure, r.ticks = ended, 0
		return false
	}
	r.turn = true
	if !r.start.IsZero() {
		r.start = r.start.Add(time.Since(began))
	}
	return true
}

func (r *budget) Deadline() (time.Time, bool) { return time.Time{}, false }

func (r *budget) Value(any) any { return nil }

func (r *budget) Done() <-chan struct{} {
	if r.ticks--; r.ticks > 0 {
		return nil
	}
	if r.look() {
		return nil
	}
	return stop
}

func (r *budget) Err() error {
	if r.failure != nil {
		return errOver
	}
	return r.parent.Err()
}

// look reports whether the run may go on.
func (r *budget) look() bool {
	if r.failure != nil {
		return false
	}
	if r.parent.Err() != nil {
		r.failure = ended
		return false
	}
	r.ticks = patience
	if r.limits.Time <= 0 {
		return true
	}
	// A run that never looks has never asked for the time, which costs more than
	// many programs.
	if r.start.IsZero() {
		r.start = time.Now()
	} else if time.Since(r.start) > r.limits.Time {
		_ = r.fail(limitTime, "takes more than %v", r.limits.Time)
		return false
	}
	return true
}

// fail keeps the first excess, and has the engine stop at its next instruction.
func (r *budget) fail(limit, format string, args ...any) error {
	if r.failure == nil {
		r.failure = &RunError{Limit: limit, Message: fmt.Sprintf(format, args...)}
	}
	r.ticks = 0
	return errOver
}

// work counts n steps of a few nanoseconds, and reports whether to go on.
func (r *budget) work(n int) bool {
	if r.ticks -= n; r.ticks > 0 {
		return true
	}
	return r.look()
}

// fits reports whether n bytes may be made. They are not counted: they are garbage
// once the operation is through.
func (r *budget) fits(n int) bool {
	if n < 0 || int64(n) > r.left {
		_ = r.fail(limitMemory, "makes more than %d bytes of values", r.limits.Memory)
		return false
	}
	if int64(n) > r.small && !r.turn && !r.wait() {
		return false
	}
	return r.work(n >> 6)
}

// charge counts n bytes that are about to be made, and reports whether they may.
func (r *budget) charge(n int) bool {
	if !r.fits(n) {
		return false
	}
	r.left -= int64(n)
	r.small -= int64(n)
	return true
}

// charges is charge for n things of a size.
func (r *budget) charges(n, size int) bool {
	if size > 0 && n > math.MaxInt/size {
		return r.charge(math.MaxInt)
	}
	return r.charge(n * size)
}

// deep reports whether a walk may go as deep as this.
func (r *budget) deep(depth int) bool {
	if depth <= deepestValue {
		return true
	}
	_ = r.fail(limitMemory, "makes a value nested more than %d deep", deepestValue)
	return false
}

// What values cost, as they are in memory.
const (
	sizeValue = 16
	sizeArray = 24
	// sizeItem is an element of an array that grows: it is copied on the way.
	sizeItem = 2 * sizeValue
	// sizeEach is what the engine makes for each element that it iterates over.
	sizeEach = 32
	// sizeCall is what a call may leave on the stacks of the engine.
	sizeCall = 128
)

// sizeObject is an object with n members: groups of eight, of which an eighth stays
// empty, and the growth to the next power of two.
func sizeObject(n int) int {
	if n <= 8 {
		return 340
	}
	return 100 + 80*n
}

// sizeOf is a value by itself: without what its elements or members refer to.
func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		return sizeArray + sizeValue*len(v)
	case map[string]any:
		return sizeObject(len(v))
	default:
		return sizeValue
	}
}

// bounded reports whether a value is, written out, no larger than a run may make.
// Values share what they have twice, so a small one can be huge to who reads it.
func (r *budget) bounded(v any) bool {
	if r.limits.Memory <= 0 {
		return true
	}
	m := measure{run: r, left: r.limits.Memory}
	return m.value(v, 0)
}

type measure struct {
	run  *budget
	left int
}

func (m *measure) value(v any, depth int) bool {
	if !m.run.deep(depth) || !m.run.work(1) {
		return false
	}
	m.left -= 8
	switch v := v.(type) {
	case string:
		m.left -= len(v)
	case []any:
		for _, e := range v {
			if !m.value(e, depth+1) {
				return false
			}
		}
	case map[string]any:
		for k, e := range v {
			m.left -= len(k)
			if !m.value(e, depth+1) {
				return false
			}
		}
	}
	if m.left < 0 {
		_ = m.run.fail(limitMemory, "yields more than %d bytes", m.run.limits.Memory)
		return false
	}
	return true
}
