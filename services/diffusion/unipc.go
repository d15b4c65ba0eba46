package diffusion

import "math"

// unipc has the noise levels of UniPC (Zhao et al. 2023, algorithms 5 and 6,
// for a model of x0) of second order with B(h) = exp(h) - 1. Each step corrects
// the latents that the step before predicted, now that x0 there is known, and
// predicts those of the next. With h_k = lambda_{k+1} - lambda_k, lambda =
// -ln sigma, and y the corrected latents before step k,
//
//	y_k = exp(-h) y_{k-1} + (1 - exp(-h)) (x0_{k-1} + rho_1 D_{k-1} + rho_2 (x0_k - x0_{k-1})), h = h_{k-1}
//	x'  = exp(-h) y_k + (1 - exp(-h)) (x0_k + D_k / 2), h = h_k
//	D_k = (x0_{k-1} - x0_k) / r, r = (lambda_{k-1} - lambda_k) / h_k
//
// where the predictor's D is 0 at the first step and the last, and the
// corrector after a step without it has rho_1 = 0, rho_2 = 1/2.
type unipc []float64

// history has y of the step before, x0 of that step, and x0 of the one before
// that.
func (u unipc) history() int   { return 3 }
func (u unipc) up(int) float64 { return 0 }

func (u unipc) step(latent, denoised, _ []float32, history [][]float32, k int) {
	y, last, before := history[0], history[1], history[2]
	if k > 0 {
		u.correct(latent, denoised, history, k)
		copy(before, last)
	}
	copy(y, latent)
	copy(last, denoised)
	keep, take := along(u, k)
	if !u.second(k) {
		before = denoised
	}
	ahead := float32(0.5 / u.ratio(k))
	for i := range latent {
		latent[i] = keep*latent[i] + take*(denoised[i]+ahead*(before[i]-denoised[i]))
	}
}

// correct sets latent to y_k.
func (u unipc) correct(latent, denoised []float32, history [][]float32, k int) {
	y, last, before := history[0], history[1], history[2]
	keep, take := along(u, k-1)
	first, second := 0., 0.5
	if u.second(k - 1) {
		r := u.ratio(k - 1)
		first, second = corrector(length(u, k-1), r)
		first /= r
	} else {
		before = last
	}
	rho1, rho2 := float32(first), float32(second)
	for i := range latent {
		d := rho1*(before[i]-last[i]) + rho2*(denoised[i]-last[i])
		latent[i] = keep*y[i] + take*(last[i]+d)
	}
}

// second reports whether the predictor of step k is of second order.
func (u unipc) second(k int) bool { return k > 0 && k < len(u)-2 }

// ratio is r of step k, below 0; 1 where there is no step before.
func (u unipc) ratio(k int) float64 {
	if !u.second(k) {
		return 1
	}
	return -length(u, k-1) / length(u, k)
}

// corrector solves for rho of the corrector of second order,
//
//	rho_1 + rho_2 = b_1, r rho_1 + rho_2 = b_2
//	b_j = j! phi_{j+1}(-h) (-h) / (exp(-h) - 1)
//	phi_1(t) t = exp(t) - 1, phi_{j+1}(t) t = phi_j(t) - 1/j!
func corrector(h, r float64) (rho1, rho2 float64) {
	grown := math.Expm1(-h)
	phi := grown/-h - 1
	b1 := phi / grown
	b2 := (phi/-h - 0.5) * 2 / grown
	rho1 = (b1 - b2) / (1 - r)
	return rho1, b1 - rho1
}
