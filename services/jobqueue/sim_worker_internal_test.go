package jobqueue

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// simWorker is one slot: its loop and a job's without their clock and connection.
type simWorker struct {
	s   *sim
	has *simMessage
	// ahead is what waits for its turn.
	ahead *simMessage
	ended ending
	// began: the handler of what it has was called; noted: that is written down.
	began, noted bool
	life         int
	killed       int
	// older: it knows nothing of words.
	older bool
	// innocent counts what was only in its hands when it was killed.
	innocent int
}

func (w *simWorker) next() {
	w.has = nil
	if w.ahead != nil {
		w.take(*w.ahead)
		return
	}
	if m, ok := w.fetch(); ok {
		w.take(m)
		return
	}
	w.s.after(w.s.soon(), w.next)
}

// fetch asks for a message; a delivery may be lost on its way.
func (w *simWorker) fetch() (simMessage, bool) {
	m, ok := w.s.store.fetch()
	return m, ok && !w.s.fails(.03)
}

func (w *simWorker) take(m simMessage) {
	w.has, w.ahead, w.ended, w.began, w.noted = &m, nil, notEnded, false, false
	w.life++
	w.s.after(w.s.soon(), w.begin)
}

// takeAhead is slot.soon and slot.accept: it lies there, kept alive, until its turn.
func (w *simWorker) takeAhead(life int) {
	if w.has == nil || w.life != life || w.ahead != nil {
		return
	}
	if m, ok := w.fetch(); ok {
		w.ahead = &m
		w.keepAhead(m)
		if w.s.fails(.1) {
			w.die()
		}
	}
}

func (w *simWorker) keepAhead(m simMessage) {
	if w.ahead != nil && *w.ahead == m {
		w.s.store.inProgress(m)
		w.s.after(simAckWait/heartbeats, func() { w.keepAhead(m) })
	}
}

func (w *simWorker) begin() {
	s, m := w.s, *w.has
	earlier := tries{}
	if m.delivered > 1 {
		earlier = sortOut(s.store.notes[m.sequence])
	}
	// k3 is of a short method, which is done again rather than looked for.
	looks := m.delivered > 1 || m.key != "k3"
	next := admit(arrival{
		silent: earlier.silent, maxKills: simMaxKills, decided: looks && s.lookup(m.key) != nil,
		late: m.deadline > 0 && s.store.now >= m.deadline, stopping: s.fails(.03),
	})
	if next != run {
		w.carryOut(next, codes.Internal, earlier)
		return
	}
	w.noteBegin(m)
	if s.fails(.04) || m.key == "k0" {
		w.die()
		return
	}
	life, lasts := w.life, time.Duration(5+s.random.IntN(900))*time.Millisecond
	cutOff := s.fails(.05)
	if cutOff {
		// Its words may not arrive in time: the message is another's by then.
		s.silences[m.sequence]++
	} else {
		s.after(simAckWait/heartbeats, func() { w.beat(life) })
	}
	if s.random.IntN(2) == 0 {
		s.after(lasts/2, func() { w.takeAhead(life) })
	}
	s.after(lasts, func() {
		if w.life == life {
			w.conclude(earlier)
		}
	})
}

// noteBegin is job.noteBegin; k3 is of a short method.
func (w *simWorker) noteBegin(m simMessage) {
	w.began = true
	if m.delivered > 1 || m.key != "k3" {
		w.noted = true
		w.s.store.note(m.sequence, func(a *jobqueuev1.Attempts) { a.Begun++ })
	}
}

// die is kill -9: no word, and a new process a while later. Only what began is to
// blame.
func (w *simWorker) die() {
	if w.began {
		w.s.silences[w.has.sequence]++
	}
	if w.ahead != nil {
		w.innocent++
	}
	w.has, w.ahead = nil, nil
	w.killed++
	w.life++
	w.s.after(time.Duration(100+w.s.random.IntN(400))*time.Millisecond, w.next)
}

