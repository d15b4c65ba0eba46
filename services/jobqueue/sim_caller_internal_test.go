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
