package api_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
)

func TestBadRequestsAreRefusedBeforeAnythingIsStored(t *testing.T) {
	const (
		invalid     = faultv1.Reason_REASON_INVALID_FIELD
		unsupported = faultv1.Reason_REASON_UNSUPPORTED_IMAGE
	)
	type change = func(*gatewayv1.Generation)
	labels := func(n int) map[string]string {
		m := make(map[string]string)
		for i := range n {
			m[strconv.Itoa(i)] = "x"
		}
		return m
	}
	tests := map[string]struct {
		change change
		field  string
		reason faultv1.Reason
	}{
		"nobody":               {func(g *gatewayv1.Generation) { g.Subjects = nil }, "subjects", invalid},
		"9 subjects":           {func(g *gatewayv1.Generation) { g.Subjects = slices.Repeat(g.Subjects, 9) }, "subjects", faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE},
		"no photo":             {func(g *gatewayv1.Generation) { g.Subjects[0].Photos = nil }, "subjects[0].photos", invalid},
		"33 photos":            {func(g *gatewayv1.Generation) { g.Subjects[0].Photos = make([]*mediav1.Picture, 33) }, "subjects[0].photos", invalid},
		"a photo left out":     {func(g *gatewayv1.Generation) { g.Subjects[0].Photos = append(g.Subjects[0].Photos, nil) }, "subjects[0].photos[1]", invalid},
		"a long name":          {func(g *gatewayv1.Generation) { g.Subjects[0].Name = strings.Repeat("ä", 64) }, "subjects[0].name", invalid},
		"nothing to make":      {func(g *gatewayv1.Generation) { g.Prompt, g.Style = "", nil }, "", faultv1.Reason_REASON_NOTHING_TO_MAKE},
		"a blank prompt":       {func(g *gatewayv1.Generation) { g.Prompt, g.Style = " \n ", nil }, "", faultv1.Reason_REASON_NOTHING_TO_MAKE},
		"a long prompt":        {func(g *gatewayv1.Generation) { g.Prompt = strings.Repeat("ä", 2001) }, "prompt", faultv1.Reason_REASON_PROMPT_TOO_LONG},
		"alpha 1.5":            {func(g *gatewayv1.Generation) { g.Alpha = new(float32(1.5)) }, "alpha", invalid},
		"alpha -0.1":           {func(g *gatewayv1.Generation) { g.Alpha = new(float32(-0.1)) }, "alpha", invalid},
		"alpha NaN":            {func(g *gatewayv1.Generation) { g.Alpha = new(float32(math.NaN())) }, "alpha", invalid},
		"alpha, no style":      {func(g *gatewayv1.Generation) { g.Style, g.Alpha = nil, new(float32(0.5)) }, "alpha", invalid},
		"alpha, no prompt":     {func(g *gatewayv1.Generation) { g.Prompt, g.Alpha = "", new(float32(0.5)) }, "alpha", invalid},
		"corrections below":    {func(g *gatewayv1.Generation) { g.Corrections = new(int32(-1)) }, "corrections", invalid},
		"corrections above":    {func(g *gatewayv1.Generation) { g.Corrections = new(int32(4)) }, "corrections", invalid},
		"in place, refined":    {func(g *gatewayv1.Generation) { g.InPlace, g.RefineFaces = true, new(true) }, "refine_faces", invalid},
		"in place, a prompt":   {func(g *gatewayv1.Generation) { g.Style, g.InPlace = nil, true }, "in_place", invalid},
		"in place, mean":       {func(g *gatewayv1.Generation) { g.InPlace, g.Background = true, denoiserv1.Background_BACKGROUND_MEAN }, "background", invalid},
		"strength 0":           {func(g *gatewayv1.Generation) { g.Strength = new(float32(0)) }, "strength", invalid},
		"strength 1.1":         {func(g *gatewayv1.Generation) { g.Strength = new(float32(1.1)) }, "strength", invalid},
		"strength NaN":         {func(g *gatewayv1.Generation) { g.Strength = new(float32(math.NaN())) }, "strength", invalid},
		"strength, no style":   {func(g *gatewayv1.Generation) { g.Style, g.Strength = nil, new(float32(0.5)) }, "strength", invalid},
		"strength, no step":    {func(g *gatewayv1.Generation) { g.Strength, g.Steps = new(float32(0.1)), new(int32(9)) }, "strength", invalid},
		"sampler 99":           {func(g *gatewayv1.Generation) { g.Sampler = 99 }, "sampler", invalid},
		"karras, ancestral":    {func(g *gatewayv1.Generation) { g.KarrasSigmas = true }, "karras_sigmas", invalid},
		"0 steps":              {func(g *gatewayv1.Generation) { g.Steps = new(int32(0)) }, "steps", invalid},
		"101 steps":            {func(g *gatewayv1.Generation) { g.Steps = new(int32(101)) }, "steps", invalid},
		"guidance 0":           {func(g *gatewayv1.Generation) { g.GuidanceScale = new(float32(0)) }, "guidance_scale", invalid},
		"guidance 16":          {func(g *gatewayv1.Generation) { g.GuidanceScale = new(float32(16)) }, "guidance_scale", invalid},
		"guidance infinite":    {func(g *gatewayv1.Generation) { g.GuidanceScale = new(float32(math.Inf(1))) }, "guidance_scale", invalid},
		"0 pictures":           {func(g *gatewayv1.Generation) { g.PictureCount = new(int32(0)) }, "picture_count", invalid},
		"9 pictures":           {func(g *gatewayv1.Generation) { g.PictureCount = new(int32(9)) }, "picture_count", invalid},
		"width 0":              {func(g *gatewayv1.Generation) { g.Width = new(int32(0)) }, "width", invalid},
		"width 100":            {func(g *gatewayv1.Generation) { g.Width = new(int32(100)) }, "width", invalid},
		"height 272":           {func(g *gatewayv1.Generation) { g.Height = new(int32(272)) }, "height", invalid},
		"best of 0":            {func(g *gatewayv1.Generation) { g.BestOf = new(int32(0)) }, "best_of", invalid},
		"best of 9":            {func(g *gatewayv1.Generation) { g.BestOf = new(int32(9)) }, "best_of", invalid},
		"similarity 1.1":       {func(g *gatewayv1.Generation) { g.MinSimilarity = new(float32(1.1)) }, "min_similarity", invalid},
		"similarity NaN":       {func(g *gatewayv1.Generation) { g.MinSimilarity = new(float32(math.NaN())) }, "min_similarity", invalid},
		"tries without reason": {func(g *gatewayv1.Generation) { g.MaxTries = new(int32(2)) }, "max_tries", invalid},
		"9 tries":              {func(g *gatewayv1.Generation) { g.MinSimilarity, g.MaxTries = new(float32(0.5)), new(int32(9)) }, "max_tries", invalid},
		"index -1":             {func(g *gatewayv1.Generation) { g.FirstIndex = -1 }, "first_index", invalid},
		"index 65,001":         {func(g *gatewayv1.Generation) { g.FirstIndex = 65001 }, "first_index", invalid},
		"format 9":             {func(g *gatewayv1.Generation) { g.OutputFormat = 9 }, "output_format", invalid},
		"previews -1":          {func(g *gatewayv1.Generation) { g.PreviewEvery = -1 }, "preview_every", invalid},
		"background 9":         {func(g *gatewayv1.Generation) { g.Background = 9 }, "background", invalid},
		"keep without style":   {func(g *gatewayv1.Generation) { g.Style, g.Background = nil, denoiserv1.Background_BACKGROUND_KEEP }, "background", invalid},
		"timeout 0.5 s":        {func(g *gatewayv1.Generation) { g.Timeout = durationpb.New(time.Second / 2) }, "timeout", invalid},
		"timeout 25 h":         {func(g *gatewayv1.Generation) { g.Timeout = durationpb.New(25 * time.Hour) }, "timeout", invalid},
		"17 labels":            {func(g *gatewayv1.Generation) { g.Labels = labels(17) }, "labels", invalid},
		"a label without key":  {func(g *gatewayv1.Generation) { g.Labels = map[string]string{"": "x"} }, "labels", invalid},
		"a long label":         {func(g *gatewayv1.Generation) { g.Labels = map[string]string{"a": strings.Repeat("x", 64)} }, `labels["a"]`, invalid},
		"an empty photo":       {photo(nil), "subjects[0].photos[0]", unsupported},
		"a photo that is none": {
			photo([]byte("this is no picture but some text")), "subjects[0].photos[0]", unsupported,
		},
		"a style that is none": {func(g *gatewayv1.Generation) { g.Style = inline([]byte("GIF99a?")) }, "style", unsupported},
		"a style without bytes": {
			func(g *gatewayv1.Generation) { g.Style = new(mediav1.Picture) }, "style", invalid,
		},
		"40,000 x 40,000 pixels": {photo(claiming(40000, 40000)), "subjects[0].photos[0]", faultv1.Reason_REASON_IMAGE_TOO_LARGE},
		"8 x 8 pixels":           {photo(claiming(8, 8)), "subjects[0].photos[0]", faultv1.Reason_REASON_IMAGE_TOO_SMALL},
		"17 MiB":                 {photo(bytes.Repeat([]byte{0xff}, 17<<20)), "subjects[0].photos[0]", faultv1.Reason_REASON_IMAGE_TOO_LARGE},
		"a blob that is not there": {
			func(g *gatewayv1.Generation) {
				g.Style = &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: &mediav1.Blob{Sha256: strings.Repeat("0", 64), Size: 9}}}
			}, "style", faultv1.Reason_REASON_BLOB_MISSING,
		},
		"a blob that is a path": {
			func(g *gatewayv1.Generation) {
				g.Style = &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: &mediav1.Blob{Sha256: "../../etc/passwd"}}}
			}, "style", invalid,
		},
	}
	h := open(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := request(t)
			test.change(g)
			h.refused(t, &gatewayv1.CreateGenerationRequest{Generation: g}, test.reason, test.field)
		})
	}
	t.Run("no generation", func(t *testing.T) {
		h.refused(t, &gatewayv1.CreateGenerationRequest{}, invalid, "subjects")
	})
	t.Run("a request id that is no UUID", func(t *testing.T) {
		h.refused(t, &gatewayv1.CreateGenerationRequest{Generation: request(t), RequestId: "7"}, invalid, "request_id")
	})
	t.Run("a prompt without a prior", func(t *testing.T) {
		old := h.manifest.Prior
		h.manifest.Prior = nil
		defer func() { h.manifest.Prior = old }()
		h.refused(t, &gatewayv1.CreateGenerationRequest{Generation: request(t)}, faultv1.Reason_REASON_ROLE_MISSING, "prompt")
	})
	list, err := h.service.ListGenerations(t.Context(), &gatewayv1.ListGenerationsRequest{})
	if err != nil || len(list.GetGenerations()) != 0 || h.blobs.puts.Load() != 0 {
		t.Errorf("refused requests left %d generations and %d blobs, %v", len(list.GetGenerations()), h.blobs.puts.Load(), err)
	}
	if _, err := h.service.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: request(t)}); err != nil {
		t.Errorf("a good request afterwards got %v", err)
	}
}

