package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestOldServersAreNamed(t *testing.T) {
	for version, good := range map[string]bool{
		"2.15.0": true, "2.15.2-beta.1": true, "2.16.0": true, "3.0.0": true,
		"2.14.9": false, "2.9.25": false, "1.4.1": false, "unknown": false,
	} {
		err := checkVersion(version)
		if (err == nil) != good {
			t.Errorf("%s got %v", version, err)
		}
		if err != nil && (!strings.Contains(err.Error(), version) || !strings.Contains(err.Error(), leastVersion)) {
			t.Errorf("%q does not name the version and the least one", err)
		}
	}
}

// What may be otherwise in a moment is tried again, all else is told at once.
func TestPatience(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		again bool
	}{
		"no leader":          {&jetstream.APIError{Code: 503, ErrorCode: 10008}, true},
		"no leader to watch": {unavailable(&nats.APIError{Code: 503, ErrorCode: 10008}), true},
		"too few servers":    {&jetstream.APIError{Code: 400, ErrorCode: errNoPeers}, true},
		"no answer":          {context.DeadlineExceeded, true},
		"nobody there":       {nats.ErrNoResponders, true},
		"not connected":      {nats.ErrDisconnected, true},
		"not known yet":      {jetstream.ErrBucketNotFound, true},
		"other settings":     {ErrMismatch, false},
		"no JetStream":       {jetstream.ErrJetStreamNotEnabled, false},
		"not enough storage": {&jetstream.APIError{Code: 500, ErrorCode: 10047}, false},
	} {
		t.Run(name, func(t *testing.T) {
			runs := 0
			err := patiently(t.Context(), slog.New(slog.DiscardHandler), func(context.Context) error {
				if runs++; runs == 2 {
					return nil
				}
				return fmt.Errorf("open: %w", c.err)
			})
			if (runs == 2) != c.again || (err == nil) != c.again || !c.again && !errors.Is(err, c.err) {
				t.Errorf("%d runs, %v", runs, err)
			}
		})
	}
}
