package jobqueue

import (
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// progressBuffer is how many messages of a stream wait for a slow reader; the
// oldest go first.
const progressBuffer = 64

// Headers that the server sets on what it republishes or marks.
const (
	headerSequence  = "Nats-Sequence"
	headerOperation = "KV-Operation"
	headerMarker    = "Nats-Marker-Reason"
)

// waiter collects what is told about one piece of work.
type waiter struct {
	sub *nats.Subscription
	// wake has room for one: that there is something to look at.
	wake chan struct{}

	mu       sync.Mutex
	progress [][]byte
	done     *told
	gone     bool
}

// told is a result that was told, as it is stored.
type told struct {
	sealed   []byte
	revision uint64
}

// subscribe begins to listen for the end and, if wanted, for the progress. The
// caller calls stop. Wildcards are dear to the server, which goes through what it
// remembers of subjects whenever one comes or goes.
func subscribe(nc *nats.Conn, at address, progress bool) (*waiter, error) {
	w := &waiter{wake: make(chan struct{}, 1)}
	kind := eventDone
	if progress {
		kind = "*"
	}
	var err error
	w.sub, err = nc.Subscribe(at.event(kind), w.hear)
	return w, err
}

func (w *waiter) stop() { _ = w.sub.Unsubscribe() }

func (w *waiter) hear(m *nats.Msg) {
	kind := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	w.mu.Lock()
	switch kind {
	case eventDone:
		switch {
		case m.Header.Get(headerOperation) != "" || m.Header.Get(headerMarker) != "":
			// The markers of deleted and expired results are republished too.
		case len(m.Data) == 0:
			w.gone = true
		default:
			revision, _ := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
			w.done = &told{m.Data, revision}
		}
	case eventProgress:
		if len(w.progress) == progressBuffer {
			w.progress = w.progress[1:]
		}
		w.progress = append(w.progress, m.Data)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns what was heard since the last call.
func (w *waiter) take() (progress [][]byte, done *told, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	progress, done, gone = w.progress, w.done, w.gone
	w.progress, w.done, w.gone = nil, nil, false
	return progress, done, gone
}
