// Package erase removes what no generation needs any more, soon after it has
// ended: its face photos, and the data key of the work on it, with which its
// requests to the stages, their results and their checkpoints go. It sweeps blobs
// whose retention is over and data keys of generations that have expired. What it
// misses, because a gateway died with it in mind, the sweep takes later.
package erase

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// retention is that of the photos to erase. The few that were uploaded for
// longer, for a generation with a long timeout, may be results of another
// generation as well: those wait for the sweep.
const retention = blob.Day

const (
	every      = time.Minute
	sweepEvery = time.Hour
	// lastTime bounds the pass that a stop waits for.
	lastTime = 2 * time.Second
)

// Blobs is where pictures are kept; *blob.Store is one.
type Blobs interface {
	// Version tells one storing of a blob with a retention from another; empty
	// when it is not there.
	Version(ctx context.Context, tenant, retention string, b *mediav1.Blob) (string, error)
	// Delete removes a blob with a retention.
	Delete(ctx context.Context, tenant, retention string, b *mediav1.Blob) error
	// Sweep removes what has expired.
	Sweep(ctx context.Context, now time.Time) (removed int, err error)
}

// Generations tells which pictures are needed; *record.Store is one.
type Generations interface {
	// Unended returns a tenant's generations that have not ended.
	Unended(ctx context.Context, tenant string) ([]*gatewayv1.Generation, error)
}

// Work has the data keys of the work on generations; *jobqueue.Queue is one.
type Work interface {
	// ForgetWork destroys one.
	ForgetWork(ctx context.Context, key jobqueue.RecordKey) (bool, error)
	// SweepKeys destroys those of generations that are no more.
	SweepKeys(ctx context.Context, now time.Time) (destroyed int, err error)
}

// photos are blobs by their digest.
type photos map[string]*mediav1.Blob

// Eraser removes photos. It may be used by many goroutines.
type Eraser struct {
	blobs       Blobs
	generations Generations
	work        Work
	log         *slog.Logger

	mu sync.Mutex
	// due has the photos of generations that have ended, by tenant.
	due map[string]photos
	// over are generations whose work is to be forgotten.
	over []jobqueue.RecordKey
}

// New returns an eraser; Run runs it.
func New(blobs Blobs, generations Generations, work Work, log *slog.Logger) *Eraser {
	return &Eraser{blobs: blobs, generations: generations, work: work, log: log, due: make(map[string]photos)}
}

// Ended says that a generation has ended: its face photos may go, and so may the
// work on it.
func (e *Eraser) Ended(tenant string, g *gatewayv1.Generation) {
	e.add(tenant, facesOf(g))
	if id, ok := record.ParseName(g.GetName()); ok && !keepsWork(g) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.over = append(e.over, jobqueue.RecordKey{Tenant: tenant, ID: id})
	}
}

// keepsWork tells whether the operator may still look into the work on a
// generation, as dead letters: when it failed, unless because a person was
// deleted.
func keepsWork(g *gatewayv1.Generation) bool {
	return g.GetState() == gatewayv1.State_STATE_FAILED &&
		g.GetFault().GetReason() != faultv1.Reason_REASON_UNKNOWN_SUBJECT
}

// Drop says that photos were looked at and may go, unless a generation under
// way uses them.
func (e *Eraser) Drop(tenant string, blobs []*mediav1.Blob) {
	all := make(photos)
	for _, b := range blobs {
		all[b.GetSha256()] = b
	}
	e.add(tenant, all)
}

func (e *Eraser) add(tenant string, more photos) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.due[tenant] == nil {
		e.due[tenant] = make(photos)
	}
	maps.Copy(e.due[tenant], more)
}

func (e *Eraser) take() (map[string]photos, []jobqueue.RecordKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	due, over := e.due, e.over
	e.due, e.over = make(map[string]photos), nil
	return due, over
}