func (w *simWorker) beat(life int) {
	if w.has == nil || w.life != life {
		return
	}
	w.s.store.inProgress(*w.has)
	if w.s.lookup(w.has.key) != nil {
		w.ended = endedByCancel
	}
	w.s.after(simAckWait/heartbeats, func() { w.beat(life) })
}

func (w *simWorker) tellCancel(of simMessage) func() {
	return func() {
		if w.has != nil && w.has.sequence == of.sequence {
			w.ended = endedByCancel
		}
	}
}

func (w *simWorker) conclude(earlier tries) {
	s, m := w.s, *w.has
	switch {
	case w.ended != notEnded:
	case m.deadline > 0 && s.store.now >= m.deadline:
		w.ended = endedByDeadline
	case s.fails(.05):
		w.ended = endedByShutdown
	}
	code := outcomeOf(m.key)
	if w.ended != notEnded && s.random.IntN(2) == 0 {
		code = codes.Canceled
	} else if s.fails(.1) {
		code = codes.Unavailable
	}
	w.carryOut(conclude(departure{statusFor(code), w.ended, earlier.failed, simMaxAttempts}), code, earlier)
}

func statusFor(code codes.Code) *status.Status {
	switch code {
	case codes.Unavailable:
		return fault.ToStatus(fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "m"))
	default:
		return status.New(code, "m")
	}
}

// carryOut is job.do, word for word apart from a crash between any two words.
func (w *simWorker) carryOut(do action, code codes.Code, earlier tries) {
	s, m := w.s, *w.has
	var words []func()
	add := func(word func()) { words = append(words, word) }
	ack := func() {
		// Where nothing is noted nobody waits to hear that it arrived.
		if w.noted || m.delivered > 1 || !s.fails(.05) {
			s.store.ack(m)
		}
	}
	word := func(r *simResult) {
		if !w.older {
			s.word(m, r)
		}
	}
	// create and the word of it.
	create := func(code codes.Code, by string) {
		var told *simResult
		add(func() {
			if s.store.create(m.key, code, by, simKeep) {
				now := *s.store.lookup(m.key)
				told = &now
			}
		})
		add(func() { word(told) })
	}
	switch do {
	case record:
		create(code, byWorker)
		add(ack)
	case settle, drop:
		add(ack)
		add(func() { word(nil); s.gone(m.key) })
	case retry:
		add(func() {
			s.failures[m.sequence]++
			s.store.note(m.sequence, func(a *jobqueuev1.Attempts) {
				if !w.noted {
					a.Begun++
				}
				a.Failed++
			})
			w.began = false
		})
		add(func() { s.store.nak(m, backoff(10*time.Millisecond, earlier.failed+1, s.random.Float64())) })
	case handBack:
		if w.noted {
			add(func() {
				s.store.note(m.sequence, func(a *jobqueuev1.Attempts) { a.HandedBack++ })
				w.began = false
			})
		}
		add(func() { s.store.nak(m, 0) })
	case quarantine, isolate:
		if do == quarantine && s.failures[m.sequence]+1 < simMaxAttempts {
			s.t.Fatalf("%s was given up after %d failures", m.key, s.failures[m.sequence]+1)
		}
		if do == isolate && s.silences[m.sequence] < simMaxKills {
			s.t.Fatalf("%s was isolated after %d silences", m.key, s.silences[m.sequence])
		}
		add(func() { s.store.dead = append(s.store.dead, simLetter{m.key, do}) })
		create(codes.Internal, byQuarantine)
		add(ack)
	}
	life := w.life
	var say func()
	say = func() {
		switch {
		case w.life != life || w.has == nil:
		case len(words) == 0:
			w.next()
		case s.fails(.03):
			w.die()
		default:
			words[0]()
			words = words[1:]
			s.after(s.soon(), say)
		}
	}
	say()
}
