package diffusion

import (
	"fmt"
	"slices"
)

// Method names a way from noise to a picture.
type Method string

const (
	// EulerAncestral is Euler's method with fresh noise after each step
	// (Karras et al. 2022 in the form of k-diffusion).
	EulerAncestral Method = "euler_ancestral"
	// Euler is Euler's method on the probability flow (Karras et al. 2022,
	// algorithm 2 without churn).
	Euler Method = "euler"
	// DDIM is the deterministic sampler of Song et al. 2021 (eta = 0).
	DDIM Method = "ddim"
	// DPMPP2M is DPM-Solver++ of second order, multistep, with the midpoint
	// rule (Lu et al. 2022, algorithm 2).
	DPMPP2M Method = "dpmpp_2m"
	// UniPC is the predictor and corrector of second order with B(h) = exp(h) - 1
	// (Zhao et al. 2023).
	UniPC Method = "unipc"
)

// Methods has all methods.
func Methods() []Method { return []Method{EulerAncestral, Euler, DDIM, DPMPP2M, UniPC} }

// HasKarras reports whether the method takes the noise levels of Karras et al.
func (m Method) HasKarras() bool { return m == Euler || m.multistep() }

// multistep reports whether the method looks back at earlier steps.
func (m Method) multistep() bool { return m == DPMPP2M || m == UniPC }

// preserving reports whether the method's literature keeps the variance of the
// latents at one: it starts from unit noise where Euler's starts from sigma
// noise.
func (m Method) preserving() bool { return m == DDIM || m.multistep() }

func (m Method) check(karras bool) error {
	if !slices.Contains(Methods(), m) {
		return fmt.Errorf("sampler %q is not known: use one of %q", m, Methods())
	}
	if karras && !m.HasKarras() {
		return fmt.Errorf("sampler %s has no Karras noise levels: use %s, %s or %s", m, Euler, DPMPP2M, UniPC)
	}
	return nil
}