// Run erases now and then until ctx ends, and then once more.
func (e *Eraser) Run(ctx context.Context) {
	e.sweep(ctx)
	erase, sweep := time.NewTicker(every), time.NewTicker(sweepEvery)
	defer erase.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
			defer cancel()
			e.erase(last)
			return
		case <-erase.C:
			e.erase(ctx)
		case <-sweep.C:
			e.sweep(ctx)
		}
	}
}

func (e *Eraser) sweep(ctx context.Context) {
	removed, err := e.blobs.Sweep(ctx, time.Now())
	if err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "sweep of pictures failed", slog.Any("error", err))
	}
	if removed > 0 {
		e.log.InfoContext(ctx, "expired pictures are removed", slog.Int("count", removed))
	}
	destroyed, err := e.work.SweepKeys(ctx, time.Now())
	if err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "sweep of data keys failed", slog.Any("error", err))
	}
	if destroyed > 0 {
		e.log.InfoContext(ctx, "data keys of expired generations are destroyed", slog.Int("count", destroyed))
	}
}

// erase removes all that is due; where that fails it stays due.
func (e *Eraser) erase(ctx context.Context) {
	photos, over := e.take()
	for i, key := range over {
		if _, err := e.work.ForgetWork(ctx, key); err != nil {
			e.log.WarnContext(ctx, "the work on generations is not forgotten yet", slog.Any("error", err))
			e.mu.Lock()
			e.over = append(e.over, over[i:]...)
			e.mu.Unlock()
			break
		}
	}
	for tenant, due := range photos {
		if err := e.eraseOf(ctx, tenant, due); err != nil {
			e.log.WarnContext(ctx, "photos are not removed yet", slog.Any("error", err))
			e.add(tenant, due)
		}
	}
}

// eraseOf removes a tenant's photos that no generation under way uses. A
// generation that is created meanwhile stores its photos before its record and
// again after it: a photo that was stored anew between the first look at it
// and its end is left alone.
func (e *Eraser) eraseOf(ctx context.Context, tenant string, due photos) error {
	first := make(map[string]string)
	for digest, b := range due {
		version, err := e.blobs.Version(ctx, tenant, retention, b)
		if err != nil {
			return err
		}
		if version != "" {
			first[digest] = version
		}
	}
	used, err := e.used(ctx, tenant)
	if err != nil {
		return err
	}
	for digest, version := range first {
		if used[digest] != nil {
			// The end of the generation that uses it makes it due again.
			continue
		}
		again, err := e.blobs.Version(ctx, tenant, retention, due[digest])
		if err != nil {
			return err
		}
		if again != version {
			continue
		}
		if err := e.blobs.Delete(ctx, tenant, retention, due[digest]); err != nil {
			return err
		}
	}
	return nil
}

// used are the pictures of a tenant's generations that have not ended.
func (e *Eraser) used(ctx context.Context, tenant string) (photos, error) {
	list, err := e.generations.Unended(ctx, tenant)
	if err != nil {
		return nil, err
	}
	used := make(photos)
	for _, g := range list {
		maps.Copy(used, picturesOf(g))
	}
	return used, nil
}

func facesOf(g *gatewayv1.Generation) photos {
	all := make(photos)
	for _, subject := range g.GetSubjects() {
		all.add(subject.GetPhotos()...)
		for _, part := range subject.GetMix() {
			all.add(part.GetPhotos()...)
		}
	}
	return all
}

func picturesOf(g *gatewayv1.Generation) photos {
	all := facesOf(g)
	all.add(g.GetStyle())
	for _, subject := range g.GetSubjects() {
		all.add(subject.GetAt().GetMask())
	}
	return all
}

// add takes the pictures that are stored blobs.
func (p photos) add(pictures ...*mediav1.Picture) {
	for _, picture := range pictures {
		if b := picture.GetBlob(); b != nil {
			p[b.GetSha256()] = b
		}
	}
}
