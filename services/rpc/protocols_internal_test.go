package rpc

import (
	"context"
	"net"
	"testing"
	"time"
)

// A connection that was handed over as the server began to drain kept a deadline
// in the past, so its request was cut off.
func TestDrainingLeavesAloneWhatWasRead(t *testing.T) {
	for range 200 {
		draining, drain := context.WithCancel(t.Context())
		server, client := net.Pipe()
		go func() {
			_, _ = client.Write([]byte(http2Start))
			drain()
			_, _ = client.Write([]byte("x"))
		}()
		p := newProtocols(draining, nil)
		if _, err := p.read(server, make([]byte, len(http2Start))); err != nil {
			t.Fatal(err)
		}
		_ = server.SetDeadline(time.Time{}) // as whoever takes it over does
		if _, err := server.Read(make([]byte, 1)); err != nil {
			t.Fatalf("the next byte: %v", err)
		}
		drain()
		_, _ = server.Close(), client.Close()
	}
}
