package transform

import (
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// The values of a body take many times its bytes, and are there as long as programs
// work on them. Large bodies therefore take turns ([jq.Turns]), from before they are
// read as values until they are bytes again. Nobody waits for the network, nor for
// another chain or direction, while it has a turn: all could have one and wait.

// smallBody is up to how many bytes a body needs no turn.
const smallBody = 64 << 10

// largeBodies are the turns of all large bodies. The memory of the process is what
// they share.
var largeBodies = jq.AllTurns()

// take waits for a turn if a body on a lane is large.
func (k *run) take(l *lane, p *program, b *content) *rpc.Error {
	if len(b.raw) <= smallBody || l.turn {
		return nil
	}
	ctx := k.came.Context()
	if !k.chain.turns.Take(ctx) {
		return k.failed(p, ctx.Err())
	}
	l.turn = true
	return nil
}

// give gives the turn of a lane back, if it has one.
func (k *run) give(l *lane) {
	if l.turn {
		l.turn = false
		k.chain.turns.Give()
	}
}

// forget lets go of the values of a body, which are many times larger than what it
// came as, while what was made of it is on its way. They can be read anew.
func (c *content) forget() {
	if !c.changed && len(c.raw) > smallBody {
		c.value, c.decoded = nil, false
	}
}
