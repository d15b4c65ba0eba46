package jobqueue

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// ear is where a call hears what became of the work that it published.
type ear struct {
	// process is the calling process among those of the mesh, call the call's number in
	// that, from 1.
	process string
	call    uint64
}

// String is how an ear stands in a header.
func (e ear) String() string { return e.process + "." + strconv.FormatUint(e.call, 10) }

func parseEar(s string) (ear, bool) {
	process, number, _ := strings.Cut(s, ".")
	call, err := strconv.ParseUint(number, 10, 64)
	if err != nil || call == 0 || !validToken(process) {
		return ear{}, false
	}
	return ear{process, call}, true
}

// subject is where words to all calls of a process go: few subjects are what servers
// find fast.
func (e ear) subject() string { return "word." + e.process }

// words is where workers tell the calls of this process what became of the work that
// these published. All calls share one subscription, made for the first of them. Words
// may be lost, and nothing depends on them but how soon a call ends. It is safe for
// concurrent use.
type words struct {
	nc      *nats.Conn
	process string

	mu  sync.Mutex
	sub *nats.Subscription
	// last is the number of the newest call.
	last uint64
	// calls is where the words for calls that have not ended go.
	calls map[uint64]chan<- told
	// recent is whom the newest calls called, by number: a word may come when the call
	// has ended.
	recent [1024]crew
	crews  map[crew]hearing
}

func newWords(nc *nats.Conn) *words {
	return &words{nc: nc, process: rand.Text(), calls: map[uint64]chan<- told{}, crews: map[crew]hearing{}}
}

// expect takes in a call of a crew, whose words go to heard until it is forgotten. It
// also says whether the call may rely on them.
func (w *words) expect(of crew, heard chan<- told) (_ ear, relies bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sub == nil {
		if w.sub, err = w.nc.Subscribe(ear{process: w.process}.subject(), w.hear); err != nil {
			return ear{}, false, fmt.Errorf("listen for words: %w", err)
		}
	}
	w.last++
	w.calls[w.last] = heard
	w.recent[w.last%uint64(len(w.recent))] = of
	return ear{w.process, w.last}, w.crews[of].relies(time.Now()), nil
}

func (w *words) forget(e ear) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.calls, e.call)
}

// missing notes that a call had to look for its outcome itself.
func (w *words) missing(from crew) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crews[from] = hearing{told: w.crews[from].told, missed: time.Now()}
}

// hear passes a word on to its call, unless that has ended, or was told enough.
func (w *words) hear(m *nats.Msg) {
	word := &jobqueuev1.Word{}
	if err := proto.Unmarshal(m.Data, word); err != nil {
		return
	}
	t := told{word: true, sealed: word.GetOutcome(), revision: word.GetRevision(), gone: len(word.GetOutcome()) == 0}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := word.GetCall(); n > 0 && n <= w.last && w.last-n < uint64(len(w.recent)) {
		from := w.recent[n%uint64(len(w.recent))]
		if known := w.crews[from]; !known.told {
			known.told = true
			w.crews[from] = known
		}
	}
	select {
	case w.calls[word.GetCall()] <- t:
	default:
	}
}

func (w *words) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sub != nil {
		_ = w.sub.Unsubscribe()
	}
}

// say tells a call what was recorded or, in a word without an outcome, to look for it.
func (q *Queue) say(to ear, word *jobqueuev1.Word) {
	if to == (ear{}) {
		return
	}
	word.Call = to.call
	data, err := proto.Marshal(word)
	if err == nil {
		err = q.nc.Publish(to.subject(), data)
	}
	if err != nil {
		q.log.Debug("a word is lost; the caller looks for itself", "error", err)
	}
}
