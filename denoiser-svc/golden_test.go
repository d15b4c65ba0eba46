package denoiser_test

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	"github.com/facestudio/facestudio/services/imaging"
)

type goldenFile struct {
	Tolerance  float64
	ImageEmbed []float32 `json:"image_embed"`
	Cases      []struct {
		Name          string
		Seed          string
		Picture       uint32
		Steps         int32
		GuidanceScale float32 `json:"guidance_scale"`
		Sampler       string
		Karras        bool
		Strength      float32
		MasksShape    []int `json:"masks_shape"`
		Masks         []float32
		FaceEmbeds    [][]float32 `json:"face_embeds"`
		FirstRowOfRed []float32   `json:"first_row_of_red"`
	}
}

func golden(t *testing.T) goldenFile {
	t.Helper()
	data, err := os.ReadFile("testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	var file goldenFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestGolden(t *testing.T) {
	client, file := dial(t), golden(t)
	_, style := stylePicture(t)
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			seed, err := strconv.ParseUint(c.Seed, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			req := &denoiserv1.DenoiseRequest{
				Seed: seed, Index: c.Picture, Steps: c.Steps, GuidanceScale: c.GuidanceScale, Alpha: 1,
				ImageEmbedding: vector(t, file.ImageEmbed), KarrasSigmas: c.Karras,
				Sampler: denoiserv1.Sampler(denoiserv1.Sampler_value["SAMPLER_"+strings.ToUpper(c.Sampler)]),
			}
			if c.Strength > 0 {
				req.Strength, req.Style = &c.Strength, inline(style)
			}
			area := c.MasksShape[1] * c.MasksShape[2]
			for n, face := range c.FaceEmbeds {
				req.Identities = append(req.Identities, &denoiserv1.Identity{
					FaceEmbedding: vector(t, face), Mask: maskPicture(t, c.Masks[n*area:(n+1)*area]),
				})
			}
			png, _ := denoise(t, client, req)
			picture, err := imaging.Decode(png, imaging.Limits{MinSide: 1})
			if err != nil {
				t.Fatal(err)
			}
			for x, want := range c.FirstRowOfRed {
				got := float64(picture.At(x, 0)[0])
				level := max(0, min(255, (float64(want)+1)/2*255))
				// Half a level for rounding.
				if math.Abs(got-level) > 0.5+file.Tolerance*127.5 {
					t.Fatalf("red of pixel %d is %g, want %g", x, got, level)
				}
			}
		})
	}
}
