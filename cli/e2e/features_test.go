package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// TestFeaturesOfSeparateProcesses has what is more than a picture that is the
// same in one process and in five.
func TestFeaturesOfSeparateProcesses(t *testing.T) {
	mesh := inSeparateProcesses(t)
	server := []string{"--server", mesh.parts["gateway"].listen}
	faces := filepath.Join(testkit.Root(t), "examples", "faces")
	t.Run("previews", func(t *testing.T) {
		// The stream may leave some out, to whoever is late all, but tells no others.
		var seen []*gatewayv1.ProgressEvent
		for tries := 1; len(seen) == 0 && tries <= 10; tries++ {
			seen = previews(t, mesh.client(), request(t, func(g *gatewayv1.Generation) {
				g.Steps, g.PreviewEvery, g.Width = new(int32(60)), 20, new(int32(48))
			}))
		}
		if len(seen) == 0 {
			t.Error("there is no preview")
		}
		for _, e := range seen {
			if step := e.GetProgress().GetStep(); step != 20 && step != 40 {
				t.Errorf("a preview after step %d", step)
			}
			if p := opened(t, e.GetPreview().GetData()); p.W != 48 || p.H != 32 {
				t.Errorf("the preview is %dx%d", p.W, p.H)
			}
		}
	})
	t.Run("views", func(t *testing.T) {
		poses := t.TempDir()
		for _, name := range []string{"erik", "mei", "rosa"} {
			if err := os.WriteFile(filepath.Join(poses, name+".jpg"), example(t, name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(poses, "blank.png"), encodedPNG(t, canvas(128, 128, nil)), 0o600); err != nil {
			t.Fatal(err)
		}
		sheet := filepath.Join(poses, "out", "views.png")
		if err := os.Mkdir(filepath.Dir(sheet), 0o700); err != nil {
			t.Fatal(err)
		}
		text, err := facestudio(t, append([]string{
			"views", "--face", filepath.Join(faces, "amara.jpg"), "--poses", poses,
			"--steps", "2", "--seed", "7", "--json", "-o", sheet,
		}, server...)...)
		var said struct {
			Seed  uint64
			Views []struct {
				Pose    string
				PoseYaw *float64 `json:"pose_yaw"`
			}
			Turns []struct{ Views int }
		}
		if err == nil {
			err = json.Unmarshal([]byte(text), &said)
		}
		if err != nil || said.Seed != 7 || len(said.Views) != 4 || len(said.Turns) == 0 {
			t.Fatalf("%v: %s", err, text)
		}
		for i, v := range said.Views {
			if nobody := filepath.Base(v.Pose) == "blank.png"; nobody != (v.PoseYaw == nil) || nobody != (i == 3) {
				t.Fatalf("view %d is %s: those without a face are last, and they alone have no turn", i, v.Pose)
			}
			if i > 0 && i < 3 && *v.PoseYaw < *said.Views[i-1].PoseYaw {
				t.Errorf("%s is turned less than the one before", v.Pose)
			}
		}
		data, err := os.ReadFile(sheet)
		if err != nil {
			t.Fatal(err)
		}
		opened(t, data)
	})
	t.Run("replay", func(t *testing.T) {
		dir := scratch.Dir(t)
		style, made := filepath.Join(dir, "style.png"), filepath.Join(dir, "made.webp")
		if err := os.WriteFile(style, encodedPNG(t, photoOfTwo(t)), 0o600); err != nil {
			t.Fatal(err)
		}
		who := []string{"--subject", "jun=" + filepath.Join(faces, "jun.jpg"), "--subject", "mei=" + filepath.Join(faces, "mei.jpg")}
		args := append([]string{"generate", "--style", style, "--in-place", "--steps", "2", "--seed", "9", "-o", made}, who...)
		if text, err := facestudio(t, append(args, server...)...); err != nil {
			t.Fatal(text)
		}
		args = append([]string{"replay", made, "--style", style}, who...)
		if text, err := facestudio(t, append(args, server...)...); err != nil || !strings.Contains(text, "the same") {
			t.Errorf("%v: %s", err, text)
		}
	})
	t.Run("a large photo on its side, in place", func(t *testing.T) {
		upload := onItsSide(t, canvas(2000, 3000, map[image.Rectangle]image.Image{
			image.Rect(200, 1900, 800, 2500): decoded(t, example(t, "erik")), image.Rect(900, 300, 1900, 1300): decoded(t, example(t, "rosa")),
		}))
		got := opened(t, pictures(t, mesh.client(), placed(t, photoOfTwo(t), 2, withStyle(upload)))[0])
		photo := opened(t, upload)
		if got.W != 2000 || got.H != 3000 {
			t.Fatalf("the result is %dx%d", got.W, got.H)
		}
		var outside, fresh int
		for y := range got.H {
			for x := range got.W {
				switch at := (image.Point{X: x, Y: y}); {
				case got.At(x, y) == photo.At(x, y):
				case at.In(image.Rect(180, 1880, 820, 2520)), at.In(image.Rect(880, 280, 1920, 1320)):
					fresh++
				default:
					outside++
				}
			}
		}
		if outside != 0 || fresh < 10_000 {
			t.Errorf("%d pixels outside the heads are new, and %d of them", outside, fresh)
		}
	})
}

// previews makes a generation and returns what was told of its progress together
// with a preview.
func previews(t *testing.T, client gatewayv1.GenerationServiceClient, g *gatewayv1.Generation) (seen []*gatewayv1.ProgressEvent) {
	t.Helper()
	created, err := client.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: g})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.WatchGeneration(t.Context(), &gatewayv1.WatchGenerationRequest{Name: created.GetName()})
	for err == nil {
		var event *gatewayv1.WatchGenerationResponse
		if event, err = stream.Recv(); err == nil && event.GetProgress().GetPreview() != nil {
			seen = append(seen, event.GetProgress())
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return seen
}

// TestPeopleOfATrainedBundle has what the tiny bundle cannot do: its canvas is
// too small for many people, and to its face encoder all people are alike.
func TestPeopleOfATrainedBundle(t *testing.T) {
	mesh := inSeparateProcesses(t, func(s *separate) { s.bundle = filepath.Join(testkit.Root(t), "models", "facestudio-128") })
	client := mesh.client()
	end := func(t *testing.T, g *gatewayv1.Generation) *gatewayv1.Generation {
		t.Helper()
		created, err := client.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: g})
		if err != nil {
			t.Fatal(err)
		}
		return await(t, client, created.GetName(), nil)
	}
	t.Run("eight people", func(t *testing.T) {
		g := end(t, request(t, unstyled, prompted, func(g *gatewayv1.Generation) {
			g.Steps, g.Width, g.Height, g.Subjects = new(int32(1)), new(int32(256)), new(int32(128)), nil
			for i, name := range []string{"amara", "clara", "edith", "elena", "erik", "jabari", "jun", "kenji"} {
				g.Subjects = append(g.Subjects, &gatewayv1.GenerationSubject{
					Name: name, Photos: []*mediav1.Picture{inline(example(t, name))},
					At: &gatewayv1.Placement{Where: &gatewayv1.Placement_Box{Box: &mediav1.Box{
						X: float32(64 * (i % 4)), Y: float32(64 * (i / 4)), Width: 64, Height: 64,
					}}},
				})
			}
		}))
		if p := opened(t, fetch(t, client, g)[0]); p.W != 256 || p.H != 128 {
			t.Errorf("the picture is %dx%d", p.W, p.H)
		}
		if len(g.GetPlacements()) != 8 {
			t.Errorf("%d people are placed", len(g.GetPlacements()))
		}
	})
	t.Run("a photo of somebody else", func(t *testing.T) {
		amara := decoded(t, example(t, "amara"))
		photos := [][]byte{
			example(t, "amara"),
			encodedPNG(t, canvas(160, 160, map[image.Rectangle]image.Image{image.Rect(16, 16, 144, 144): amara})),
			example(t, "erik"),
			encodedJPEG(t, canvas(200, 200, map[image.Rectangle]image.Image{image.Rect(0, 0, 200, 200): amara})),
		}
		several := func(photos ...[]byte) *gatewayv1.Generation {
			return end(t, request(t, func(g *gatewayv1.Generation) {
				g.Steps, g.Subjects[0].Photos = new(int32(1)), nil
				for _, photo := range photos {
					g.Subjects[0].Photos = append(g.Subjects[0].Photos, inline(photo))
				}
			}))
		}
		g := several(photos...)
		for i, v := range g.GetPhotoVerdicts() {
			if i != 2 && !v.GetUsed() {
				t.Errorf("a photo of the person: %v", v)
			}
			if i == 2 && (v.GetUsed() || v.GetFault().GetReason() != faultv1.Reason_REASON_NOT_SAME_PERSON || v.GetPhoto() != fmt.Sprintf("subjects[0].photos[%d]", i)) {
				t.Errorf("the photo of somebody else: %v", v)
			}
		}
		if len(g.GetPhotoVerdicts()) != len(photos) {
			t.Fatalf("%d verdicts: %v", len(g.GetPhotoVerdicts()), g.GetFault())
		}
		samePixels(t, fetch(t, client, g), fetch(t, client, several(photos[0], photos[1], photos[3])))
	})
}
