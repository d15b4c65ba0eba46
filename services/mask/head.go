package mask

import "math"

// Ellipse is an upright ellipse on a canvas, pixels: middle and half axes.
type Ellipse struct{ X, Y, RX, RY float64 }

// contains tells whether a pixel's centre is in the ellipse.
func (e Ellipse) contains(x, y int) bool {
	dx, dy := (float64(x)-e.X)/e.RX, (float64(y)-e.Y)/e.RY
	return dx*dx+dy*dy <= 1
}

// Soft returns how much of the ellipse each pixel of a w x h canvas is: 1
// inside, falling smoothly to 0 where the ellipse would be 1.6 times as large.
func (e Ellipse) Soft(w, h int) []float32 {
	out := make([]float32, w*h)
	for i := range out {
		away := math.Hypot((float64(i%w)-e.X)/e.RX, (float64(i/w)-e.Y)/e.RY)
		out[i] = step((1.6 - away) / 0.6)
	}
	return out
}

// Head is what tells a person's head on a canvas.
type Head struct {
	// Person is the person's mask [h,w].
	Person []float32
	// Others are the masks of the other people there; may be empty.
	Others [][]float32
	// Around bounds the head: what is the person's beyond it (shoulders, long
	// hair) is not of the head.
	Around Ellipse
	// Face is of the head whatever the masks say.
	Face Ellipse
}

// Shares of the canvas' shorter side.
const (
	// headEdge is how far the soft edge of a head reaches outwards: 14 pixels at
	// 128. All of the old head is replaced, its outline too; the edge lies in
	// what is around it, which the new picture continues.
	headEdge = 14.0 / 128
	// headSmooth is what of a head's outline is too small to follow: spikes that
	// are narrower than twice that, and the edge's own steps.
	headSmooth = 2.0 / 128
	// headSpare is by how much the region is wider than the matte: more than
	// the feather of whoever composes with it.
	headSpare = 3.0 / 128
	// aroundEdge is how far what is around a person fades: so little that beside
	// the next person's nothing of what was there before shows.
	aroundEdge = 8.0 / 128
)

// Around returns how much of each pixel of a w x h canvas is new when everything
// around one person is made anew, 0..1: all of it, but smoothly less towards the
// canvas' border, where it is 0, and less where another person rather is, to nothing
// where that is sure. Halfway between two people both are new.
func Around(others [][]float32, w, h int) []float32 {
	edge := aroundEdge * float64(min(w, h))
	matte, p := make([]float32, w*h), Head{Others: others}
	for i := range matte {
		x, y := i%w, i/w
		matte[i] = step(float64(min(x, y, w-1-x, h-1-y))/edge) * min(1, 2*(1-p.others(i)))
	}
	return matte
}

// Matte returns how much of each pixel of a w x h canvas is new when the head
// is made anew, 0..1, and the region to make, 0 or 1, which is wider. The matte
// falls smoothly (3t^2 - 2t^3) beyond the head's edge, and towards the canvas'
// border, where it is 0, as it is where another person surely is. The region
// reaches beyond it, so that wherever the matte is above 0 there is something
// new that goes on.
func (p Head) Matte(w, h int) (matte, region []float32) {
	side := float64(min(w, h))
	edge, smooth := side*headEdge, side*headSmooth
	head := make([]bool, w*h)
	for i := range head {
		x, y := i%w, i/w
		mine := p.Person[i] >= 0.5 && p.Around.contains(x, y)
		head[i] = (mine || p.Face.contains(x, y)) && p.others(i) < 0.5
	}
	away := Distance(opened(head, w, h, smooth), w, h)
	matte, region = make([]float32, w*h), make([]float32, w*h)
	for i, d := range away {
		matte[i] = step(1 - d/edge)
		if d <= edge+side*(headSmooth+headSpare) {
			region[i] = 1
		}
	}
	matte = Feather(matte, w, h, int(smooth))
	for i := range matte {
		x, y := i%w, i/w
		matte[i] *= step(float64(min(x, y, w-1-x, h-1-y))/edge) * (1 - p.others(i))
	}
	return matte, region
}

// opened is a region without what is narrower than 2r: it is worn away by r,
// and what is left grows by r.
func opened(region []bool, w, h int, r float64) []bool {
	core := make([]bool, len(region))
	for i, d := range Distance(region, w, h) {
		core[i] = d <= -r
	}
	out := make([]bool, len(region))
	for i, d := range Distance(core, w, h) {
		out[i] = d <= r && region[i]
	}
	return out
}

// step rises smoothly from 0 at t = 0 to 1 at t = 1.
func step(t float64) float32 {
	t = max(0, min(1, t))
	return float32(t * t * (3 - 2*t))
}

// others is how surely another person is at a pixel, 0..1.
func (p Head) others(i int) float32 {
	var sum float32
	for _, m := range p.Others {
		sum += m[i]
	}
	return max(0, min(1, sum))
}
