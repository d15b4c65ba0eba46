package denoiser_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	denoiser "github.com/facestudio/facestudio/denoiser-svc"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/provenance"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit/stage"
)

// side is the tiny bundle's default canvas, cell the width of a latent.
const side, cell = 32, 8

func dial(t *testing.T) denoiserv1.DenoiserServiceClient {
	t.Helper()
	env := stage.Env(t)
	env.Slots = 4
	return denoiserv1.NewDenoiserServiceClient(stage.Dial(t, stage.Build(t, denoiser.Build, env)))
}

// request is a small valid request with style guidance.
func request(t *testing.T) *denoiserv1.DenoiseRequest {
	t.Helper()
	file := golden(t)
	return &denoiserv1.DenoiseRequest{
		Seed: 7, Steps: 3, Alpha: 1,
		ImageEmbedding: vector(t, file.ImageEmbed),
		Identities:     []*denoiserv1.Identity{{FaceEmbedding: vector(t, file.Cases[0].FaceEmbeds[0])}},
	}
}

func vector(t *testing.T, v []float32) *mediav1.Tensor {
	t.Helper()
	row, err := tensor.From(v, int64(len(v)))
	if err != nil {
		t.Fatal(err)
	}
	return tensor.ToProto(row)
}

// maskPicture is a mask of the canvas, given by its latent cells. Half a cell
// is its left half.
func maskPicture(t *testing.T, cells []float32) *mediav1.Picture {
	t.Helper()
	g := imaging.NewGray(side, side)
	for i := range g.Pix {
		x, y := i%side, i/side
		if float32(x%cell) < cells[y/cell*(side/cell)+x/cell]*cell {
			g.Pix[i] = 255
		}
	}
	data, err := g.EncodePNG()
	if err != nil {
		t.Fatal(err)
	}
	return inline(data)
}

func inline(data []byte) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

// denoise returns the PNG and the progress before it.
func denoise(t *testing.T, client denoiserv1.DenoiserServiceClient, req *denoiserv1.DenoiseRequest) ([]byte, []*denoiserv1.Progress) {
	t.Helper()
	png, events, err := try(t, client, req)
	if err != nil {
		t.Fatal(err)
	}
	return png, events
}

func try(t *testing.T, client denoiserv1.DenoiserServiceClient, req *denoiserv1.DenoiseRequest) (png []byte, events []*denoiserv1.Progress, err error) {
	t.Helper()
	stream, err := client.Denoise(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for {
		res, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return png, events, nil
		}
		if err != nil {
			return nil, events, err
		}
		if png != nil {
			t.Error("an event after the result")
		}
		if p := res.GetProgress(); p != nil {
			events = append(events, p)
		}
		if r := res.GetResult(); r != nil {
			png = r.GetPicture().GetData()
		}
	}
}

func TestSameRequestSameBytes(t *testing.T) {
	client := dial(t)
	first, events := denoise(t, client, request(t))
	if len(events) != 3 || events[2].GetStep() != 3 || events[2].GetSteps() != 3 {
		t.Errorf("events %v", events)
	}
	// Beside others, whatever they are.
	results := make(chan []byte)
	const together = 4
	for i := range together {
		req := request(t)
		if i > 0 {
			req.Index, req.Steps = uint32(i), int32(2+i)
		}
		go func() {
			png, _, err := try(t, client, req)
			if err != nil {
				t.Error(err)
			}
			if i > 0 {
				png = nil
			}
			results <- png
		}()
	}
	for range together {
		if png := <-results; png != nil && !bytes.Equal(png, first) {
			t.Error("the same request gave other bytes beside others")
		}
	}
	other, _ := denoise(t, dial(t), request(t))
	if !bytes.Equal(first, other) {
		t.Error("another instance gave other bytes")
	}
}

func TestEachFieldMatters(t *testing.T) {
	client := dial(t)
	base := request(t)
	base.TextImageEmbedding = vector(t, slices.Repeat([]float32{0.3}, 48))
	first, _ := denoise(t, client, base)
	for name, change := range map[string]func(*denoiserv1.DenoiseRequest){
		"seed":     func(r *denoiserv1.DenoiseRequest) { r.Seed++ },
		"high":     func(r *denoiserv1.DenoiseRequest) { r.Seed += 1 << 40 },
		"index":    func(r *denoiserv1.DenoiseRequest) { r.Index++ },
		"steps":    func(r *denoiserv1.DenoiseRequest) { r.Steps++ },
		"scale":    func(r *denoiserv1.DenoiseRequest) { r.GuidanceScale = 5 },
		"no scale": func(r *denoiserv1.DenoiseRequest) { r.GuidanceScale = 1 },
		"alpha":    func(r *denoiserv1.DenoiseRequest) { r.Alpha = 0.5 },
		"face":     func(r *denoiserv1.DenoiseRequest) { r.Identities[0].FaceEmbedding = nil },
		"width":    func(r *denoiserv1.DenoiseRequest) { r.Width = 48 },
	} {
		req := proto.CloneOf(base)
		change(req)
		if png, _ := denoise(t, client, req); bytes.Equal(png, first) {
			t.Errorf("%s does not matter", name)
		}
	}
}

