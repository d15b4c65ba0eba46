package detect

import (
	"context"
	"slices"

	"github.com/facestudio/facestudio/services/imaging"
)

const (
	// refineBelow is the size in the network's square, pixels, below which a
	// face is looked at again from nearby: its points are only as exact as
	// these pixels are fine.
	refineBelow = 32
	// refineRoom is how much larger than the face the nearer look is: about as
	// large as the portraits are that the network was made for.
	refineRoom = 2.6
	// maxRefined bounds the nearer looks at one picture.
	maxRefined = 16
)

// refine replaces each face that is small in the network's view of the whole
// picture by what a nearer look at it shows.
func (d *Detector) refine(ctx context.Context, p *imaging.RGB, faces []Face) error {
	scale := float64(d.spec.Input.Size) / (d.spec.Input.Pad * float64(max(p.W, p.H)))
	for i, f := range faces {
		side := max(f.Box.W, f.Box.H)
		if side*scale >= refineBelow {
			continue
		}
		room := refineRoom * side
		x0 := clamp(f.Box.X+f.Box.W/2-room/2, p.W)
		y0 := clamp(f.Box.Y+f.Box.H/2-room/2, p.H)
		x1 := clamp(f.Box.X+f.Box.W/2+room/2, p.W)
		y1 := clamp(f.Box.Y+f.Box.H/2+room/2, p.H)
		if x1 <= x0 || y1 <= y0 {
			continue
		}
		near, err := d.look(ctx, crop(p, x0, y0, x1-x0, y1-y0), tightPad)
		if err != nil {
			return err
		}
		for _, n := range near {
			n = n.shifted(float64(x0), float64(y0))
			if iou(n.Box, f.Box) > d.spec.Overlap {
				n.Score = max(n.Score, f.Score)
				faces[i] = n
				break
			}
		}
	}
	return nil
}

func clamp(v float64, limit int) int { return int(max(0, min(v, float64(limit)))) }

// windows looks at square parts of the picture that are 1/n of its longer side
// wide and overlap by half or more. A face that a part's edge cuts is left to
// the part beside, which has all of it.
func (d *Detector) windows(ctx context.Context, p *imaging.RGB, n int) ([]Face, error) {
	var all []Face
	side := (max(p.W, p.H) + n - 1) / n
	w, h := min(side, p.W), min(side, p.H)
	for _, y := range starts(p.H, h) {
		for _, x := range starts(p.W, w) {
			found, err := d.look(ctx, crop(p, x, y, w, h), tightPad)
			if err != nil {
				return nil, err
			}
			for _, f := range found {
				cut := (f.Box.X < 0 && x > 0) || (f.Box.Y < 0 && y > 0) ||
					(f.Box.X+f.Box.W > float64(w) && x+w < p.W) || (f.Box.Y+f.Box.H > float64(h) && y+h < p.H)
				if f.Score >= windowThreshold && !cut {
					all = append(all, f.shifted(float64(x), float64(y)))
				}
			}
		}
	}
	return all, nil
}

// starts returns where parts of a length begin that cover an axis evenly, each
// overlapping the next by half or more.
func starts(axis, length int) []int {
	step := max(length/2, 1)
	n := (axis-length+step-1)/step + 1
	at := make([]int, n)
	for i := range at {
		at[i] = (axis - length) * i / max(n-1, 1)
	}
	return at
}

func (f Face) shifted(dx, dy float64) Face {
	f.Box.X, f.Box.Y = f.Box.X+dx, f.Box.Y+dy
	f.Points = slices.Clone(f.Points)
	for i := range f.Points {
		f.Points[i].X, f.Points[i].Y = f.Points[i].X+dx, f.Points[i].Y+dy
	}
	return f
}
