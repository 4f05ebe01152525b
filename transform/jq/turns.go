package jq

import (
	"context"
	"runtime"
)

// Limits are for each run, and a run never waits for anything: any number of them
// could be half done at a time, each with all that it may have. What is large
// therefore takes turns. There are as many as there are processors, so that waiting
// for one costs nothing that could have been done instead, and what is not large
// goes on meanwhile.

// Turns are what the large work of one sort takes turns for, such as the runs of one
// program. It may have all turns but one, if there are several, so that no program
// keeps those of others waiting. Safe for any goroutine.
type Turns struct{ own, all chan struct{} }

// NewTurns are turns of which no more are taken at a time than all has room for,
// whoever takes them.
func NewTurns(all chan struct{}) *Turns {
	return &Turns{own: make(chan struct{}, max(1, cap(all)-1)), all: all}
}

// AllTurns has room for as many as may be taken at a time.
func AllTurns() chan struct{} { return make(chan struct{}, runtime.GOMAXPROCS(0)) }

// Take waits for a turn. Each one that it reports to have got has to be given back;
// it gets none if ctx ends before.
func (t *Turns) Take(ctx context.Context) bool {
	select {
	case t.own <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	select {
	case t.all <- struct{}{}:
		return true
	case <-ctx.Done():
		<-t.own
		return false
	}
}

// Give gives a turn back.
func (t *Turns) Give() {
	<-t.all
	<-t.own
}

// largeRuns are the turns of all runs that are large. The memory of the process is
// what they share.
var largeRuns = AllTurns()

// smallRun is how many bytes a run may make without a turn.
const smallRun = 1 << 20
