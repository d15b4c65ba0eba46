package tenant_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/facestudio/facestudio/gateway/internal/tenant"
)

// journal is a log that can be waited for.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer func() { j.news <- struct{}{} }()
	return j.text.Write(b)
}

func (j *journal) take() string {
	<-j.news
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return j.text.String()
}

func TestTheFileIsReadAgain(t *testing.T) {
	path := write(t, "", "defaults: {in-flight: 1}\n")
	log := &journal{news: make(chan struct{}, 8)}
	s, err := tenant.Open(tenant.Settings{Path: path, Log: slog.New(slog.NewTextHandler(log, nil)), Meter: noop.NewMeterProvider()})
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan os.Signal, 1)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx, asked) })
	defer running.Wait()
	defer stop()

	write(t, path, "defaults: {in-flight: 2}\n")
	asked <- syscall.SIGHUP
	if said := log.take(); s.Of("acme").InFlight != 2 || !strings.Contains(said, "in use") {
		t.Errorf("when asked: %d, %s", s.Of("acme").InFlight, said)
	}
	write(t, path, "defaults: {in-flight: 3}\n")
	if log.take(); s.Of("acme").InFlight != 3 {
		t.Errorf("by itself: %d", s.Of("acme").InFlight)
	}
	write(t, path, "defaults: {in-flight: -3}\n")
	if said := log.take(); s.Of("acme").InFlight != 3 || !strings.Contains(said, "defaults.in-flight") {
		t.Errorf("a broken file: %d, %s", s.Of("acme").InFlight, said)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if said := log.take(); s.Of("acme").InFlight != 3 || !strings.Contains(said, filepath.Base(path)) {
		t.Errorf("a file that is gone: %d, %s", s.Of("acme").InFlight, said)
	}
	write(t, path, "defaults: {in-flight: 4}\n")
	if log.take(); s.Of("acme").InFlight != 4 {
		t.Errorf("a good one again: %d", s.Of("acme").InFlight)
	}
}

func TestWithoutAFile(t *testing.T) {
	s, err := tenant.Open(tenant.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	s.Run(t.Context(), nil)
	if got := s.Of("acme"); got.InFlight != 200 || got.Watches != 1000 || got.Weight != 1 {
		t.Errorf("got %+v", got)
	}
}
