// Package gather has connections to NATS write together what is published at about the
// same time. The library writes each message by itself as soon as it is published. Where
// many goroutines publish on one connection, as calls and workers of the mesh do, that
// is most of what it costs them: a system call for every message, here, and often one in
// the server to read it.
//
// What is gathered waits for no clock, only until the goroutines that are ready to run
// have had their turn. What was not written yet when a connection ends is lost, as what
// the system had not sent yet is; the library is told of a failed write by the next one.
package gather

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Writes is the option of a connection that gathers.
func Writes() nats.Option {
	return nats.SetCustomDialer(dialer{net.Dialer{Timeout: nats.DefaultTimeout}})
}

type dialer struct{ net.Dialer }

// Dial implements nats.CustomDialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return New(conn), nil
}

// InProcess is a server in this process, connections to which gather.
func InProcess(server nats.InProcessConnProvider) nats.InProcessConnProvider { return provider{server} }

type provider struct{ nats.InProcessConnProvider }

// InProcessConn implements nats.InProcessConnProvider.
func (p provider) InProcessConn() (net.Conn, error) {
	conn, err := p.InProcessConnProvider.InProcessConn()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return New(conn), nil
}

const (
	// most is how much may wait to be written before writers wait, bytes.
	most = 1 << 20
	// kept is how large a buffer is kept for the next time, bytes.
	kept = 64 << 10
	// closeTime is how long closing waits for what is not written yet.
	closeTime = 500 * time.Millisecond
)

// Conn is a connection whose writes return before they are done. It is safe for
// concurrent use as far as the one below is.
type Conn struct {
	net.Conn
	// kick says that there is something to write, room that some of it was taken.
	kick, room chan struct{}
	// closing is closed by Close, ended by the loop.
	closing, ended chan struct{}
	once           sync.Once

	mu       sync.Mutex
	pending  []byte
	deadline time.Time
	failed   error
}

// New gathers what is written to conn. The caller closes it, and with it conn.
func New(conn net.Conn) *Conn {
	c := &Conn{
		Conn: conn, kick: make(chan struct{}, 1), room: make(chan struct{}, 1),
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	go c.loop()
	return c
}

// loop writes what was gathered until the connection is closed or fails.
func (c *Conn) loop() {
	defer close(c.ended)
	var spare []byte
	for open := true; open; {
		select {
		case <-c.kick:
		case <-c.closing:
			open = false
		}
		// Whoever is ready to write more goes first.
		c.linger()
		data := c.take(spare[:0])
		if len(data) > 0 {
			if _, err := c.Conn.Write(data); err != nil {
				c.fail(err)
				return
			}
		}
		if spare = data; cap(spare) > kept {
			spare = nil
		}
	}
	c.fail(net.ErrClosed)
}

// linger lets whoever is ready to write more go first.
func (c *Conn) linger() {
	for before, still := -1, 0; still < 8; {
		runtime.Gosched()
		c.mu.Lock()
		now := len(c.pending)
		c.mu.Unlock()
		if now != before {
			before, still = now, 0
		} else {
			still++
		}
	}
}

// take takes what was gathered, and leaves the next buffer.
func (c *Conn) take(next []byte) []byte {
	c.mu.Lock()
	data := c.pending
	c.pending = next
	c.mu.Unlock()
	select {
	case c.room <- struct{}{}:
	default:
	}
	return data
}

func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
}

// Write takes b to be written soon. It fails with what an earlier write failed with, and
// at the deadline when there is no room until then.
func (c *Conn) Write(b []byte) (int, error) {
	for {
		taken, deadline, err := c.add(b)
		if err != nil {
			return 0, err
		}
		if taken {
			return len(b), nil
		}
		if err := c.wait(deadline); err != nil {
			return 0, err
		}
	}
}

// add takes b if there is room.
func (c *Conn) add(b []byte) (taken bool, deadline time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil || len(c.pending) >= most {
		return false, c.deadline, c.failed
	}
	c.pending = append(c.pending, b...)
	select {
	case c.kick <- struct{}{}:
	default:
	}
	return true, time.Time{}, nil
}

// wait waits until there may be room, or never will be.
func (c *Conn) wait(deadline time.Time) error {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-c.room:
	case <-c.ended:
	case <-late:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// SetWriteDeadline bounds how long writes wait for room.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

// Close writes what was gathered, if that is possible soon, and closes.
func (c *Conn) Close() error {
	c.once.Do(func() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(closeTime))
		close(c.closing)
		<-c.ended
	})
	return c.Conn.Close()
}
