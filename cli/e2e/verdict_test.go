package e2e_test

import (
	"testing"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/provenance"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// The tiny bundle's pictures are like nobody, so every try is made.
func TestTriesAreTold(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	created, err := client.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: request(t, func(g *gatewayv1.Generation) {
		g.MinSimilarity, g.MaxTries, g.PictureCount, g.Background = new(float32(1)), new(int32(2)), new(int32(2)), 0
	})})
	if err != nil {
		t.Fatal(err)
	}
	g := await(t, client, created.GetName(), nil)
	made := fetch(t, client, g)
	for i, p := range g.GetPictures() {
		tries := p.GetTries()
		if len(tries) != 3 {
			t.Fatalf("picture %d has %d tries, want 3", i, len(tries))
		}
		for n, try := range tries {
			if want := int32(i + 2*n); try.GetSeedIndex() != want {
				t.Errorf("try %d of picture %d has index %d, want %d", n, i, try.GetSeedIndex(), want)
			}
			if try.GetScore() >= 1 || (try.GetScore() == -1) != (len(try.GetSimilarities()) == 0) {
				t.Errorf("try %d of picture %d has score %v, %v", n, i, try.GetScore(), try.GetSimilarities())
			}
			if try.GetChosen() != (try.GetSeedIndex() == p.GetSeedIndex()) {
				t.Errorf("try %d of picture %d is chosen: %v", n, i, try.GetChosen())
			}
		}
		if len(p.GetWarnings()) == 0 {
			t.Errorf("picture %d, like nobody, has no warning", i)
		}
		record, err := provenance.Read(made[i])
		if err != nil || int32(record.Index) != p.GetSeedIndex() {
			t.Errorf("picture %d has the record %+v, %v", i, record, err)
		}
		// The kept picture is that of its index, made alone.
		alone := pictures(t, client, request(t, func(g *gatewayv1.Generation) { g.FirstIndex = p.GetSeedIndex() }))
		if string(alone[0]) != string(made[i]) {
			t.Errorf("picture %d is another when it is made alone", i)
		}
	}
}
