package api_test

import (
	"context"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestDeletedGenerationsTakeTheirPicturesAlong(t *testing.T) {
	const id = "6f1ed1f5-0c4e-4b0b-9d4c-0a4c9d8e7f60"
	h := open(t)
	// The pictures of the first are "own" and "both", those of the second "both".
	texts := map[string][]string{}
	started := make(chan struct{})
	one := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t), RequestId: id})
	two := h.labelled(t.Context(), t, "blue")
	texts[one.GetName()], texts[two.GetName()] = []string{"own", "both"}, []string{"both"}
	remove := func(g *gatewayv1.Generation) (*gatewayv1.DeleteGenerationResponse, error) {
		return h.service.DeleteGeneration(t.Context(), &gatewayv1.DeleteGenerationRequest{Name: g.GetName()})
	}
	if _, err := remove(one); !fault.Is(err, faultv1.Reason_REASON_NOT_ENDED) {
		t.Errorf("one that waits: %v", err)
	}
	h.work(t, func(ctx context.Context, c *jobqueue.Claim) error {
		<-started
		return finish(ctx, c, func(g *gatewayv1.Generation) {
			g.State = gatewayv1.State_STATE_SUCCEEDED
			for _, text := range texts[g.GetName()] {
				b, err := h.blobs.Put(ctx, c.Key().Tenant, blob.Week, []byte(text), "image/png")
				if err != nil {
					t.Error(err)
				}
				g.Pictures = append(g.Pictures, &gatewayv1.ResultPicture{Blob: b})
			}
		})
	})
	close(started)
	for _, g := range []*gatewayv1.Generation{one, two} {
		changes, err := h.records.Watch(t.Context(), jobqueue.RecordKey{Tenant: "default", ID: idOf(t, g)})
		if err != nil {
			t.Fatal(err)
		}
		for change := range changes {
			if record.Ended(change.GetState()) {
				break
			}
		}
	}
	removed, err := remove(one)
	if err != nil || len(removed.GetPictures()) != 1 || len(removed.GetSharedPictures()) != 1 {
		t.Fatalf("removed %v, %v", removed, err)
	}
	if _, there, _ := h.blobs.Stored(t.Context(), "default", blob.Week, removed.GetPictures()[0]); there {
		t.Error("its own picture is there")
	}
	if _, there, _ := h.blobs.Stored(t.Context(), "default", blob.Week, removed.GetSharedPictures()[0]); !there {
		t.Error("the picture of the other is gone")
	}
	_, get := h.service.GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{Name: one.GetName()})
	_, cancel := h.service.CancelGeneration(t.Context(), &gatewayv1.CancelGenerationRequest{Name: one.GetName()})
	_, again := remove(one)
	for what, err := range map[string]error{"get": get, "cancel": cancel, "delete": again} {
		if !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_GENERATION) {
			t.Errorf("%s of a deleted one: %v", what, err)
		}
	}
	list, err := h.service.ListGenerations(t.Context(), new(gatewayv1.ListGenerationsRequest))
	if err != nil || len(list.GetGenerations()) != 1 {
		t.Errorf("listed %v, %v", list, err)
	}
	_, err = h.service.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: request(t), RequestId: id})
	if !fault.Is(err, faultv1.Reason_REASON_REQUEST_ID_REUSED) {
		t.Errorf("its request, repeated: %v", err)
	}
}

func idOf(t *testing.T, g *gatewayv1.Generation) string {
	t.Helper()
	id, ok := record.ParseName(g.GetName())
	if !ok {
		t.Fatalf("%q is no name", g.GetName())
	}
	return id
}
