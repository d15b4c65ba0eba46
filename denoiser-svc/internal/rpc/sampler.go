package rpc

import (
	"github.com/facestudio/facestudio/denoiser-svc/internal/paint"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/fault"
)

// sampler reads how noise becomes the picture; the steps have been checked.
func (s *Server) sampler(j *paint.Job, req *denoiserv1.DenoiseRequest) error {
	switch req.GetSampler() {
	case denoiserv1.Sampler_SAMPLER_UNSPECIFIED:
		j.Method = diffusion.Method(s.Bundle.Manifest.Sampling.Sampler)
	case denoiserv1.Sampler_SAMPLER_EULER_ANCESTRAL:
		j.Method = diffusion.EulerAncestral
	case denoiserv1.Sampler_SAMPLER_EULER:
		j.Method = diffusion.Euler
	case denoiserv1.Sampler_SAMPLER_DDIM:
		j.Method = diffusion.DDIM
	case denoiserv1.Sampler_SAMPLER_DPMPP_2M:
		j.Method = diffusion.DPMPP2M
	case denoiserv1.Sampler_SAMPLER_UNIPC:
		j.Method = diffusion.UniPC
	default:
		return fault.InvalidField("sampler", "%d is not known; use EULER_ANCESTRAL, EULER, DDIM, DPMPP_2M or UNIPC", req.GetSampler())
	}
	j.Karras = req.GetKarrasSigmas()
	if j.Karras && !j.Method.HasKarras() {
		return fault.InvalidField("karras_sigmas", "sampler %s does not have them; use EULER, DPMPP_2M or UNIPC, or leave them out", j.Method)
	}
	if req.Strength == nil {
		return nil
	}
	j.Strength = req.GetStrength()
	// Also false for NaN.
	if !(j.Strength > 0 && j.Strength <= 1) {
		return fault.InvalidField("strength", "it must be above 0, at most 1, not %g; leave it out to start from noise alone", j.Strength)
	}
	if diffusion.FirstStep(j.Steps, j.Strength) == j.Steps {
		return fault.InvalidField("strength", "%g of %d steps is less than one; use at least %.3g, or more steps", j.Strength, j.Steps, 1/float64(j.Steps))
	}
	return nil
}
