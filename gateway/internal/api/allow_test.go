package api_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// grant makes the limits those of every tenant.
func (h *harness) grant(l tenant.Limits) *api.Service {
	h.limits = func(string) tenant.Limits { return l }
	return h.serve(h.blobs)
}

// used is how many pictures of a day are counted.
func (h *harness) used(t *testing.T, day time.Time) int64 {
	t.Helper()
	n, err := h.pictures.Value(t.Context(), jobqueue.RecordKey{Tenant: "default", ID: day.UTC().Format(time.DateOnly)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// asking for n pictures, each the best of tries.
func pictures(t *testing.T, n, tries int32) *gatewayv1.CreateGenerationRequest {
	t.Helper()
	g := request(t)
	g.PictureCount, g.BestOf = &n, &tries
	return &gatewayv1.CreateGenerationRequest{Generation: g}
}

func TestPicturesOfADayAreCounted(t *testing.T) {
	h := open(t)
	clock := time.Date(2026, 11, 25, 22, 30, 0, 0, time.UTC)
	h.now = func() time.Time { return clock }
	s := h.grant(tenant.Limits{PicturesPerDay: 10})
	first := pictures(t, 2, 2)
	first.RequestId = "5ad9a7a4-6a0c-4f0c-8ee7-3a4c3c2f1b0d"
	for name, req := range map[string]*gatewayv1.CreateGenerationRequest{"first": first, "repeated": first} {
		if _, err := s.CreateGeneration(t.Context(), req); err != nil || h.used(t, clock) != 4 {
			t.Errorf("%s: %v, %d are used", name, err, h.used(t, clock))
		}
	}
	_, err := s.CreateGeneration(t.Context(), pictures(t, 7, 1))
	f := fault.From(err)
	if f.Reason != faultv1.Reason_REASON_QUOTA_EXHAUSTED || !f.Retryable || f.RetryAfter != 90*time.Minute ||
		f.Limit == nil || *f.Limit != (fault.Limit{Name: "pictures-per-day", Value: 10}) || h.used(t, clock) != 4 {
		t.Errorf("too many: %+v, %d are used", f, h.used(t, clock))
	}
	if _, err := s.CreateGeneration(t.Context(), pictures(t, 6, 1)); err != nil {
		t.Errorf("the rest: %v", err)
	}
	if _, err := s.CreateGeneration(t.Context(), pictures(t, 8, 2)); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("more than any day has: %v", err)
	}
	if _, err := s.CreateGeneration(jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "bob"}), pictures(t, 6, 1)); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	clock = clock.Add(2 * time.Hour)
	if _, err := s.CreateGeneration(t.Context(), pictures(t, 7, 1)); err != nil || h.used(t, clock) != 7 {
		t.Errorf("the next day: %v", err)
	}
}

// brokenBlobs is a store that takes nothing.
type brokenBlobs struct{ api.Blobs }

func (brokenBlobs) Put(context.Context, string, string, []byte, string) (*mediav1.Blob, error) {
	return nil, errors.New("no space")
}

func TestARefusedRequestGivesBackWhatItTook(t *testing.T) {
	h := open(t)
	day := time.Now() // and stays
	h.now = func() time.Time { return day }
	line, err := jobqueue.NewLine(h.queue.Records(), jobqueue.LineSettings{Bundle: served})
	if err != nil {
		t.Fatal(err)
	}
	h.line = line
	h.grant(tenant.Limits{PicturesPerDay: 10, InFlight: 1})
	broken := h.serve(brokenBlobs{h.blobs})
	for range 2 {
		// The second finds the place of the first free again.
		if _, err := broken.CreateGeneration(t.Context(), pictures(t, 3, 1)); err == nil || fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED) {
			t.Fatalf("got %v", err)
		}
	}
	if n := h.used(t, day); n != 0 {
		t.Errorf("%d are used", n)
	}
	s := h.serve(h.blobs)
	if _, err := s.CreateGeneration(t.Context(), pictures(t, 3, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateGeneration(t.Context(), pictures(t, 3, 1)); !fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED) {
		t.Errorf("one too many under way: %v", err)
	}
	if n := h.used(t, day); n != 3 {
		t.Errorf("%d are used", n)
	}
}

// However many ask at the same moment, limits hold exactly within one gateway.
func TestLimitsHoldForThoseWhoAskAtOnce(t *testing.T) {
	for name, limits := range map[string]tenant.Limits{
		"in flight": {InFlight: 3}, "pictures of a day": {PicturesPerDay: 3},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			day := time.Now() // and stays
			h.now = func() time.Time { return day }
			line, err := jobqueue.NewLine(h.queue.Records(), jobqueue.LineSettings{Bundle: served})
			if err != nil {
				t.Fatal(err)
			}
			h.line = line
			s := h.grant(limits)
			var accepted atomic.Int64
			var all sync.WaitGroup
			for range 12 {
				all.Go(func() {
					switch _, err := s.CreateGeneration(t.Context(), pictures(t, 1, 1)); {
					case err == nil:
						accepted.Add(1)
					case !fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED):
						t.Error(err)
					}
				})
			}
			all.Wait()
			if accepted.Load() != 3 {
				t.Errorf("%d were accepted", accepted.Load())
			}
		})
	}
}

func TestATenantHasItsClasses(t *testing.T) {
	h := open(t)
	s := h.grant(tenant.Limits{Classes: []string{jobqueue.Batch}})
	for name, c := range map[string]struct {
		class string
		ok    bool
	}{
		"none named": {"", true}, "the allowed one": {jobqueue.Batch, true}, "another": {jobqueue.Interactive, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := jobqueue.WithCall(t.Context(), jobqueue.Call{Class: c.class})
			g, err := s.CreateGeneration(ctx, pictures(t, 1, 1))
			if !c.ok {
				if f := fault.From(err); f == nil || f.Field != "class" {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			entry, err := h.queue.Records().Get(t.Context(), generationKey(t, g))
			if err != nil || entry.Record.GetClass() != jobqueue.Batch {
				t.Errorf("it is stored as %v, %v", entry, err)
			}
		})
	}
}

func TestConsentIsWantedWhereTheOperatorSaysSo(t *testing.T) {
	e := openSubjects(t)
	photo := album(t, 1)[0]
	e.limit(tenant.Limits{RequireConsent: true})
	req := asking(photo)
	e.enrol(t.Context(), t, req)
	for _, none := range []string{"", "  "} {
		req.Subject.Consent = none
		if _, err := e.subjects.CreateSubject(t.Context(), req); !fault.Is(err, faultv1.Reason_REASON_CONSENT_MISSING) || fault.From(err).Field != "consent" {
			t.Errorf("%q got %v", none, err)
		}
	}
	req.ValidateOnly = true
	e.enrol(t.Context(), t, req)
}
