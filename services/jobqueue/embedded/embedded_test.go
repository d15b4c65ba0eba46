package embedded_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/facestudio/facestudio/services/jobqueue/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, s embedded.Settings) *embedded.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	srv, err := embedded.Start(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func TestServesThisProcessAndOnLoopback(t *testing.T) {
	srv := start(t, embedded.Settings{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	defer srv.Close()
	inside, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	outside, err := nats.Connect(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	sub, err := inside.SubscribeSync("hello")
	if err != nil {
		t.Fatal(err)
	}
	if err := inside.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := outside.Publish("hello", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := sub.NextMsg(time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestDoesNotListenByDefaultAndLocksItsDirectory(t *testing.T) {
	dir := t.TempDir()
	srv := start(t, embedded.Settings{Dir: dir})
	if url := srv.URL(); url != "" {
		t.Errorf("it listens on %s", url)
	}
	if _, err := embedded.Start(t.Context(), embedded.Settings{Dir: dir}); err == nil {
		t.Error("a second server took the directory")
	}
	srv.Close()
	start(t, embedded.Settings{Dir: dir}).Close()
}

func TestRefusesWrongSettings(t *testing.T) {
	for name, s := range map[string]embedded.Settings{
		"no directory":   {},
		"not loopback":   {Dir: t.TempDir(), Listen: "0.0.0.0:4222"},
		"no port":        {Dir: t.TempDir(), Listen: "127.0.0.1"},
		"port too large": {Dir: t.TempDir(), Listen: "127.0.0.1:99999"},
		"a file":         {Dir: "/dev/null"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := embedded.Start(t.Context(), s); err == nil {
				t.Error("it started")
			}
		})
	}
}
