package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrMismatch says that a stream or bucket exists with other settings than
// these; the error around it names both.
var ErrMismatch = errors.New("exists with other settings")

// markerTTL is how long the server keeps the marker of a key that expired. It
// is what makes per-key expiry possible; one second is the least.
const markerTTL = time.Second

// deadFactor is how much longer dead letters are kept than work.
const deadFactor = 30

const leastVersion = "2.15"

func checkServer(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) error {
	version := nc.ConnectedServerVersion()
	if version == "" {
		return fmt.Errorf("ask the NATS server for its version: %w", nats.ErrDisconnected)
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	if _, err := js.AccountInfo(ctx); err != nil {
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
			return fmt.Errorf("the NATS server %s has no JetStream for this account; enable it: %w", nc.ConnectedUrlRedacted(), err)
		}
		return fmt.Errorf("ask the NATS server for its account: %w", err)
	}
	return nil
}

func checkVersion(version string) error {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major < 2 || major == 2 && minor < 15 {
		return fmt.Errorf("the NATS server has version %q; use %s or newer", version, leastVersion)
	}
	return nil
}

func workConfig(s Settings) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: workStream, Description: "stage work in flight",
		Subjects: []string{workAll}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxMsgsPerSubject: 1,
		MaxBytes: s.MaxBytes, MaxAge: s.MaxAge, Replicas: s.Replicas,
		AllowDirect: true,
	}
}

func deadConfig(s Settings) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: deadStream, Description: "work that was given up",
		Subjects: []string{deadAll}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardOld, MaxMsgsPerSubject: -1, MaxBytes: s.MaxBytes, MaxAge: deadFactor * s.MaxAge,
		Replicas: s.Replicas, AllowDirect: true,
	}
}

// maxConsumers is how many may list or follow a bucket at once, in the whole mesh. Unless it
// is told, a server takes 1,000.
const maxConsumers = 100_000

// bucketConfig writes out what a key-value bucket is, so that an existing one
// can be compared with it.
func bucketConfig(s Settings, name, description string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "KV_" + name, Description: description,
		Subjects: []string{"$KV." + name + ".>"}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1,
		MaxBytes: s.MaxBytes, Replicas: s.Replicas, MaxConsumers: maxConsumers,
		// Forget overwrites single results.
		AllowRollup: true, DenyDelete: name != resultsName, AllowDirect: true,
		AllowMsgTTL: true, SubjectDeleteMarkerTTL: markerTTL,
	}
}

// decisive makes a bucket answer through the server that leads it: any other may
// not know yet what was just written.
func decisive(c jetstream.StreamConfig) jetstream.StreamConfig {
	c.AllowDirect = false
	return c
}

// ensure makes the stream or checks the one that exists.
func ensure(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			// Somebody made it in between, not quite like this.
			stream, err = js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", want.Name, err)
	}
	if err := compare(stream.CachedInfo().Config, want); err != nil {
		return nil, err
	}
	return stream, nil
}

// compare names every setting of a stream that differs from the wanted one.
func compare(have, want jetstream.StreamConfig) error {
	var differ []string
	check := func(name string, have, want any) {
		if !reflect.DeepEqual(have, want) {
			differ = append(differ, fmt.Sprintf("%s is %v, not %v", name, have, want))
		}
	}
	check("subjects", have.Subjects, want.Subjects)
	check("retention", have.Retention, want.Retention)
	check("storage", have.Storage, want.Storage)
	check("discard", have.Discard, want.Discard)
	check("discard_new_per_subject", have.DiscardNewPerSubject, want.DiscardNewPerSubject)
	check("max_msgs_per_subject", have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	check("max_bytes", have.MaxBytes, want.MaxBytes)
	check("max_age", have.MaxAge, want.MaxAge)
	check("num_replicas", have.Replicas, want.Replicas)
	check("allow_msg_ttl", have.AllowMsgTTL, want.AllowMsgTTL)
	check("republish", republish(have), republish(want))
	if len(differ) == 0 {
		return nil
	}
	return fmt.Errorf("stream %s %w: %s; open it with the settings that it was made with, or change or delete it with the nats tool",
		want.Name, ErrMismatch, strings.Join(differ, ", "))
}

func republish(c jetstream.StreamConfig) string {
	if c.RePublish == nil {
		return "none"
	}
	return c.RePublish.Source + " to " + c.RePublish.Destination
}

// ensureBucket makes or checks a bucket and opens it.
func ensureBucket(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.KeyValue, error) {
	if _, err := ensure(ctx, js, want); err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, strings.TrimPrefix(want.Name, "KV_"))
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", want.Name, err)
	}
	return kv, nil
}
