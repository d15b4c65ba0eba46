package diffusion

// dpm has the noise levels of DPM-Solver++(2M) (Lu et al. 2022, algorithm 2).
// With h_k = lambda_{k+1} - lambda_k, lambda = -ln sigma, and r = h_{k-1} / h_k,
//
//	D  = x0_k + (x0_k - x0_{k-1}) / (2 r)
//	x' = exp(-h_k) x + (1 - exp(-h_k)) D
//
// The first step and the last have D = x0_k.
type dpm []float64

// history has x0 of the step before.
func (d dpm) history() int   { return 1 }
func (d dpm) up(int) float64 { return 0 }

func (d dpm) step(latent, denoised, _ []float32, history [][]float32, k int) {
	keep, take := along(d, k)
	ahead := float32(0)
	if k > 0 && k < len(d)-2 {
		ahead = float32(length(d, k) / length(d, k-1) / 2)
	}
	before := history[0]
	if ahead == 0 {
		// What the history has may be anything, and infinity times 0 is not 0.
		before = denoised
	}
	for i := range latent {
		latent[i] = keep*latent[i] + take*(denoised[i]+ahead*(denoised[i]-before[i]))
	}
	copy(history[0], denoised)
}
