package jobqueue

import (
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// progressBuffer is how many messages of a stream wait for a slow reader; what
// comes while they do is lost.
const progressBuffer = 64

// Headers that the server sets on what it republishes or marks.
const (
	headerSequence  = "Nats-Sequence"
	headerOperation = "KV-Operation"
	headerMarker    = "Nats-Marker-Reason"
)

// waiter hears what is told about one piece of work. There is nothing between it and
// the connection: what many calls at a time have in between, they pay for each.
type waiter struct {
	sub *nats.Subscription
	// heard is what the connection puts in; what finds no room is lost.
	heard chan *nats.Msg
}

// endings is how many messages about the end wait while a call is busy otherwise:
// there is one, or a few where others call the same work.
const endings = 8

// told is what a message tells of a piece of work.
type told struct {
	// progress is a message of its stream, if it is that.
	progress []byte
	// sealed is its result as it is stored, if it is that.
	sealed   []byte
	revision uint64
	// gone: it left the queue, and there may be something to look at.
	gone bool
}

// subscribe begins to listen for the end and, if wanted, for the progress. The
// caller calls stop. Wildcards are dear to the server, which goes through what it
// remembers of subjects whenever one comes or goes.
func subscribe(nc *nats.Conn, at address, progress bool) (*waiter, error) {
	kind, room := eventDone, endings
	if progress {
		kind, room = "*", endings+progressBuffer
	}
	w := &waiter{heard: make(chan *nats.Msg, room)}
	var err error
	w.sub, err = nc.ChanSubscribe(at.event(kind), w.heard)
	return w, err
}

func (w *waiter) stop() { _ = w.sub.Unsubscribe() }

// readEvent reads what was told.
func readEvent(m *nats.Msg) told {
	switch m.Subject[strings.LastIndexByte(m.Subject, '.')+1:] {
	case eventDone:
		switch {
		case m.Header.Get(headerOperation) != "" || m.Header.Get(headerMarker) != "":
			// The markers of deleted and expired results are republished too.
		case len(m.Data) == 0:
			return told{gone: true}
		default:
			revision, _ := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
			return told{sealed: m.Data, revision: revision}
		}
	case eventProgress:
		return told{progress: m.Data}
	}
	return told{}
}
