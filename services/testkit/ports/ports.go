// Package ports finds ports for the servers of tests.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Free are n ports of loopback that nobody listens on at the moment, below
// those that systems give to outgoing connections and to whoever asks for any: a
// server that comes back to one finds it free.
func Free(tb testing.TB, n int) []int {
	tb.Helper()
	ports := make([]int, 0, n)
	for len(ports) < n {
		l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))) //nolint:gosec // any free one
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // tcp was asked for
	}
	return ports
}

// Address is one of Free, as host:port.
func Address(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Free(tb, 1)[0])
}
