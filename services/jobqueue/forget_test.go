package jobqueue_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestForgottenCallsAreComputedAnew(t *testing.T) {
	const secret = "an embedding that nobody is to keep"
	dir := t.TempDir()
	h := newHouseIn(t, dir, quick())
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "encoder"}, encoder{texts: func(context.Context, *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error) {
		runs.Add(1)
		return &encoderv1.EmbedTextsResponse{Embeddings: &mediav1.Tensor{Data: []byte(secret)}}, nil
	}}.register)
	conn := h.conn()
	ask := func(tenant string) {
		t.Helper()
		if _, err := encoderv1.NewEncoderServiceClient(conn).EmbedTexts(as(within(t, time.Minute), tenant, ""), &encoderv1.EmbedTextsRequest{Texts: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
	}
	forget := func(tenant, text string) {
		t.Helper()
		err := conn.Forget(as(within(t, time.Minute), tenant, ""), encoderv1.EncoderService_EmbedTexts_FullMethodName, &encoderv1.EmbedTextsRequest{Texts: []string{text}})
		if err != nil {
			t.Fatal(err)
		}
	}
	count := func(want int64) {
		t.Helper()
		if got := runs.Load(); got != want {
			t.Errorf("%d runs, want %d", got, want)
		}
	}
	forget("ada", "a")
	ask("ada")
	ask("ada")
	count(1)
	forget("bob", "a")
	forget("ada", "b")
	ask("ada")
	count(1)
	sealed := stored(t, h.nc, "KV_results", "$KV.results.ada.>")
	if onDisk(t, dir, secret) {
		t.Error("the result is in the files in the clear")
	}
	if !onDisk(t, dir, sealed) {
		t.Error("the result cannot be seen in the files, so that this test says little")
	}
	forget("ada", "a")
	if onDisk(t, dir, sealed) {
		t.Error("the bytes are still in the files")
	}
	forget("ada", "a")
	ask("ada")
	ask("ada")
	count(2)
	if err := conn.Forget(t.Context(), "/a.b.C/D", &encoderv1.EmbedTextsRequest{}); err == nil {
		t.Error("an unknown method can be forgotten")
	}
}
