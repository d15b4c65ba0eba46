// Package bench measures the mesh in this process: how fast it is ready, how
// long pictures take and how much of that the models need, and its memory.
package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/facestudio/facestudio/cli/mesh"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/ort"
)

// Settings says what to measure.
type Settings struct {
	// Mesh is the mesh to run.
	Mesh mesh.Config
	// Generation is made again and again, each time with another seed.
	Generation *gatewayv1.Generation
	// Pictures is how many to make; at least 2.
	Pictures int
	// Each, if not nil, is told after every picture how many there are.
	Each func(done int)
}

// Report is what was measured. Seconds are wall time, sizes are MiB.
type Report struct {
	// ReadySeconds is from nothing to a mesh that is warm.
	ReadySeconds float64 `json:"ready_seconds"`
	// Pictures is how many were made.
	Pictures int `json:"pictures"`
	// FirstSeconds is the first picture, whose photos are new.
	FirstSeconds float64 `json:"first_seconds"`
	// MedianSeconds and WorstSeconds are of the pictures after the first.
	MedianSeconds float64 `json:"median_seconds"`
	WorstSeconds  float64 `json:"worst_seconds"`
	// ModelSeconds is the median of the union of the models' runs a picture.
	ModelSeconds float64 `json:"model_seconds"`
	// Overhead is the median of wall time over ModelSeconds.
	Overhead float64 `json:"overhead"`
	// RoleSeconds is the mean time a picture that runs of each role took.
	RoleSeconds map[string]float64 `json:"role_seconds"`
	// ResidentMiB is the resident memory at the end; 0 where it is not known.
	ResidentMiB float64 `json:"resident_mib"`
	// PeakMiB is the most resident memory there was.
	PeakMiB float64 `json:"peak_mib"`
	// SlopeMiB is the growth of resident memory in 100 pictures: the slope of
	// the least-squares line through the second half of the pictures.
	SlopeMiB float64 `json:"slope_mib_per_100"`
	// HeldSlopeMiB is the same of what is held: what lives on Go's heap, and all
	// that is resident outside Go. It leaves out the memory between two collections
	// and the free pages that the runtime keeps or gives back as it sees fit.
	HeldSlopeMiB float64 `json:"held_slope_mib_per_100"`
}

// Run starts the mesh, makes the pictures one after the other and measures.
func Run(ctx context.Context, s Settings) (_ Report, err error) {
	start := time.Now()
	m, err := mesh.Open(ctx, s.Mesh, slog.New(slog.DiscardHandler))
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	r := Report{ReadySeconds: time.Since(start).Seconds(), Pictures: s.Pictures}
	conn, err := m.Dial()
	if err != nil {
		return r, err
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- m.Run(serving) }()
	defer func() {
		err = errors.Join(err, conn.Close())
		stop()
		err = errors.Join(err, <-served)
	}()
	err = r.measure(ctx, m.Runtime(), gatewayv1.NewGenerationServiceClient(conn), s)
	return r, err
}

func (r *Report) measure(ctx context.Context, runtime *ort.Runtime, client gatewayv1.GenerationServiceClient, s Settings) error {
	roles := newRoles()
	runtime.Observe(roles.add)
	defer runtime.Observe(nil)
	var wall, model, overhead, resident, held []float64
	for i := range s.Pictures {
		seed := uint64(i)
		s.Generation.Seed = &seed
		busy, begin := runtime.Busy(), time.Now()
		if err := one(ctx, client, s.Generation); err != nil {
			return fmt.Errorf("picture %d: %w", i, err)
		}
		took, ran := time.Since(begin).Seconds(), (runtime.Busy() - busy).Seconds()
		if i == 0 {
			r.FirstSeconds = took
		} else {
			wall, model, overhead = append(wall, took), append(model, ran), append(overhead, took/ran)
		}
		now, peak := residentMiB()
		resident, held = append(resident, now), append(held, heldMiB(now))
		r.ResidentMiB, r.PeakMiB = now, peak
		if s.Each != nil {
			s.Each(i + 1)
		}
	}
	r.MedianSeconds, r.WorstSeconds = median(wall), slices.Max(wall)
	r.ModelSeconds, r.Overhead = median(model), median(overhead)
	r.RoleSeconds = roles.mean(s.Pictures)
	half := len(resident) / 2
	r.SlopeMiB, r.HeldSlopeMiB = 100*slope(resident[half:]), 100*slope(held[half:])
	return nil
}

// one makes a generation and waits for its end.
func one(ctx context.Context, client gatewayv1.GenerationServiceClient, g *gatewayv1.Generation) error {
	created, err := client.CreateGeneration(ctx, &gatewayv1.CreateGenerationRequest{Generation: g})
	if err != nil {
		return err
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	watch, err := client.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: created.GetName()})
	if err != nil {
		return err
	}
	for {
		event, err := watch.Recv()
		if err != nil {
			return err
		}
		switch g := event.GetGeneration(); g.GetState() {
		case gatewayv1.State_STATE_SUCCEEDED:
			return nil
		case gatewayv1.State_STATE_FAILED, gatewayv1.State_STATE_CANCELLED:
			return fmt.Errorf("it ended as %v: %s", g.GetState(), g.GetFault().GetMessage())
		}
	}
}

// roles adds up the runs of each role.
type roles struct {
	mu  sync.Mutex
	sum map[string]time.Duration
}

func newRoles() *roles { return &roles{sum: map[string]time.Duration{}} }

func (r *roles) add(run ort.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum[run.Role] += run.Duration
}

func (r *roles) mean(pictures int) map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]float64, len(r.sum))
	for role, sum := range r.sum {
		out[role] = sum.Seconds() / float64(pictures)
	}
	return out
}
