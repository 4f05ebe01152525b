package rpc

import (
	"context"
	"errors"
	"sync"
)

// ErrAborted is what [Queue.Message] returns once nobody reads the queue any more.
var ErrAborted = errors.New("the receiver is gone")

// EventKind says what an [Event] holds.
type EventKind uint8

// The events of one call: at most one head, messages, exactly one end.
const (
	HeadEvent EventKind = iota
	MessageEvent
	EndEvent
	// NudgeEvent is none of the call: [Queue.Nudge] woke up who waited.
	NudgeEvent
)

// Event is one thing that a [Queue] was told.
type Event struct {
	Kind EventKind
	// Header is the metadata of a head, or the trailers of an end.
	Header Header
	// Message belongs to whoever took the event.
	Message *Buffer
	// Status is set for an end.
	Status Status
}

// Queue is a [Sink] that hands the answer of a call to another goroutine, reading
// ahead of it by a bounded number of bytes. One goroutine tells it, one takes
// with [Queue.Next]; [Queue.Abort] may be called from anywhere.
type Queue struct {
	max int
	// wake and room each hold one token: that something was added, and that the
	// taker came back for more, since the other side last looked.
	wake, room chan struct{}
	done       chan struct{}

	mu sync.Mutex // guards the rest
	// events[head:] wait to be taken.
	events []Event
	head   int
	// bytes is the cost of the messages that wait and of the one that was taken
	// last, which is inHand of them until the taker comes back for more.
	bytes, inHand int
	aborted       bool
	nudged        bool
}

var _ Sink = (*Queue)(nil)

// ReadAhead is how much a protocol reads ahead of a slow downstream, in bytes of
// memory. What the upstream's flow control lets through comes on top; see the
// upstream kind.
const ReadAhead = 32 << 10

// NewQueue makes a queue that holds at most maxBytes of memory in messages; one
// message that is larger is let in when the queue has no other. The message that
// was taken last counts until [Queue.Next] is called again: its taker, or what its
// taker made of it, is still there while a slow downstream does not take it.
func NewQueue(maxBytes int) *Queue {
	return &Queue{
		max:  maxBytes,
		wake: make(chan struct{}, 1),
		room: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
}

// Head implements [Sink].
func (q *Queue) Head(h Header) { q.add(Event{Kind: HeadEvent, Header: h}) }

// Message implements [Sink]. After a message that fills the queue it waits until
// there is room for the next, so that its caller does not hold one of its own
// meanwhile. It fails after [Queue.Abort].
func (q *Queue) Message(msg *Buffer) error {
	q.mu.Lock()
	if q.aborted {
		q.mu.Unlock()
		msg.Release()
		return ErrAborted
	}
	if q.bytes > 0 && wasteful(msg) {
		msg = compact(msg)
	}
	q.bytes += cost(msg)
	q.push(Event{Kind: MessageEvent, Message: msg})
	for {
		full, aborted := q.bytes > q.max, q.aborted
		q.mu.Unlock()
		signal(q.wake)
		switch {
		case aborted:
			return ErrAborted
		case !full:
			return nil
		}
		select {
		case <-q.room:
		case <-q.done:
		}
		q.mu.Lock()
	}
}

// End implements [Sink]. It never waits.
func (q *Queue) End(st Status, trailer Header) {
	q.add(Event{Kind: EndEvent, Status: st, Header: trailer})
}

// Next takes the next event, waiting for one until ctx is done. After the end it
// must not be called again.
func (q *Queue) Next(ctx context.Context) (Event, error) {
	for {
		q.mu.Lock()
		if q.inHand > 0 {
			q.bytes, q.inHand = q.bytes-q.inHand, 0
			signal(q.room)
		}
		if q.head < len(q.events) {
			ev := q.events[q.head]
			q.events[q.head] = Event{}
			q.head++
			if q.head == len(q.events) {
				q.events, q.head = q.events[:0], 0
			}
			if ev.Kind == MessageEvent {
				q.inHand = cost(ev.Message)
			}
			q.mu.Unlock()
			return ev, nil
		}
		if q.nudged {
			q.nudged = false
			q.mu.Unlock()
			return Event{Kind: NudgeEvent}, nil
		}
		q.mu.Unlock()
		select {
		case <-q.wake:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Ready reports whether [Queue.Next] would return at once: if not, what was
// written so far is worth flushing.
func (q *Queue) Ready() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.head < len(q.events)
}

// Nudge makes [Queue.Next] return a [NudgeEvent] as soon as nothing else is there
// to take. It may be called from anywhere; several may count as one.
func (q *Queue) Nudge() {
	q.mu.Lock()
	q.nudged = true
	q.mu.Unlock()
	signal(q.wake)
}

// Abort says that nobody wants messages any more: those that wait are released
// and further ones refused, which makes the upstream give the call up. Only the
// end is still told, so that who aborts can wait for it. It may be called more
// than once.
func (q *Queue) Abort() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.aborted {
		return
	}
	q.aborted = true
	close(q.done)
	waiting := q.events[q.head:]
	q.events, q.head, q.bytes, q.inHand = nil, 0, 0, 0
	for _, ev := range waiting {
		if ev.Kind == EndEvent {
			q.events = append(q.events, ev)
		}
		ev.Message.Release()
	}
}

func (q *Queue) add(ev Event) {
	q.mu.Lock()
	if !q.aborted || ev.Kind == EndEvent {
		q.push(ev)
	}
	q.mu.Unlock()
	signal(q.wake)
}

// push appends to events, reusing the room in front before growing. mu is held.
func (q *Queue) push(ev Event) {
	if q.head > 0 && len(q.events) == cap(q.events) {
		n := copy(q.events, q.events[q.head:])
		clear(q.events[n:])
		q.events, q.head = q.events[:n], 0
	}
	q.events = append(q.events, ev)
}

// cost counts the memory of a message, not its length: a pooled buffer holds more
// than was written to it, and an entry of the queue is memory too.
func cost(msg *Buffer) int { return cap(msg.B) + 64 }

// wasteful reports whether a message would take much of the queue for little.
func wasteful(msg *Buffer) bool { return cap(msg.B) > 8<<10 && len(msg.B) < cap(msg.B)/4 }

// compact moves a message to a buffer of its own size.
func compact(msg *Buffer) *Buffer {
	small := &Buffer{B: append(make([]byte, 0, len(msg.B)), msg.B...)}
	msg.Release()
	return small
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
