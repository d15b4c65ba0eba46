package e2e_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// link is what lies between one program and the servers: a TCP proxy for each of
// them that can be disturbed. It is TCP that is disturbed; TLS goes through.
type link struct {
	listeners []net.Listener
	running   sync.WaitGroup

	mu sync.Mutex
	// cut: connections are closed, and refused.
	cut bool
	// silent: connections stay, and nothing arrives any more.
	silent bool
	// delay is added to everything.
	delay time.Duration
	conns map[net.Conn]struct{}
}

// newLink begins to pass connections on to each of the ports.
func newLink(t *testing.T, ports []int) *link {
	t.Helper()
	l := &link{conns: map[net.Conn]struct{}{}}
	t.Cleanup(l.close)
	for _, port := range ports {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.listeners = append(l.listeners, listener)
		l.running.Go(func() { l.accept(listener, fmt.Sprintf("127.0.0.1:%d", port)) })
	}
	return l
}

// urls are where the program connects to.
func (l *link) urls() string {
	all := make([]string, len(l.listeners))
	for i, listener := range l.listeners {
		all[i] = "tls://" + listener.Addr().String()
	}
	return strings.Join(all, ",")
}

// disturb sets how the link is disturbed from now on.
func (l *link) disturb(cut, silent bool, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// What was swallowed is missing: such a connection is of no use any more.
	broken := cut || l.silent && !silent
	l.cut, l.silent, l.delay = cut, silent, delay
	if broken {
		l.hangUp()
	}
}

// heal ends every disturbance.
func (l *link) heal() { l.disturb(false, false, 0) }

// hangUp closes all connections; the caller holds mu.
func (l *link) hangUp() {
	for conn := range l.conns {
		_ = conn.Close()
	}
}

func (l *link) close() {
	for _, listener := range l.listeners {
		_ = listener.Close()
	}
	l.mu.Lock()
	l.hangUp()
	l.mu.Unlock()
	l.running.Wait()
}

// keep remembers a connection, unless the link is cut.
func (l *link) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		l.conns[conn] = struct{}{}
	}
	return !l.cut
}

func (l *link) forget(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		delete(l.conns, conn)
		_ = conn.Close()
	}
}

func (l *link) accept(listener net.Listener, to string) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		far, err := net.DialTimeout("tcp", to, 5*time.Second) //nolint:noctx // the link's own time
		if err != nil {
			_ = near.Close()
			continue
		}
		if !l.keep(near, far) {
			l.forget(near, far)
			continue
		}
		l.running.Go(func() {
			defer l.forget(near, far)
			var both sync.WaitGroup
			both.Go(func() { l.pass(near, far) })
			both.Go(func() { l.pass(far, near) })
			both.Wait()
		})
	}
}

// pass copies one direction. When one ends both do.
func (l *link) pass(from, to net.Conn) {
	defer func() { _, _ = from.Close(), to.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		l.mu.Lock()
		silent, delay := l.silent, l.delay
		l.mu.Unlock()
		if delay > 0 {
			time.Sleep(delay)
		}
		if n > 0 && !silent {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// A link passes on, delays, swallows, and cuts.
func TestLink(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	l := newLink(t, []int{listener.Addr().(*net.TCPAddr).Port}) //nolint:forcetypeassert // tcp was asked for
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", strings.TrimPrefix(l.urls(), "tls://")) //nolint:noctx // loopback
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	echoes := func(conn net.Conn, patience time.Duration) bool {
		if _, err := conn.Write([]byte{1}); err != nil {
			return false
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		_, err := io.ReadFull(conn, make([]byte, 1))
		return err == nil
	}
	conn := dial()
	if !echoes(conn, patience) {
		t.Error("it passes nothing on")
	}
	l.disturb(false, false, 50*time.Millisecond)
	if begun := time.Now(); !echoes(conn, patience) || time.Since(begun) < 100*time.Millisecond {
		t.Error("it does not delay")
	}
	l.disturb(false, true, 0)
	if echoes(conn, 200*time.Millisecond) {
		t.Error("it is not silent")
	}
	l.heal()
	if echoes(conn, patience) {
		t.Error("a connection that lost something goes on")
	}
	if !echoes(dial(), patience) {
		t.Error("it is not healed")
	}
	l.disturb(true, false, 0)
	if echoes(dial(), patience) {
		t.Error("it is not cut")
	}
}
