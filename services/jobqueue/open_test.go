package jobqueue_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit/scratch"
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

// Who lists records is a consumer of their bucket, of which a server takes 1,000
// unless it is told otherwise.
func TestMoreThanAThousandMayList(t *testing.T) {
	h := newHouse(t, quick())
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	records, err := js.Stream(t.Context(), "KV_records")
	if err != nil {
		t.Fatal(err)
	}
	if most := records.CachedInfo().Config.MaxConsumers; most < 100_000 {
		t.Errorf("%d may", most)
	}
}

// A server without JetStream, or without room, is named at once.
func TestOpenNamesAServerThatCannot(t *testing.T) {
	for name, c := range map[string]struct {
		options server.Options
		says    string
	}{
		"no JetStream": {server.Options{}, "has no JetStream"},
		"no room":      {server.Options{JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 20}, "open stream WORK"},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.DontListen, c.options.NoSigs, c.options.NoLog = true, true, true
			srv, err := server.NewServer(&c.options)
			if err != nil {
				t.Fatal(err)
			}
			srv.Start()
			t.Cleanup(func() {
				srv.Shutdown()
				srv.WaitForShutdown()
			})
			nc, err := nats.Connect("", nats.InProcessServer(srv))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			begun := time.Now()
			_, err = jobqueue.Open(within(t, time.Minute), nc, jobqueue.Settings{})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
			if time.Since(begun) > 20*time.Second {
				t.Error("it was waited for")
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
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: scratch.Dir(t)})
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
		if _, err := encoderv1.NewEncoderServiceClient(h.conn()).EmbedTexts(as(within(t, time.Minute), "ada", ""), &encoderv1.EmbedTextsRequest{Texts: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}
