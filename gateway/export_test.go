package gateway

import (
	"github.com/dragoman-gateway/dragoman/header"
)

// SetEdits gives all entries, and the listeners, edits of headers. Nobody may be served
// yet.
func (g *Gateway) SetEdits(listener, entry *header.Edits) {
	snap := g.snapshot.Load()
	for i, table := range snap.tables {
		snap.edits[i] = listener
		for _, e := range table.Entries() {
			e.Edits = entry
			e.Handler = entry.Wrap(e.Handler, g.refuser(snap.settings[i]))
		}
	}
}
