package erase_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/erase"
	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/testkit"
)

const tenant = "acme"

// house is a real store, and the generations that there are.
type house struct {
	*blob.Store
	list []*gatewayv1.Generation
	// onList is called while an eraser looks at the generations.
	onList func()
	// forgotten are the generations whose work was forgotten, and fail how often
	// that fails first.
	forgotten []jobqueue.RecordKey
	fail      int
	sweeps    int
}

func (h *house) ForgetWork(_ context.Context, key jobqueue.RecordKey) (bool, error) {
	if h.fail > 0 {
		h.fail--
		return false, errors.New("away")
	}
	h.forgotten = append(h.forgotten, key)
	return true, nil
}

func (h *house) SweepKeys(context.Context, time.Time) (int, error) {
	h.sweeps++
	return 0, nil
}

func (h *house) Unended(context.Context, string) ([]*gatewayv1.Generation, error) {
	if h.onList != nil {
		h.onList()
	}
	var unended []*gatewayv1.Generation
	for _, g := range h.list {
		if !record.Ended(g.GetState()) {
			unended = append(unended, g)
		}
	}
	return unended, nil
}

func (h *house) photo(t *testing.T, retention, text string) *mediav1.Picture {
	t.Helper()
	b, err := h.Put(t.Context(), tenant, retention, []byte(text), "image/png")
	if err != nil {
		t.Fatal(err)
	}
	return &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: b}}
}

func generation(state gatewayv1.State, style *mediav1.Picture, photos ...*mediav1.Picture) *gatewayv1.Generation {
	return &gatewayv1.Generation{State: state, Style: style, Subjects: []*gatewayv1.GenerationSubject{{Photos: photos}}}
}

func TestPhotosOfEndedGenerationsGo(t *testing.T) {
	const (
		ended   = gatewayv1.State_STATE_SUCCEEDED
		running = gatewayv1.State_STATE_RUNNING
	)
	tests := map[string]struct {
		others func(h *house, photo *mediav1.Picture) []*gatewayv1.Generation
		onList func(t *testing.T, h *house)
		there  bool
	}{
		"nobody else": {
			others: func(*house, *mediav1.Picture) []*gatewayv1.Generation { return nil },
		},
		"others that have ended": {
			others: func(_ *house, p *mediav1.Picture) []*gatewayv1.Generation {
				return []*gatewayv1.Generation{generation(ended, p, p)}
			},
		},
		"one that runs with the same photo": {
			others: func(_ *house, p *mediav1.Picture) []*gatewayv1.Generation {
				return []*gatewayv1.Generation{generation(running, nil, p)}
			},
			there: true,
		},
		"one that waits with it as its style": {
			others: func(_ *house, p *mediav1.Picture) []*gatewayv1.Generation {
				return []*gatewayv1.Generation{generation(gatewayv1.State_STATE_QUEUED, p)}
			},
			there: true,
		},
		"one that is created just now": {
			others: func(*house, *mediav1.Picture) []*gatewayv1.Generation { return nil },
			onList: func(t *testing.T, h *house) {
				t.Helper()
				time.Sleep(time.Millisecond)
				h.photo(t, blob.Day, "photo")
			},
			there: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, err := blob.Open(t.Context(), "mem://", testkit.Ring(t))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = store.Close() }()
				h := &house{Store: store}
				photo, style := h.photo(t, blob.Day, "photo"), h.photo(t, blob.Day, "style")
				g := generation(ended, style, photo)
				h.list = append(test.others(h, photo), g)
				if test.onList != nil {
					h.onList = func() { test.onList(t, h) }
				}
				e := erase.New(h, h, h, slog.New(slog.DiscardHandler))
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					e.Run(ctx)
				}()
				e.Ended(tenant, g)
				time.Sleep(time.Minute + time.Second)
				if _, there, err := h.Stored(t.Context(), tenant, blob.Day, photo.GetBlob()); there != test.there || err != nil {
					t.Errorf("the photo is there: %v, %v", there, err)
				}
				if _, there, _ := h.Stored(t.Context(), tenant, blob.Day, style.GetBlob()); !there {
					t.Error("the style picture is gone")
				}
				stop()
				<-done
			})
		})
	}
}

func TestStopErasesOnceMore(t *testing.T) {
	store, err := blob.Open(t.Context(), "mem://", testkit.Ring(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	h := &house{Store: store}
	photo, result := h.photo(t, blob.Day, "photo"), h.photo(t, blob.Week, "result")
	e := erase.New(h, h, h, slog.New(slog.DiscardHandler))
	e.Ended(tenant, generation(gatewayv1.State_STATE_FAILED, nil, photo, result))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	e.Run(ctx)
	if _, err := h.Get(t.Context(), tenant, photo.GetBlob()); err == nil {
		t.Error("the photo is there")
	}
	if _, err := h.Get(t.Context(), tenant, result.GetBlob()); err != nil {
		t.Errorf("a result that served as photo is gone: %v", err)
	}
}

func TestDroppedPhotosGoUnlessAGenerationNeedsThem(t *testing.T) {
	store, err := blob.Open(t.Context(), "mem://", testkit.Ring(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	h := &house{Store: store}
	enrolled, used := h.photo(t, blob.Day, "photo"), h.photo(t, blob.Day, "another")
	h.photo(t, blob.Kept, "photo")
	h.list = []*gatewayv1.Generation{generation(gatewayv1.State_STATE_RUNNING, nil, used)}
	e := erase.New(h, h, h, slog.New(slog.DiscardHandler))
	e.Drop(tenant, []*mediav1.Blob{enrolled.GetBlob(), used.GetBlob()})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	e.Run(ctx)
	for retention, want := range map[string]bool{blob.Day: false, blob.Kept: true} {
		if _, there, err := h.Stored(t.Context(), tenant, retention, enrolled.GetBlob()); there != want || err != nil {
			t.Errorf("with %s the photo is there: %v, %v", retention, there, err)
		}
	}
	if _, there, _ := h.Stored(t.Context(), tenant, blob.Day, used.GetBlob()); !there {
		t.Error("a photo that a generation uses is gone")
	}
}

func TestWorkIsForgottenUnlessItFailed(t *testing.T) {
	failed := func(why faultv1.Reason) *gatewayv1.Generation {
		g := generation(gatewayv1.State_STATE_FAILED, nil)
		g.Fault = &faultv1.Fault{Reason: why}
		return g
	}
	for name, test := range map[string]struct {
		g    *gatewayv1.Generation
		fail int
		want int
	}{
		"succeeded":           {generation(gatewayv1.State_STATE_SUCCEEDED, nil), 0, 1},
		"cancelled":           {generation(gatewayv1.State_STATE_CANCELLED, nil), 0, 1},
		"failed":              {failed(faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED), 0, 0},
		"a person is deleted": {failed(faultv1.Reason_REASON_UNKNOWN_SUBJECT), 0, 1},
		"the store is away":   {generation(gatewayv1.State_STATE_SUCCEEDED, nil), 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, err := blob.Open(t.Context(), "mem://", testkit.Ring(t))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = store.Close() }()
				h := &house{Store: store, fail: test.fail}
				e := erase.New(h, h, h, slog.New(slog.DiscardHandler))
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					e.Run(ctx)
				}()
				test.g.Name = record.Name("00000000000000000000000001")
				e.Ended(tenant, test.g)
				time.Sleep(61 * time.Minute)
				stop()
				<-done
				if len(h.forgotten) != test.want || h.sweeps != 2 {
					t.Errorf("forgot %v, swept %d times", h.forgotten, h.sweeps)
				}
			})
		})
	}
}
