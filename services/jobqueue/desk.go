package jobqueue

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// desk is where a slot asks for work and is answered. One subscription serves all
// that it ever asks, so that a message which comes late is not lost, and asking
// costs one message. At most one request is open. It belongs to its slot's loop.
type desk struct {
	s       *Server
	inbox   string
	sub     *nats.Subscription
	answers chan *nats.Msg
	// peek and wait are the two requests, as they are sent.
	peek, wait []byte
	// asked counts requests; the open one, if any, is the last.
	asked uint64
	open  bool
}

// request is what the server is asked for the next message of a consumer with.
type request struct {
	Batch   int           `json:"batch"`
	Expires time.Duration `json:"expires,omitempty"`
	NoWait  bool          `json:"no_wait,omitempty"`
	Group   string        `json:"group"`
	// Priority is the turn among those who wait.
	Priority uint8 `json:"priority,omitempty"`
}

// answersKept is more than what is ever on its way to one slot.
const answersKept = 64

func (s *Server) newDesk() (*desk, error) {
	d := &desk{s: s, inbox: nats.NewInbox(), answers: make(chan *nats.Msg, answersKept)}
	r := request{Batch: 1, NoWait: true, Group: workersGroup, Priority: s.settings.Priority}
	var err error
	if d.peek, err = json.Marshal(r); err != nil {
		return nil, fmt.Errorf("write a request for work: %w", err)
	}
	r.NoWait, r.Expires = false, s.settings.BatchPoll
	if d.wait, err = json.Marshal(r); err != nil {
		return nil, fmt.Errorf("write a request for work: %w", err)
	}
	if d.sub, err = s.q.nc.ChanSubscribe(d.inbox+".*", d.answers); err != nil {
		return nil, fmt.Errorf("listen for work: %w", err)
	}
	return d, nil
}

func (d *desk) close() { _ = d.sub.Unsubscribe() }

// ask asks for one message of a class: one that is there at the moment or, if
// waiting, one that comes within BatchPoll.
func (d *desk) ask(class string, waiting bool) error {
	data := d.peek
	if waiting {
		data = d.wait
	}
	d.asked++
	consumer := consumerName(d.s.settings.Stage, d.s.settings.Bundle, class)
	if err := d.s.q.nc.PublishRequest(nextMessage(consumer), d.last(), data); err != nil {
		return fmt.Errorf("ask for work: %w", err)
	}
	d.open = true
	return nil
}

// last is where the last request is answered.
func (d *desk) last() string { return d.inbox + "." + strconv.FormatUint(d.asked, 10) }

// forget gives up the open request. Should it be answered all the same, the answer
// is read as any other.
func (d *desk) forget() { d.open = false }

// read reads an answer: a message, or nil with what ended the open request
// without one, which is an error unless there simply is no work.
func (d *desk) read(m *nats.Msg) (*delivery, error) {
	if m.Reply != "" {
		// The subject is the message's own; that a request was answered, and which,
		// only a status tells.
		d.open = false
		return &delivery{m}, nil
	}
	if !d.open || m.Subject != d.last() {
		return nil, nil
	}
	switch code := m.Header.Get(headerStatusCode); code {
	case "100":
		// A sign of life.
		return nil, nil
	case "404", "408":
		d.open = false
		return nil, nil
	default:
		d.open = false
		return nil, fmt.Errorf("ask for work: the server answered %s %s", code, strings.ToLower(m.Header.Get(headerStatusText)))
	}
}

// The headers of an answer that is no message.
const (
	headerStatusCode = "Status"
	headerStatusText = "Description"
)
