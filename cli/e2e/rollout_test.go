package e2e_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/provenance"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/worker"
)

// lostLease is longer than a gateway's lease: whoever may take up what a dead one
// held has done so by then.
const lostLease = 7 * time.Second

// Two bundles are served side by side, each by a gateway and workers of its own, as
// in the middle of a roll-out. What was asked of one never goes to the other, also
// while the one is down; a gateway that comes anew finds the calls of the one
// before it.
func TestARollOut(t *testing.T) {
	before := inSeparateProcesses(t)
	after := inSeparateProcesses(t, func(s *separate) { s.nats, s.dir, s.bundle = before.nats, before.dir, nextVersion(t) })
	old, next := bundleIn(t, before.bundle), bundleIn(t, after.bundle)
	seen := listen(t, before.nats.listen)

	made(t, before, old, 1)
	made(t, after, next, 1)

	// The old denoiser idles, and is not given the work of the new one.
	after.parts["denoiser-svc"].kill()
	waiting := ask(t, after, 2)
	seen.until(t, func(s *traffic) bool { return len(s.published(next, "denoiser")) == 2 })
	made(t, before, old, 2)
	if states := census(t, after.client(), []string{waiting}); states[gatewayv1.State_STATE_RUNNING] != 1 {
		t.Errorf("without a denoiser, it is %v", states)
	}
	after.start("denoiser-svc")
	ofBundle(t, fetch(t, after.client(), await(t, after.client(), waiting, nil)), next)

	// The old gateway dies over generations that wait for their denoiser. The new
	// one leaves them alone; its successor takes them up and joins their calls.
	before.parts["denoiser-svc"].kill()
	const held = 4
	var names []string
	for n := range uint64(held) {
		names = append(names, ask(t, before, 3+n))
	}
	seen.until(t, func(s *traffic) bool { return len(s.published(old, "denoiser")) == 2+held })
	before.parts["gateway"].kill()
	asked := seen.published(old, "denoiser")
	records := recordsOf(t, before)
	claimed := claims(t, records, names)
	for died, n := time.Now(), uint64(3); time.Since(died) < lostLease; n++ {
		made(t, after, next, n)
	}
	if now := claims(t, records, names); !slices.Equal(now, claimed) {
		t.Errorf("the generations had been taken up %v times, and while nobody was there for them they were %v times", claimed, now)
	}
	before.start("gateway")
	seen.until(t, func(s *traffic) bool {
		again, answered := s.published(old, "denoiser"), s.recorded()
		for subject, times := range asked {
			if answered[keyOf(subject)] == 0 && again[subject] <= times {
				return false
			}
		}
		return true
	})
	before.start("denoiser-svc")
	for _, name := range names {
		ofBundle(t, fetch(t, before.client(), await(t, before.client(), name, nil)), old)
	}

	// Asked once more, the first generation's calls have the keys that they had.
	known := seen.keys(old, "c")
	made(t, before, old, 1)
	if now := seen.keys(old, "c"); len(known) == 0 || !slices.Equal(now, known) {
		t.Errorf("the same pictures had the keys %v and have %v", known, now)
	}
	if n := len(seen.published(old, "denoiser")); n != 3+held {
		t.Errorf("%d calls of the old denoiser have keys, of %d pictures", n, 3+held)
	}
	theirs := seen.keys(next, "")
	for _, key := range seen.keys(old, "") {
		if _, both := slices.BinarySearch(theirs, key); both {
			t.Errorf("both bundles have a call with key %s", key)
		}
	}
	for subject := range seen.published(nil, "") {
		if id := strings.Split(subject, ".")[2]; id != old.ID() && id != next.ID() {
			t.Errorf("%s is of neither bundle", subject)
		}
	}
	for key, times := range seen.recorded() {
		if strings.HasPrefix(key, "o") && times != 1 {
			t.Errorf("%s was recorded %d times", key, times)
		}
	}
}

