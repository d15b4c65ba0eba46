// Package scratch gives tests folders for servers that write a moment longer than
// they say.
package scratch

import (
	"os"
	"testing"
	"time"
)

// patience is how long a folder may still be written to.
const patience = 10 * time.Second

// Dir is tb.TempDir for an embedded nats-server: once stopped, it waits 100 ms for
// the states of its consumers to be written, and on a slow disk that takes longer.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "facestudio-test-") //nolint:usetesting // TempDir fails a test whose folder is still written to
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for end := time.Now().Add(patience); ; {
			err := os.RemoveAll(dir)
			if err == nil {
				return
			}
			if time.Now().After(end) {
				tb.Errorf("remove the test's folder: %v", err)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return dir
}
