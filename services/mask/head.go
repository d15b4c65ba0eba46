package mask

import "math"

// Ellipse is an upright ellipse on a canvas, pixels: middle and half axes.
type Ellipse struct{ X, Y, RX, RY float64 }

// contains tells whether a pixel's centre is in the ellipse.
func (e Ellipse) contains(x, y int) bool {
	dx, dy := (float64(x)-e.X)/e.RX, (float64(y)-e.Y)/e.RY
	return dx*dx+dy*dy <= 1
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

const (
	// headOut and headIn are how far the soft edge of a head reaches outwards
	// and inwards, as shares of the canvas' shorter side: 4 pixels each at 128,
	// together one cell of latents of factor 8.
	headOut = 1.0 / 32
	headIn  = 1.0 / 32
	// headSpare is by how much the region is wider than the matte: 4 pixels at
	// 128, more than the feather of whoever composes with it.
	headSpare = 1.0 / 32
)

// Matte returns how much of each pixel of a w x h canvas is new when the head
// is made anew, 0..1, and the region to make, 0 or 1, which is wider. The matte
// falls smoothly (3t^2 - 2t^3) over the head's edge; it is 0 along the canvas'
// border, and where another person surely is. The region reaches beyond it, so
// that wherever the matte is above 0 there is something new that goes on.
func (p Head) Matte(w, h int) (matte, region []float32) {
	side := float64(min(w, h))
	out, in, spare := side*headOut, side*headIn, side*headSpare
	border := int(math.Ceil(out))
	head := make([]bool, w*h)
	for i := range head {
		x, y := i%w, i/w
		if x <= border || y <= border || x >= w-1-border || y >= h-1-border {
			continue
		}
		mine := p.Person[i] >= 0.5 && p.Around.contains(x, y)
		head[i] = (mine || p.Face.contains(x, y)) && p.others(i) < 0.5
	}
	matte, region = make([]float32, w*h), make([]float32, w*h)
	for i, d := range Distance(head, w, h) {
		t := max(0, min(1, (out-d)/(out+in)))
		matte[i] = float32(t*t*(3-2*t)) * (1 - p.others(i))
		if d <= out+spare {
			region[i] = 1
		}
	}
	return matte, region
}

// others is how surely another person is at a pixel, 0..1.
func (p Head) others(i int) float32 {
	var sum float32
	for _, m := range p.Others {
		sum += m[i]
	}
	return max(0, min(1, sum))
}