// nextVersion is the tiny bundle with another version in its manifest.
func nextVersion(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "next")
	if err := os.CopyFS(dir, os.DirFS(testkit.TinyBundleDir(t))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "bundle.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]any
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["version"] = "9.9.9"
	if data, err = json.Marshal(manifest); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func bundleIn(t *testing.T, dir string) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Open(dir, bundle.Options{Cache: testkit.ModelCache(t)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask creates a generation of the same pictures, with the seed.
func ask(t *testing.T, mesh *separate, seed uint64) string {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	created, err := mesh.client().CreateGeneration(ctx, &gatewayv1.CreateGenerationRequest{Generation: request(t, seeded(seed))})
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	return created.GetName()
}

// made makes a picture, which must be of the bundle.
func made(t *testing.T, mesh *separate, by *bundle.Bundle, seed uint64) {
	t.Helper()
	ofBundle(t, fetch(t, mesh.client(), await(t, mesh.client(), ask(t, mesh, seed), nil)), by)
}

func ofBundle(t *testing.T, pictures [][]byte, by *bundle.Bundle) {
	t.Helper()
	for _, picture := range pictures {
		if r, err := provenance.Read(picture); err != nil || r.Bundle.Digest != by.Digest() {
			t.Errorf("the picture is of bundle %.12s, not %.12s: %v", r.Bundle.Digest, by.Digest(), err)
		}
	}
}

// recordsOf are the mesh's records.
func recordsOf(t *testing.T, mesh *separate) *jobqueue.Records {
	t.Helper()
	m := &worker.Mesh{NATSURL: mesh.nats.listen, NATSWait: patience, Replicas: 1, MaxMiB: 1024, SealKeyFile: filepath.Join(binaries(t), "seal.keys")}
	nc, err := m.Connect(t.Context(), "test", slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	q, err := m.OpenQueue(t.Context(), nc, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q.Records()
}

// claims is how often each generation was taken up.
func claims(t *testing.T, records *jobqueue.Records, names []string) []uint64 {
	t.Helper()
	times := make([]uint64, len(names))
	for i, name := range names {
		entry, err := records.Get(t.Context(), jobqueue.RecordKey{Tenant: "default", ID: strings.TrimPrefix(name, "generations/")})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		times[i] = entry.Record.GetLease().GetAttempt()
	}
	return times
}

// traffic is the stage work that was published, and the results that were
// recorded, since it listens.
type traffic struct {
	mu      sync.Mutex
	work    map[string]int
	results map[string]int
}

func listen(t *testing.T, url string) *traffic {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s := &traffic{work: map[string]int{}, results: map[string]int{}}
	if _, err = nc.Subscribe("work.>", func(m *nats.Msg) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.work[m.Subject]++
	}); err == nil {
		_, err = nc.Subscribe("event.*.*.done", func(m *nats.Msg) {
			if len(m.Data) == 0 {
				return // the work left the queue
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.results[strings.Split(m.Subject, ".")[2]]++
		})
	}
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// published is how often work of a bundle and stage was published, by subject; of
// all when they are empty.
func (s *traffic) published(by *bundle.Bundle, stage string) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := maps.Clone(s.work)
	maps.DeleteFunc(found, func(subject string, _ int) bool {
		parts := strings.Split(subject, ".")
		return by != nil && parts[2] != by.ID() || stage != "" && parts[1] != stage
	})
	return found
}

// keys are those of a bundle's work that begin so, in order.
func (s *traffic) keys(by *bundle.Bundle, begin string) []string {
	var found []string
	for subject := range s.published(by, "") {
		if key := keyOf(subject); strings.HasPrefix(key, begin) {
			found = append(found, key)
		}
	}
	slices.Sort(found)
	return found
}

func keyOf(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// recorded is how often each key got a result.
func (s *traffic) recorded() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.results)
}

// until waits until something was seen.
func (s *traffic) until(t *testing.T, seen func(*traffic) bool) {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	for !seen(s) {
		if ctx.Err() != nil {
			t.Fatal("it was not seen")
		}
		breathe(ctx)
	}
}
