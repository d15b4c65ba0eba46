package e2e_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/facestudio/facestudio/proto/client"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

func TestTheGoClient(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	c := client.New(conn)
	ada, err := c.Enrol(t.Context(), enrolling(example(t, "amara")))
	if err != nil {
		t.Fatal(err)
	}
	enrolled := 0
	for s, err := range c.AllSubjects(t.Context()) {
		if err != nil || s.GetName() != ada.GetName() {
			t.Errorf("listed %v, %v", s, err)
		}
		enrolled++
	}
	if enrolled != 1 {
		t.Errorf("%d subjects are listed", enrolled)
	}
	stages := map[string]bool{}
	note := func(p *gatewayv1.ProgressEvent) { stages[p.GetProgress().GetStage()] = true }
	made, err := c.Generate(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: naming(t, ada.GetName())}, note)
	if err != nil {
		t.Fatal(err)
	}
	want := pictures(t, c.Generations, naming(t, ada.GetName()))
	if len(made.Pictures) != 1 || !bytes.Equal(made.Pictures[0].Data, want[0]) || made.Pictures[0].MediaType != "image/png" {
		t.Errorf("made %d pictures, not that of the request", len(made.Pictures))
	}
	// Progress is for those who are there in time: of so few steps it may be missed.
	for tries := 1; !stages["denoise"]; tries++ {
		slow := naming(t, ada.GetName(), func(g *gatewayv1.Generation) { g.Steps, g.PictureCount = new(int32(100)), new(int32(4)) })
		if _, err = c.Generate(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: slow}, note); err != nil || tries == 10 {
			t.Fatalf("progress told of %v, %v", stages, err)
		}
	}
	for range 2 { // the second finds it there
		large, err := c.Upload(t.Context(), encodedPNG(t, noise(800)))
		if err != nil {
			t.Fatal(err)
		}
		if err := acceptable(t, c, large); err != nil {
			t.Errorf("a large picture: %v", err)
		}
	}
	if _, err := c.Upload(t.Context(), []byte("this is a text")); err == nil {
		t.Error("a text was taken for a picture")
	}
	landscape := request(t, func(g *gatewayv1.Generation) {
		g.Subjects[0].Photos[0] = client.Inline(encodedPNG(t, canvas(128, 128, nil)))
	})
	_, err = c.Generate(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: landscape}, nil)
	failed, ok := errors.AsType[*client.Error](err)
	if !ok || failed.Reason != faultv1.Reason_REASON_NO_FACE_FOUND || failed.Field != "subjects[0].photos[0]" {
		t.Errorf("a photo without a face got %v", err)
	}
}

// acceptable wants a picture to be there under its name.
func acceptable(t *testing.T, c *client.Client, p *mediav1.Picture) error {
	t.Helper()
	_, err := c.Styles.CreateStyle(t.Context(), &gatewayv1.CreateStyleRequest{Style: &gatewayv1.Style{Picture: p}})
	return err
}
