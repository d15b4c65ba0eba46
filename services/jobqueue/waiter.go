package jobqueue

import (
	"fmt"
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

// waiter hears what is told about one piece of work: words for the call that published
// it and, where these are not enough, what everybody is told. There is nothing between it
// and the connection: what many calls at a time have in between, they pay for each.
type waiter struct {
	q  *Queue
	at address
	// ear is where the call hears words.
	ear   ear
	words chan told
	// events is what everybody is told, nil while the call does not listen to that; what
	// finds no room is lost.
	events chan *nats.Msg
	sub    *nats.Subscription
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
	// word: it is for the call that published the work.
	word bool
	// gone: it left the queue, and there may be something to look at.
	gone bool
}

// wait begins to wait for the end and, if wanted, the progress of a call. The caller
// calls stop.
func (q *Queue) wait(at address, progress bool) (*waiter, error) {
	w := &waiter{q: q, at: at, words: make(chan told, endings)}
	heard, relies, err := q.words.expect(at.crew(), w.words)
	if err != nil {
		return nil, err
	}
	w.ear = heard
	switch {
	case progress:
		err = w.listen("*", endings+progressBuffer)
	case !relies:
		err = w.listen(eventDone, endings)
	}
	if err != nil {
		w.stop()
	}
	return w, err
}

// listen begins to hear what everybody is told. Wildcards are dear to the server, which
// goes through what it remembers of subjects whenever one comes or goes.
func (w *waiter) listen(kind string, room int) (err error) {
	w.events = make(chan *nats.Msg, room)
	if w.sub, err = w.q.nc.ChanSubscribe(w.at.event(kind), w.events); err != nil {
		return fmt.Errorf("listen for the end of work: %w", err)
	}
	return nil
}

// listens says whether it hears what everybody is told.
func (w *waiter) listens() bool { return w.sub != nil }

// hasNews says whether there is something that was not read yet.
func (w *waiter) hasNews() bool { return len(w.words)+len(w.events) > 0 }

func (w *waiter) stop() {
	w.q.words.forget(w.ear)
	if w.sub != nil {
		_ = w.sub.Unsubscribe()
	}
}

// readEvent reads what everybody was told.
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
