package paint

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/provenance"
)

// asked is what a job asks for, as far as it tells nothing of the people and
// the prompt. The gateway, which knows both, replaces it by the whole request.
type asked struct {
	// Seed is decimal: JSON readers lose digits of large numbers.
	Seed          string  `json:"seed"`
	Steps         int     `json:"steps"`
	GuidanceScale float32 `json:"guidance_scale"`
	Alpha         float32 `json:"alpha"`
	// Sampler is a diffusion.Method.
	Sampler      string `json:"sampler"`
	KarrasSigmas bool   `json:"karras_sigmas,omitempty"`
	// Strength is unset where the picture was made of noise alone.
	Strength float32 `json:"strength,omitempty"`
}

// signed returns a job's picture as PNG with its record.
func (p *Painter) signed(j *Job, picture *imaging.RGB) ([]byte, error) {
	request, err := json.Marshal(asked{
		Seed: strconv.FormatUint(j.Seed, 10), Steps: j.Steps, GuidanceScale: j.Scale, Alpha: j.Alpha,
		Sampler: string(j.Method), KarrasSigmas: j.Karras, Strength: j.Strength,
	})
	if err != nil {
		return nil, fmt.Errorf("picture record: %w", err)
	}
	plain, err := imaging.EncodePNG(picture, nil)
	if err != nil {
		return nil, err
	}
	return provenance.Sign(plain, provenance.Record{
		Request: request, Index: j.Index, NoiseVersion: diffusion.NoiseVersion,
		Bundle: provenance.Bundle{Name: p.manifest.Name, Version: p.manifest.Version, Digest: p.bundle},
		Source: provenance.Trained,
	})
}
