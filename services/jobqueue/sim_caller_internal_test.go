package jobqueue

import (
	"time"

	"google.golang.org/grpc/codes"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
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
	// heard is what was told and is not read yet.
	heard []simTold
	// byWord: the answer was a word.
	byWord bool
}

// simTold is told: a result or, if nil, that the work left the queue.
type simTold struct {
	result *simResult
	word   bool
}

func (s *sim) call(key string) {
	c := &simCaller{s: s, key: key, deadline: s.store.now + time.Duration(1+s.random.IntN(30))*time.Second}
	// Whether it relies on words is what others heard before.
	c.state.listens = s.random.IntN(3) == 0
	c.doing = c.state.begin(!s.asked[key] && s.random.IntN(2) == 0)
	s.callers = append(s.callers, c)
	s.cancelled[key], s.asked[key] = false, true
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

// hear is a message for the call, which reads it when it waits.
func (c *simCaller) hear(t simTold) {
	if len(c.heard) < endings {
		c.heard = append(c.heard, t)
	}
	c.read()
}

func (c *simCaller) read() {
	for !c.ended && c.doing == wantWait && len(c.heard) > 0 {
		t := c.heard[0]
		c.heard = c.heard[1:]
		if t.result == nil {
			c.disturb()
			return
		}
		switch c.doing = c.state.told(t.result.record(), t.word); c.doing {
		case wantReturn:
			c.byWord = t.word
			c.finish(t.result)
		case wantLook:
			c.s.after(0, c.step)
		}
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
	if c.doing == wantWait {
		c.read()
		return
	}
	if c.ended {
		return
	}
	lost := s.fails(.05)
	var then func()
	switch c.doing {
	case wantLook:
		r := s.lookup(c.key)
		then = func() {
			c.doing = c.state.looked(r.record())
			switch {
			case c.doing == wantReturn:
				c.finish(r)
			case c.doing == wantPublish && c.state.entered && len(c.heard) > 0:
				c.doing = wantWait
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
			m := s.store.find(c.key)
			m.deadline, m.by = c.deadline, c
		}
		then = func() { c.doing = c.state.published(accepted) }
	case wantFind:
		present := s.store.find(c.key) != nil
		c.joined = c.joined || present
		then = func() { c.doing = c.state.found(present) }
	case wantListen:
		then = func() { c.doing = c.state.listening() }
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
	if m := c.s.store.find(c.key); m != nil && m.by != c {
		c.s.word(*m, nil)
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
