package jobqueue

import (
	"time"

	"google.golang.org/grpc/codes"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// simStore is what the decisions need of a JetStream server, as a value with a
// clock of its own: a work-queue stream with one message a key, deliveries that
// come back after silence, results that are created once and expire, notes. The
// conformance tests hold it against a real server.
type simStore struct {
	now     time.Duration
	ackWait time.Duration

	sequence uint64
	queue    []*simMessage
	results  map[string]*simResult
	notes    map[uint64]*jobqueuev1.Attempts
	dead     []simLetter
	revision uint64
	// changed is told of every outcome that is recorded.
	changed func(key string, r *simResult)
}

type simMessage struct {
	key      string
	sequence uint64
	// by is the call that published it.
	by        *simCaller
	delivered uint64
	// deadline is that of the call that published it; zero is none.
	deadline time.Duration
	// due is when it may be delivered: after a silence, or a delay.
	due time.Duration
}

type simResult struct {
	code     codes.Code
	revision uint64
	by       string
	expires  time.Duration
}

type simLetter struct {
	key  string
	what action
}

func newSimStore(ackWait time.Duration) *simStore {
	return &simStore{ackWait: ackWait, results: map[string]*simResult{}, notes: map[uint64]*jobqueuev1.Attempts{}}
}

func (s *simStore) find(key string) *simMessage {
	for _, m := range s.queue {
		if m.key == key {
			return m
		}
	}
	return nil
}

func (s *simStore) publish(key string) bool {
	if s.find(key) != nil {
		return false
	}
	s.sequence++
	s.queue = append(s.queue, &simMessage{key: key, sequence: s.sequence})
	return true
}

// fetch delivers the first message that is due.
func (s *simStore) fetch() (simMessage, bool) {
	for _, m := range s.queue {
		if m.due <= s.now {
			m.delivered++
			m.due = s.now + s.ackWait
			return *m, true
		}
	}
	return simMessage{}, false
}

// held finds the message of a delivery, as long as nobody acknowledged it: also a
// late word of an older delivery counts.
func (s *simStore) held(d simMessage) *simMessage {
	if m := s.find(d.key); m != nil && m.sequence == d.sequence {
		return m
	}
	return nil
}

func (s *simStore) ack(d simMessage) {
	for i, m := range s.queue {
		if m.sequence == d.sequence {
			s.queue = append(s.queue[:i], s.queue[i+1:]...)
			return
		}
	}
}

func (s *simStore) nak(d simMessage, delay time.Duration) {
	if m := s.held(d); m != nil && m.delivered == d.delivered {
		m.due = s.now + delay
	}
}

func (s *simStore) inProgress(d simMessage) {
	if m := s.held(d); m != nil && m.delivered == d.delivered {
		m.due = s.now + s.ackWait
	}
}

func (s *simStore) lookup(key string) *simResult {
	r := s.results[key]
	if r != nil && r.expires <= s.now {
		delete(s.results, key)
		return nil
	}
	return r
}

func (s *simStore) create(key string, code codes.Code, by string, ttl time.Duration) bool {
	if s.lookup(key) != nil {
		return false
	}
	s.revision++
	r := &simResult{code: code, revision: s.revision, by: by, expires: s.now + ttl}
	s.results[key] = r
	if s.changed != nil {
		s.changed(key, r)
	}
	return true
}

func (s *simStore) remove(key string, revision uint64) {
	if r := s.lookup(key); r != nil && r.revision == revision {
		delete(s.results, key)
	}
}

func (s *simStore) note(sequence uint64, change func(*jobqueuev1.Attempts)) {
	if s.notes[sequence] == nil {
		s.notes[sequence] = &jobqueuev1.Attempts{}
	}
	change(s.notes[sequence])
}
