package rpc

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// begun is a connection whose first bytes are there at once.
type begun struct {
	net.Conn
	read     func()
	deadline func()
}

func (c *begun) Read(b []byte) (int, error) {
	c.read()
	return copy(b, http2Start), nil
}

func (c *begun) SetDeadline(time.Time) error {
	c.deadline()
	return nil
}

// A connection that was handed over as the server began to drain got a deadline
// in the past, so its request was cut off.
func TestDrainingLeavesAloneWhatWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		draining, drain := context.WithCancel(t.Context())
		conn := &begun{read: func() {}, deadline: func() { t.Error("a deadline was set on a connection that was read") }}
		if _, err := newProtocols(draining, nil).read(conn, make([]byte, len(http2Start))); err != nil {
			t.Fatal(err)
		}
		drain()
		synctest.Wait()
	})
}

func TestDrainingIsDoneWithWhatWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		draining, drain := context.WithCancel(t.Context())
		entered, set := make(chan struct{}), false
		conn := &begun{read: func() { drain(); <-entered }, deadline: func() {
			close(entered)
			time.Sleep(time.Second)
			set = true
		}}
		if _, err := newProtocols(draining, nil).read(conn, make([]byte, len(http2Start))); err != nil {
			t.Fatal(err)
		}
		if !set {
			t.Error("the deadline is set after the connection was read")
		}
	})
}
