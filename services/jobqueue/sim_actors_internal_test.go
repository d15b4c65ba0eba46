package jobqueue

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// simCaller is one call: Queue.await without its clock and connection.
type simCaller struct {
	s        *sim
	key      string
	state    caller
	doing    want
	sent     bool
	ended    bool
	joined   bool
	got      *simResult
	deadline time.Duration
}

func (s *sim) call(key string) {
	c := &simCaller{s: s, key: key, doing: wantLook, deadline: s.store.now + time.Duration(1+s.random.IntN(30))*time.Second}
	s.callers = append(s.callers, c)
	s.cancelled[key] = false
	s.after(s.soon(), c.step)
	s.after(c.deadline-s.store.now, c.leave)
	if s.random.IntN(6) == 0 {
		s.after(time.Duration(s.random.IntN(2000))*time.Millisecond, c.cancel)
	}
	s.after(500*time.Millisecond, c.recheck)
}

func (c *simCaller) recheck() {
	if !c.ended {
		c.disturb()
		c.s.after(500*time.Millisecond, c.recheck)
	}
}

func (c *simCaller) disturb() {
	if !c.ended && c.doing == wantWait {
		c.doing = c.state.disturbed()
		c.s.after(0, c.step)
	}
}

func (c *simCaller) hear(r *simResult) {
	if c.ended || c.doing != wantWait {
		return
	}
	if c.doing = c.state.heard(r.record()); c.doing == wantReturn {
		c.finish(r)
	}
}

func (r *simResult) record() *recorded {
	if r == nil {
		return nil
	}
	return &recorded{&jobqueuev1.Result{Code: int32(r.code)}, r.revision}
}

// step does what is wanted; its answer takes a while, or is lost.
func (c *simCaller) step() {
	s := c.s
	if c.ended || c.doing == wantWait {
		return
	}
	lost := s.fails(.05)
	var then func()
	switch c.doing {
	case wantLook:
		r := s.lookup(c.key)
		then = func() {
			if c.doing = c.state.looked(r.record()); c.doing == wantReturn {
				c.finish(r)
			}
		}
	case wantRemove:
		if r := s.store.lookup(c.key); r != nil && r.revision == c.state.stale {
			s.before[c.key] = staleView{s.store.now + s.soon(), r}
		}
		s.store.remove(c.key, c.state.stale)
		// It had not joined when the work was cancelled: it asks anew.
		s.cancelled[c.key] = false
		then = func() { c.doing = c.state.removed() }
	case wantPublish:
		c.sent = true
		accepted := s.store.publish(c.key)
		if accepted {
			s.store.find(c.key).deadline = c.deadline
		}
		then = func() { c.doing = c.state.published(accepted) }
	case wantFind:
		present := s.store.find(c.key) != nil
		c.joined = c.joined || present
		then = func() { c.doing = c.state.found(present) }
	case wantGiveUp:
		// Refused three times in a row just as the work left: the caller is told to
		// retry later.
		c.ended = true
		return
	}
	s.after(s.soon(), func() {
		if c.ended {
			return
		}
		if lost {
			c.doing = wantLook
		} else {
			then()
		}
		c.step()
	})
}

func (c *simCaller) finish(r *simResult) {
	c.ended, c.got = true, r
	for _, was := range c.s.history[c.key] {
		if was.revision == r.revision && was.code == r.code {
			return
		}
	}
	c.s.t.Fatalf("%s returned %v, which was never recorded", c.key, r.code)
}

// leave ends a call at its deadline: its work is left alone.
func (c *simCaller) leave() { c.ended = true }

// cancel ends a call and its work.
func (c *simCaller) cancel() {
	if c.ended {
		return
	}
	c.ended = true
	if !c.sent || !c.s.store.create(c.key, codes.Canceled, byCanceller, simKeep) {
		return
	}
	for _, w := range c.s.workers {
		if w.has != nil && w.has.key == c.key && !c.s.fails(.3) {
			c.s.after(c.s.soon(), w.tellCancel(*w.has))
		}
	}
	if m := c.s.store.find(c.key); m != nil && !c.s.fails(.3) {
		c.s.store.ack(*m)
	}
}

// simWorker is one slot: Server.handle without its clock and connection.
type simWorker struct {
	s      *sim
	has    *simMessage
	ended  ending
	began  bool
	life   int
	killed int
}

func (w *simWorker) next() {
	m, ok := w.s.store.fetch()
	if !ok {
		w.s.after(w.s.soon(), w.next)
		return
	}
	if w.s.fails(.03) {
		// The delivery is lost on its way: a later one did not begin.
		if m.delivered == 1 {
			w.s.silences[m.sequence]++
		}
		w.s.after(w.s.soon(), w.next)
		return
	}
	w.has, w.ended, w.began = &m, notEnded, false
	w.life++
	w.s.after(w.s.soon(), w.begin)
}

func (w *simWorker) begin() {
	s, m := w.s, *w.has
	earlier := sortOut(m.delivered, s.store.notes[m.sequence])
	next := admit(arrival{
		silent: earlier.silent, maxKills: simMaxKills, decided: s.lookup(m.key) != nil,
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
	s.after(lasts, func() { w.conclude(earlier) })
}

// noteBegin is job.noteBegin.
func (w *simWorker) noteBegin(m simMessage) {
	noted := w.began || m.delivered <= 1
	w.began = true
	if !noted {
		w.s.store.note(m.sequence, func(a *jobqueuev1.Attempts) { a.Begun++ })
	}
}

// die is kill -9: no word, and a new process a while later.
func (w *simWorker) die() {
	w.s.silences[w.has.sequence]++
	w.has = nil
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
	ack := func() { s.store.ack(m) }
	switch do {
	case record:
		add(func() { s.store.create(m.key, code, byWorker, simKeep) })
		add(ack)
	case settle, drop:
		add(ack)
		add(func() { s.gone(m.key) })
	case retry:
		add(func() {
			s.failures[m.sequence]++
			s.store.note(m.sequence, func(a *jobqueuev1.Attempts) { a.Failed++ })
		})
		add(func() { s.store.nak(m, backoff(10*time.Millisecond, earlier.failed+1, s.random.Float64())) })
	case handBack:
		if w.began || m.delivered <= 1 {
			add(func() { s.store.note(m.sequence, func(a *jobqueuev1.Attempts) { a.HandedBack++ }) })
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
		add(func() { s.store.create(m.key, codes.Internal, byQuarantine, simKeep) })
		add(ack)
	}
	life := w.life
	var say func()
	say = func() {
		switch {
		case w.life != life || w.has == nil:
		case len(words) == 0:
			w.has = nil
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