func (h *harness) refused(t *testing.T, req *gatewayv1.CreateGenerationRequest, reason faultv1.Reason, field string) {
	t.Helper()
	_, err := h.service.CreateGeneration(t.Context(), req)
	f := fault.From(err)
	if f == nil {
		t.Fatal("it was accepted")
	}
	if f.Reason != reason || f.Field != field {
		t.Errorf("got %v at %q (%s), want %v at %q", f.Reason, f.Field, f.Message, reason, field)
	}
}

func photo(data []byte) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) { g.Subjects[0].Photos[0] = inline(data) }
}

func inline(data []byte) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

// claiming is a PNG whose header claims a size; no pixels follow.
func claiming(w, h uint32) []byte {
	header := binary.BigEndian.AppendUint32(nil, w)
	header = binary.BigEndian.AppendUint32(header, h)
	header = append(header, 8, 2, 0, 0, 0)
	chunk := append([]byte("IHDR"), header...)
	out := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	out = append(out, chunk...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
}

func manifest() *bundle.Manifest {
	return &bundle.Manifest{
		Name:     "test",
		Canvas:   bundle.Canvas{Default: 128, Min: 64, Max: 256, MultipleOf: 16},
		Latent:   bundle.Latent{Factor: 8},
		Sampling: bundle.Sampling{Sampler: "euler_ancestral", Steps: 25, GuidanceScale: 3, MaxSteps: 100, MaxGuidanceScale: 15},
		Prior:    &bundle.Prior{},
	}
}