// pixels is what a PNG shows: its record differs where the request does.
func pixels(t *testing.T, png []byte) []uint8 {
	t.Helper()
	p, err := imaging.Decode(png, imaging.Limits{MinSide: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p.Pix
}

func TestAlphaEndsAreThePureBranches(t *testing.T) {
	client := dial(t)
	style := request(t).GetImageEmbedding()
	text := vector(t, slices.Repeat([]float32{0.3, -0.7}, 24))
	for name, c := range map[string]struct {
		alpha                     float32
		style, text, only, branch *mediav1.Tensor
	}{
		"style": {alpha: 1, style: style, text: text, only: style},
		"text":  {alpha: 0, style: style, text: text, only: text},
	} {
		both, pure := request(t), request(t)
		both.Alpha, both.ImageEmbedding, both.TextImageEmbedding = c.alpha, c.style, c.text
		pure.Alpha, pure.ImageEmbedding, pure.TextImageEmbedding = c.alpha, nil, nil
		if c.alpha == 1 {
			pure.ImageEmbedding = c.only
		} else {
			pure.TextImageEmbedding = c.only
		}
		a, _ := denoise(t, client, both)
		b, _ := denoise(t, client, pure)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the other branch matters", name)
		}
	}
	// The two branches share one projection: swapped, they give the same.
	a, b := request(t), request(t)
	b.Alpha, b.ImageEmbedding, b.TextImageEmbedding = 0, nil, style
	left, _ := denoise(t, client, a)
	right, _ := denoise(t, client, b)
	if !bytes.Equal(pixels(t, left), pixels(t, right)) {
		t.Error("the branches do not share their projection")
	}
}

// A person's own alpha is that of the request for this person alone.
func TestOwnAlpha(t *testing.T) {
	client := dial(t)
	text := vector(t, slices.Repeat([]float32{0.3, -0.7}, 24))
	two := func(change func(*denoiserv1.DenoiseRequest)) []byte {
		req := request(t)
		req.TextImageEmbedding = text
		req.Identities[0].Mask = maskPicture(t, slices.Repeat([]float32{1, 1, 0, 0}, 4))
		req.Identities = append(req.Identities, &denoiserv1.Identity{
			FaceEmbedding: req.GetIdentities()[0].GetFaceEmbedding(), Mask: maskPicture(t, slices.Repeat([]float32{0, 0, 1, 1}, 4)),
		})
		change(req)
		png, _ := denoise(t, client, req)
		return pixels(t, png)
	}
	all := two(func(r *denoiserv1.DenoiseRequest) { r.Alpha = 0.25 })
	each := two(func(r *denoiserv1.DenoiseRequest) {
		r.Identities[0].Alpha, r.Identities[1].Alpha = new(float32(0.25)), new(float32(0.25))
	})
	if !bytes.Equal(all, each) {
		t.Error("the same alpha for each is another than for all")
	}
	one := two(func(r *denoiserv1.DenoiseRequest) { r.Identities[1].Alpha = new(float32(0)) })
	if bytes.Equal(one, all) || bytes.Equal(one, two(func(*denoiserv1.DenoiseRequest) {})) {
		t.Error("one person's own alpha does not matter")
	}
}

func TestEmptyMasksChangeNothing(t *testing.T) {
	client := dial(t)
	empty := func() *denoiserv1.Identity {
		return &denoiserv1.Identity{
			FaceEmbedding: vector(t, golden(t).Cases[0].FaceEmbeds[0]), Mask: maskPicture(t, make([]float32, 16)),
		}
	}
	for _, background := range []denoiserv1.Background{
		denoiserv1.Background_BACKGROUND_RANDOM_IDENTITY, denoiserv1.Background_BACKGROUND_MEAN,
	} {
		req := request(t)
		req.Background = background
		req.Identities[0].Mask = maskPicture(t, slices.Repeat([]float32{1, 1, 0.5, 0}, 4))
		alone, _ := denoise(t, client, req)
		for range 2 {
			req.Identities = append(req.Identities, empty())
			if padded, _ := denoise(t, client, req); !bytes.Equal(alone, padded) {
				t.Errorf("%v: %d people with empty masks change the picture", background, len(req.Identities)-1)
			}
		}
	}
}

func TestPreviewsAndRecord(t *testing.T) {
	client := dial(t)
	req := request(t)
	req.Steps, req.PreviewEvery = 5, 2
	png, events := denoise(t, client, req)
	for i, e := range events {
		if want := i == 1 || i == 3; (e.GetPreview() != nil) != want {
			t.Errorf("step %d: preview %v", e.GetStep(), e.GetPreview() != nil)
		}
	}
	preview, err := imaging.Decode(events[1].GetPreview().GetData(), imaging.Limits{MinSide: 1})
	if err != nil || preview.W != side || preview.H != side {
		t.Errorf("preview %v, %v", preview, err)
	}
	record, err := provenance.Read(png)
	if err != nil {
		t.Fatal(err)
	}
	var asked struct {
		Seed, Sampler string
		Steps         int
	}
	if err := json.Unmarshal(record.Request, &asked); err != nil {
		t.Fatal(err)
	}
	if asked.Seed != "7" || asked.Steps != 5 || asked.Sampler != "euler_ancestral" {
		t.Errorf("request %+v", asked)
	}
	if len(record.Bundle.Digest) != 64 || record.Bundle.Name == "" || record.NoiseVersion == "" || record.Source != provenance.Trained {
		t.Errorf("record %+v", record)
	}
}
