package denoiser_test

import (
	"bytes"
	"slices"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	denoiser "github.com/facestudio/facestudio/denoiser-svc"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	"github.com/facestudio/facestudio/services/testkit/stage"
)

// samplers has all but UNSPECIFIED.
func samplers() []denoiserv1.Sampler {
	var all []denoiserv1.Sampler
	for i := range denoiserv1.Sampler_name {
		if i != 0 {
			all = append(all, denoiserv1.Sampler(i))
		}
	}
	slices.Sort(all)
	return all
}

func TestEverySamplerMakesItsPicture(t *testing.T) {
	client := dial(t)
	unspecified, _ := denoise(t, client, request(t))
	made := map[string]denoiserv1.Sampler{}
	for _, sampler := range samplers() {
		for _, karras := range []bool{false, true} {
			req := request(t)
			req.Steps, req.PreviewEvery, req.Sampler, req.KarrasSigmas = 6, 2, sampler, karras
			png, events, err := try(t, client, req)
			if !karras && sampler == denoiserv1.Sampler_SAMPLER_EULER_ANCESTRAL {
				req.Steps, req.PreviewEvery = 3, 0
				if named, _ := denoise(t, client, req); !bytes.Equal(named, unspecified) {
					t.Error("EULER_ANCESTRAL is not this bundle's default")
				}
			}
			if err != nil {
				if !karras || sampler != denoiserv1.Sampler_SAMPLER_DDIM && sampler != denoiserv1.Sampler_SAMPLER_EULER_ANCESTRAL {
					t.Errorf("%v: %v", sampler, err)
				}
				continue
			}
			var previews []int32
			for _, e := range events {
				if e.GetPreview() != nil {
					previews = append(previews, e.GetStep())
				}
			}
			if !slices.Equal(previews, []int32{2, 4}) {
				t.Errorf("%v: previews after %v", sampler, previews)
			}
			key := string(pixels(t, png))
			if other, ok := made[key]; ok {
				t.Errorf("%v gives the picture of %v", sampler, other)
			}
			made[key] = sampler
		}
	}
}

func TestStrength(t *testing.T) {
	client := dial(t)
	_, style := stylePicture(t)
	for _, sampler := range samplers() {
		var before []byte
		for _, c := range []struct {
			strength float32
			steps    int
		}{{1, 10}, {0.75, 7}, {0.5, 5}, {0.1, 1}} {
			req := request(t)
			req.Steps, req.Sampler, req.Strength, req.Style = 10, sampler, proto.Float32(c.strength), inline(style)
			png, events := denoise(t, client, req)
			if len(events) != c.steps || events[0].GetSteps() != int32(c.steps) {
				t.Errorf("%v at %g makes %d steps, want %d", sampler, c.strength, len(events), c.steps)
			}
			if bytes.Equal(png, before) {
				t.Errorf("%v: strength %g does not matter", sampler, c.strength)
			}
			before = png
		}
	}
}

// The weaker the strength, the nearer the picture is to the style picture as
// the bundle's own autoencoder shows it.
func TestStrengthKeepsThePicture(t *testing.T) {
	client := dial(t)
	_, style := stylePicture(t)
	at := func(strength float32) []uint8 {
		req := request(t)
		req.Steps, req.GuidanceScale, req.Strength, req.Style = 100, 1, proto.Float32(strength), inline(style)
		png, _ := denoise(t, client, req)
		return pixels(t, png)
	}
	decoded := at(0.01)
	last := 0.
	for _, strength := range []float32{0.1, 0.4, 1} {
		var difference float64
		for i, v := range at(strength) {
			d := float64(v) - float64(decoded[i])
			difference += d * d
		}
		if difference <= last {
			t.Errorf("at strength %g the picture is not further from the style picture", strength)
		}
		last = difference
	}
}

func TestStrengthWithKeep(t *testing.T) {
	client := dial(t)
	picture, style := stylePicture(t)
	for _, sampler := range samplers() {
		req := request(t)
		req.Steps, req.Sampler, req.Strength, req.Style = 8, sampler, proto.Float32(0.5), inline(style)
		req.Background = denoiserv1.Background_BACKGROUND_KEEP
		req.Identities[0].Mask = maskPicture(t, slices.Repeat([]float32{1, 1, 0, 0}, 4))
		png, events := denoise(t, client, req)
		got := pixels(t, png)
		changed := 0
		for i := range side * side {
			same := bytes.Equal(got[3*i:3*i+3], picture.Pix[3*i:3*i+3])
			if x := i % side; x > 16 && !same {
				t.Fatalf("%v: pixel %d, %d is not the style picture's", sampler, x, i/side)
			} else if x < 15 && !same {
				changed++
			}
		}
		if changed < 15*side/2 || len(events) != 4 {
			t.Errorf("%v: %d new pixels in %d steps", sampler, changed, len(events))
		}
	}
}

func TestAPictureIsTheSameInAnyBatch(t *testing.T) {
	const pictures = 8
	requests := make([]*denoiserv1.DenoiseRequest, pictures)
	for i := range requests {
		req := request(t)
		req.Seed, req.Index, req.Steps, req.Sampler = 7, uint32(i), int32(20+i%3), samplers()[i%5]
		if i%4 == 3 {
			req.GuidanceScale = 1
		}
		if i%3 == 2 {
			req.Width = 48
		}
		requests[i] = req
	}
	want := make([][]byte, pictures)
	alone := dial(t)
	for i, req := range requests {
		want[i], _ = denoise(t, alone, req)
	}
	for _, batch := range []int{2, 3, 5, pictures} {
		t.Run(strconv.Itoa(batch), func(t *testing.T) {
			env := stage.Env(t)
			env.Slots, env.Batch = pictures, batch
			client := denoiserv1.NewDenoiserServiceClient(stage.Dial(t, stage.Build(t, denoiser.Build, env)))
			var wait sync.WaitGroup
			for i, req := range requests {
				wait.Go(func() {
					png, _, err := try(t, client, req)
					if err != nil || !bytes.Equal(png, want[i]) {
						t.Errorf("picture %d is another in batches of %d: %v", i, batch, err)
					}
				})
			}
			wait.Wait()
		})
	}
}
