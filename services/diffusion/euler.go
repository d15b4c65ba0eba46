package diffusion

import "math"

// ancestral has the noise levels of Euler's method with fresh noise.
type ancestral []float64

func (a ancestral) history() int { return 0 }

// up is how much noise step k adds; 0 at the last step.
//
//	up = sqrt(next^2 (sigma^2 - next^2) / sigma^2)
func (a ancestral) up(k int) float64 {
	sigma, next := a[k], a[k+1]
	return math.Sqrt(next * next * (sigma*sigma - next*next) / (sigma * sigma))
}

// step is Euler's step to a lower level than the next, then noise up to it.
//
//	down = sqrt(next^2 - up^2), x += (x - x0) / sigma (down - sigma) + up noise
func (a ancestral) step(latent, denoised, noise []float32, _ [][]float32, k int) {
	sigma, next, up := a[k], a[k+1], a.up(k)
	down := math.Sqrt(max(next*next-up*up, 0))
	ratio := float32((down - sigma) / sigma)
	for i := range latent {
		latent[i] += (latent[i] - denoised[i]) * ratio
	}
	if up == 0 {
		return
	}
	scale := float32(up)
	for i := range latent {
		latent[i] += scale * noise[i]
	}
}

// flow has the noise levels of Euler's method on the probability flow, which
// DDIM is too:
//
//	x' = x + (x - x0) / sigma (next - sigma) = r x + (1 - r) x0, r = next / sigma
//
// is, with x = z / sqrt(abar), DDIM's (Song et al. 2021, equation 12)
//
//	z' = sqrt(abar') x0 + sqrt(1 - abar') (z - sqrt(abar) x0) / sqrt(1 - abar)
//
// The two differ in their start and in which steps they visit.
type flow []float64

func (f flow) history() int   { return 0 }
func (f flow) up(int) float64 { return 0 }

func (f flow) step(latent, denoised, _ []float32, _ [][]float32, k int) {
	keep, take := along(f, k)
	for i := range latent {
		latent[i] = keep*latent[i] + take*denoised[i]
	}
}

// along returns r = sigma_{k+1} / sigma_k and 1 - r, which all deterministic
// methods step with: exp(-h) and 1 - exp(-h) for a step of length h in
// lambda = -ln sigma.
func along(sigmas []float64, k int) (keep, take float32) {
	r := sigmas[k+1] / sigmas[k]
	return float32(r), float32(1 - r)
}

// length is h_k = lambda_{k+1} - lambda_k, lambda = -ln sigma.
func length(sigmas []float64, k int) float64 { return math.Log(sigmas[k] / sigmas[k+1]) }
