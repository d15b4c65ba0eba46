package e2e_test

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

const (
	photo = "subjects[0].photos[0]"
	style = "style"
)

func withPhoto(data []byte) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) { g.Subjects[0].Photos[0] = inline(data) }
}

func withStyle(data []byte) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) { g.Style = inline(data) }
}

// refused makes a generation that must not succeed and returns why, and whether
// it was refused at Create already. Each of meanwhile is called once the
// generation is denoised.
func refused(t *testing.T, client gatewayv1.GenerationServiceClient, g *gatewayv1.Generation, meanwhile ...func()) (*fault.Fault, bool) {
	t.Helper()
	created, err := client.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: g})
	if err != nil {
		return fault.From(err), true
	}
	ended := await(t, client, created.GetName(), func(p *gatewayv1.Progress) {
		if p.GetStage() == "denoise" && p.GetStep() > 0 {
			for _, do := range meanwhile {
				do()
			}
			meanwhile = nil
		}
	})
	if ended.GetState() != gatewayv1.State_STATE_FAILED || len(ended.GetPictures()) != 0 || ended.GetFault().GetRetryable() {
		t.Fatalf("it ended as %v with %d pictures: %v", ended.GetState(), len(ended.GetPictures()), ended.GetFault())
	}
	return fault.FromProto(ended.GetFault()), false
}

func TestBadInput(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	good := pictures(t, client, request(t))
	face := decoded(t, example(t, "amara"))
	other := decoded(t, example(t, "erik"))
	jpeg := encodedJPEG(t, face)
	two := encodedPNG(t, canvas(256, 128, map[image.Rectangle]image.Image{
		image.Rect(0, 0, 128, 128): face, image.Rect(128, 0, 256, 128): other,
	}))
	small := encodedPNG(t, canvas(64, 64, map[image.Rectangle]image.Image{image.Rect(12, 12, 52, 52): face}))
	cmyk, err := os.ReadFile(filepath.Join("testdata", "cmyk.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*gatewayv1.Generation)
		reason faultv1.Reason
		field  string
		// early says that Create refuses it, before any model runs.
		early bool
	}{
		{"not a picture", withPhoto([]byte("hello, this is a text")), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, photo, true},
		{"an empty file", withPhoto(nil), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, photo, true},
		{"an empty style", withStyle([]byte{}), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, style, true},
		{"a truncated file", withPhoto(jpeg[:len(jpeg)/2]), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, photo, false},
		{"a truncated header", withStyle(jpeg[:100]), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, style, true},
		{"an animated picture", withStyle(animated(t)), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, style, true},
		{"16 bits", withPhoto(deep(t)), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, photo, true},
		{"CMYK", withPhoto(cmyk), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, photo, true},
		{"40,000 x 40,000 pixels", withPhoto(huge(t)), faultv1.Reason_REASON_IMAGE_TOO_LARGE, photo, true},
		{"a style of 40,000 x 40,000 pixels", withStyle(huge(t)), faultv1.Reason_REASON_IMAGE_TOO_LARGE, style, true},
		{"too many bytes", withPhoto(append(bytes.Clone(jpeg), make([]byte, 17<<20)...)), faultv1.Reason_REASON_IMAGE_TOO_LARGE, photo, true},
		{"a tiny picture", withPhoto(encodedPNG(t, canvas(8, 8, nil))), faultv1.Reason_REASON_IMAGE_TOO_SMALL, photo, true},
		{"no face", withPhoto(encodedPNG(t, canvas(128, 128, nil))), faultv1.Reason_REASON_NO_FACE_FOUND, photo, false},
		{"two faces", withPhoto(two), faultv1.Reason_REASON_SEVERAL_FACES_FOUND, photo, false},
		{"a face of 20 pixels", withPhoto(small), faultv1.Reason_REASON_FACE_TOO_SMALL, photo, false},
		{"alpha of 1.5", func(g *gatewayv1.Generation) { g.Alpha = new(float32(1.5)) }, faultv1.Reason_REASON_INVALID_FIELD, "alpha", true},
		{"0 steps", func(g *gatewayv1.Generation) { g.Steps = new(int32(0)) }, faultv1.Reason_REASON_INVALID_FIELD, "steps", true},
		{"no guidance", func(g *gatewayv1.Generation) { g.GuidanceScale = new(float32(0)) }, faultv1.Reason_REASON_INVALID_FIELD, "guidance_scale", true},
		{"9 pictures", func(g *gatewayv1.Generation) { g.PictureCount = new(int32(9)) }, faultv1.Reason_REASON_INVALID_FIELD, "picture_count", true},
		{"a width beside the canvas", func(g *gatewayv1.Generation) { g.Width = new(int32(7)) }, faultv1.Reason_REASON_INVALID_FIELD, "width", true},
		{"neither style nor prompt", unstyled, faultv1.Reason_REASON_NOTHING_TO_MAKE, "", true},
		{"KEEP without a style", func(g *gatewayv1.Generation) { prompted(g); unstyled(g); kept(g) }, faultv1.Reason_REASON_INVALID_FIELD, "background", true},
		{"a long prompt", func(g *gatewayv1.Generation) { g.Prompt = strings.Repeat("portrait ", 200) }, faultv1.Reason_REASON_PROMPT_TOO_LONG, "prompt", false},
		{"a prompt of 3,000 characters", func(g *gatewayv1.Generation) { g.Prompt = strings.Repeat("x", 3000) }, faultv1.Reason_REASON_PROMPT_TOO_LONG, "prompt", true},
		{"nobody", func(g *gatewayv1.Generation) { g.Subjects = nil }, faultv1.Reason_REASON_INVALID_FIELD, "subjects", true},
		{"no photo", func(g *gatewayv1.Generation) { g.Subjects[0].Photos = nil }, faultv1.Reason_REASON_INVALID_FIELD, "subjects[0].photos", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, early := refused(t, client, request(t, test.change))
			if f.Reason != test.reason || f.Field != test.field {
				t.Errorf("got %v at %q (%s), want %v at %q", f.Reason, f.Field, f.Message, test.reason, test.field)
			}
			if early != test.early {
				t.Errorf("refused at Create: %t, want %t", early, test.early)
			}
			if f.Message == "" {
				t.Error("there is no way out")
			}
		})
	}
	t.Run("the mesh goes on serving", func(t *testing.T) {
		same(t, pictures(t, client, request(t)), good)
	})
}

func TestOneBadPhotoOfTwoDoesNotFail(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	g := request(t, func(g *gatewayv1.Generation) {
		blank := inline(encodedPNG(t, canvas(128, 128, nil)))
		g.Subjects[0].Photos = []*mediav1.Picture{blank, g.Subjects[0].Photos[0]}
	})
	created, err := client.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: g})
	if err != nil {
		t.Fatal(err)
	}
	ended := await(t, client, created.GetName(), nil)
	samePixels(t, fetch(t, client, ended), pictures(t, client, request(t)))
	verdicts := ended.GetPhotoVerdicts()
	if len(verdicts) != 2 || verdicts[0].GetUsed() || !verdicts[1].GetUsed() ||
		verdicts[0].GetFault().GetReason() != faultv1.Reason_REASON_NO_FACE_FOUND {
		t.Errorf("the verdicts are %v", verdicts)
	}
}

func TestAPictureOnItsSideIsTurned(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	pictures(t, client, request(t, withPhoto(onItsSide(t, decoded(t, example(t, "amara"))))))
}
