package jobqueue_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
)

func TestOpenNamesWhatDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		config jetstream.StreamConfig
		says   []string
	}{
		"retention": {jetstream.StreamConfig{Name: "WORK", Subjects: []string{"work.>"}}, []string{"WORK", "retention is Limits, not WorkQueue", "max_bytes"}},
		"limits":    {jetstream.StreamConfig{Name: "DEAD", Subjects: []string{"dead.>"}, MaxBytes: 1 << 10}, []string{"DEAD", "max_bytes is 1024, not"}},
		"bucket":    {jetstream.StreamConfig{Name: "KV_results", Subjects: []string{"$KV.results.>"}}, []string{"KV_results", "republish is none, not", "allow_msg_ttl"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, quick())
			js, err := jetstream.New(h.nc)
			if err != nil {
				t.Fatal(err)
			}
			if err := js.DeleteStream(t.Context(), c.config.Name); err != nil {
				t.Fatal(err)
			}
			if _, err := js.CreateStream(t.Context(), c.config); err != nil {
				t.Fatal(err)
			}
			_, err = jobqueue.Open(t.Context(), h.nc, quick())
			if !errors.Is(err, jobqueue.ErrMismatch) {
				t.Fatalf("got %v", err)
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestRunRefusesWrongSettings(t *testing.T) {
	h := newHouse(t, quick())
	register := prior{}.register
	for name, c := range map[string]struct {
		settings jobqueue.ServerSettings
		says     string
	}{
		"no stage":      {jobqueue.ServerSettings{Bundle: bundle}, "Stage"},
		"another stage": {jobqueue.ServerSettings{Stage: "encoder", Bundle: bundle}, "prior"},
		"no bundle":     {jobqueue.ServerSettings{Stage: "prior"}, "Bundle"},
		"slots":         {jobqueue.ServerSettings{Stage: "prior", Bundle: bundle, Slots: -1}, "Slots"},
	} {
		t.Run(name, func(t *testing.T) {
			s := jobqueue.NewServer(h.q, c.settings)
			register(s)
			if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := jobqueue.NewServer(h.q, jobqueue.ServerSettings{Stage: "prior", Bundle: bundle}).Run(t.Context()); err == nil {
		t.Error("a server without services runs")
	}
}

func TestManyProcessesOpenAtOnce(t *testing.T) {
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	h := &house{t: t, server: server}
	var opening sync.WaitGroup
	queues := make(chan *jobqueue.Queue, 6)
	for range cap(queues) {
		opening.Go(func() {
			nc, err := server.Connect()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(nc.Close)
			q, err := jobqueue.Open(t.Context(), nc, quick())
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(q.Close)
			queues <- q
		})
	}
	opening.Wait()
	close(queues)
	// One secret: what one process computed, another finds.
	var runs atomic.Int64
	for q := range queues {
		if runs.Load() == 0 {
			serve(t, q, jobqueue.ServerSettings{Stage: "encoder"}, encoder{texts: func(context.Context, *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error) {
				runs.Add(1)
				return &encoderv1.EmbedTextsResponse{}, nil
			}}.register)
		}
		h.q = q
		if _, err := encoderv1.NewEncoderServiceClient(h.conn()).EmbedTexts(as(within(t, 10*time.Second), "ada", ""), &encoderv1.EmbedTextsRequest{Texts: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}
