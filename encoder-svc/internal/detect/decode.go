package detect

import (
	"cmp"
	"math"
	"slices"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
)

// maxLogit bounds logits so that their sigmoid is neither 0 nor 1.
const maxLogit = 80

// anchors returns the centre of each anchor in input pixels: the grids after
// each other, rows first, the anchors of a cell together.
func anchors(spec bundle.FaceDetector) []imaging.Point {
	var centres []imaging.Point
	size := float64(spec.Input.Size)
	for _, g := range spec.Grids {
		cell := size / float64(g.Cells)
		for y := range g.Cells {
			for x := range g.Cells {
				for range g.PerCell {
					centres = append(centres, imaging.Point{X: (float64(x) + 0.5) * cell, Y: (float64(y) + 0.5) * cell})
				}
			}
		}
	}
	return centres
}

// Decode turns the network's outputs into faces in pixels of the picture that
// lies in the letterbox, the best first. logits has one value for each anchor;
// values has a row [4+2P] for each: centre, size and points, all but the size
// relative to the anchor, in input pixels.
func (d *Detector) Decode(logits, values []float32, box Letterbox) []Face {
	width := 4 + 2*len(d.spec.Points)
	var found []Face
	for i, centre := range d.anchors {
		logit := max(-maxLogit, min(maxLogit, float64(logits[i])))
		score := 1 / (1 + math.Exp(-logit))
		if !(score >= d.spec.Threshold) {
			continue
		}
		row := values[i*width : (i+1)*width]
		at := func(j int) imaging.Point {
			return imaging.Point{X: centre.X + float64(row[j]), Y: centre.Y + float64(row[j+1])}
		}
		middle, w, h := at(0), float64(row[2]), float64(row[3])
		face := Face{Score: score, Box: imaging.Box{X: middle.X - w/2, Y: middle.Y - h/2, W: w, H: h}}
		for j := range d.spec.Points {
			face.Points = append(face.Points, at(4+2*j))
		}
		if finite(face) {
			found = append(found, face)
		}
	}
	found = merge(found, d.spec.Overlap)
	for i := range found {
		found[i].undo(box)
	}
	return found
}

// undo takes a face from the square to the picture in it.
func (f *Face) undo(box Letterbox) {
	left, top := float64(box.Left), float64(box.Top)
	f.Box.X, f.Box.Y = (f.Box.X-left)/box.Scale, (f.Box.Y-top)/box.Scale
	f.Box.W, f.Box.H = f.Box.W/box.Scale, f.Box.H/box.Scale
	for i, p := range f.Points {
		f.Points[i] = imaging.Point{X: (p.X - left) / box.Scale, Y: (p.Y - top) / box.Scale}
	}
}

// merge makes one face of those that overlap with a better one by more than
// overlap: the mean of their boxes and points, weighted by score, with the
// best one's score. Among equal scores the earlier goes first.
func merge(faces []Face, overlap float64) []Face {
	slices.SortStableFunc(faces, func(a, b Face) int { return cmp.Compare(b.Score, a.Score) })
	var merged []Face
	for len(faces) > 0 {
		best := faces[0]
		var group, rest []Face
		for i, f := range faces {
			// A degenerate box overlaps nothing, not even itself.
			if i == 0 || iou(best.Box, f.Box) > overlap {
				group = append(group, f)
			} else {
				rest = append(rest, f)
			}
		}
		merged, faces = append(merged, mean(group)), rest
	}
	return merged
}

func mean(group []Face) Face {
	sum := Face{Score: group[0].Score, Points: make([]imaging.Point, len(group[0].Points))}
	var total float64
	for _, f := range group {
		total += f.Score
	}
	for _, f := range group {
		weight := f.Score / total
		sum.Box.X += weight * f.Box.X
		sum.Box.Y += weight * f.Box.Y
		sum.Box.W += weight * f.Box.W
		sum.Box.H += weight * f.Box.H
		for i, p := range f.Points {
			sum.Points[i].X += weight * p.X
			sum.Points[i].Y += weight * p.Y
		}
	}
	return sum
}

// distinct keeps, of finds at different scales that are one face, the best.
func distinct(faces []Face) []Face {
	slices.SortStableFunc(faces, func(a, b Face) int { return cmp.Compare(b.Score, a.Score) })
	var kept []Face
	for _, f := range faces {
		same := func(k Face) bool {
			smaller := min(f.Box.W*f.Box.H, k.Box.W*k.Box.H)
			return intersection(f.Box, k.Box) > sameFace*smaller
		}
		if !slices.ContainsFunc(kept, same) {
			kept = append(kept, f)
		}
	}
	return kept
}

// iou is the intersection over the union of two boxes.
func iou(a, b imaging.Box) float64 {
	both := intersection(a, b)
	return both / max(a.W*a.H+b.W*b.H-both, 1e-9)
}

// intersection is the area that two boxes share.
func intersection(a, b imaging.Box) float64 {
	w := max(0, min(a.X+a.W, b.X+b.W)-max(a.X, b.X))
	h := max(0, min(a.Y+a.H, b.Y+b.H)-max(a.Y, b.Y))
	return w * h
}

func finite(f Face) bool {
	numbers := []float64{f.Box.X, f.Box.Y, f.Box.W, f.Box.H}
	for _, p := range f.Points {
		numbers = append(numbers, p.X, p.Y)
	}
	return !slices.ContainsFunc(numbers, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) && f.Box.W > 0 && f.Box.H > 0
}
