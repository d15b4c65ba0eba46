package flow

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
)

// minRefined is the least width of a face that is refined, pixels of the made
// picture: in a smaller one there is nothing to see.
const minRefined = 12

// room is how much more than a portrait is made around a head that is refined.
const room = 1.1

// refine makes the head of everybody in a made picture anew, alone on a portrait's
// canvas, and puts it back: of the subjects, and of who has no identity but is not
// kept. Who has no face there, neither in the style picture nor in what was made, nor
// a place, stays as it is.
func (r *run) refine(ctx context.Context, index int, made *denoiserv1.DenoiseResult, who []person, what guide) (*denoiserv1.DenoiseResult, error) {
	part := r.refining(index, made)
	refined, err := part.remake(ctx, index, who, what, r)
	if f := fault.From(err); err != nil && f.Kind == fault.Invalid {
		// The picture was ours, not the caller's.
		return nil, fmt.Errorf("refine picture %d: %s", index, f.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("refine picture %d: %w", index, err)
	}
	if refined == nil {
		return made, nil
	}
	return refined, nil
}

// refining is a run that puts heads into a made picture in place.
func (r *run) refining(index int, made *denoiserv1.DenoiseResult) *run {
	want := proto.CloneOf(r.want)
	want.Style, want.InPlace = made.GetPicture(), true
	side := int32(r.set.Portrait)
	want.Width, want.Height, want.PreviewEvery = &side, &side, 0
	part := *r
	part.want, part.part = want, fmt.Sprintf("%s%s/%d/", r.part, stageRefine, index)
	return &part
}

// remake returns the run's style picture, which has the cast at its places, with
// the heads made anew; nil when there is none to make. The whole run
// tells what there was to begin with.
func (r *run) remake(ctx context.Context, index int, who []person, what guide, whole *run) (*denoiserv1.DenoiseResult, error) {
	faces, err := r.facesOfCast(ctx, what)
	if err != nil {
		return nil, err
	}
	masks, err := whole.masksOf(ctx, what.cast)
	if err != nil {
		return nil, err
	}
	var heads []*head
	for i, one := range what.cast {
		if one.subject == mask.Nobody && r.keeps() || faces[i] == nil || faces[i].GetBox().GetWidth() < minRefined {
			continue
		}
		template := imaging.OnCanvas(unit(r.set.Framing.Template), r.width(), r.height())
		if !r.keeps() {
			template = r.farther(template)
		}
		move, err := imaging.Fit(landmarks(faces[i]), template)
		if _, ok := move.Invert(); err != nil || !ok {
			continue
		}
		heads = append(heads, &head{subject: one.subject, person: i, move: move, masks: r.masksOn(move, masks, i), scene: !r.keeps()})
	}
	if len(heads) == 0 {
		return nil, nil
	}
	if err := whole.lookAt(ctx, what.move, heads, r.width(), r.height()); err != nil {
		return nil, err
	}
	if err := r.readHeads(ctx, heads, faces, slices.DeleteFunc(slices.Clone(faces), func(f *mediav1.Face) bool { return f == nil })); err != nil {
		return nil, err
	}
	return r.makeInPlace(ctx, stageRefine, index, who, guide{text: what.text, heads: heads})
}

// lookAt has the look of heads on w x h canvases guided by the style picture, which
// move takes to the picture that they are in: what was made of it is a copy.
func (r *run) lookAt(ctx context.Context, move imaging.Affine, heads []*head, w, h int) error {
	if !r.guidesByStyle() {
		return nil
	}
	return r.withPhoto(ctx, func(style *imaging.RGB) (err error) {
		for _, one := range heads {
			crop := imaging.Warp(style, one.move.After(move), w, h, edgeOf(r.set.Framing))
			if one.look, err = r.putCrop(ctx, crop); err != nil {
				return err
			}
		}
		return nil
	})
}

// farther moves points of the canvas towards its middle, so that a head leaves
// room around it where canvases of people beside each other fade into each other.
func (r *run) farther(points map[string]imaging.Point) map[string]imaging.Point {
	cx, cy := float64(r.width()-1)/2, float64(r.height()-1)/2
	out := make(map[string]imaging.Point, len(points))
	for name, p := range points {
		out[name] = imaging.Point{X: cx + (p.X-cx)/room, Y: cy + (p.Y-cy)/room}
	}
	return out
}

// masksOf reads the masks of a cast on the canvas: nil for what is no person,
// everything for whoever is everywhere.
func (r *run) masksOf(ctx context.Context, c cast) ([]*ownMask, error) {
	out := make([]*ownMask, len(c))
	for i, one := range c {
		if one.rest {
			continue
		}
		values := slices.Repeat([]float32{1}, r.width()*r.height())
		if one.mask != nil {
			var err error
			if values, err = r.maskValues(ctx, one.mask); err != nil {
				return nil, err
			}
		}
		out[i] = &ownMask{values: values, w: r.width(), h: r.height(), fx: 1, fy: 1}
	}
	return out, nil
}

// masksOn puts masks on a head's canvas, that of person i first.
func (r *run) masksOn(move imaging.Affine, masks []*ownMask, i int) [][]float32 {
	on := [][]float32{masks[i].on(move, r.width(), r.height())}
	for k, other := range masks {
		if k != i && other != nil {
			on = append(on, other.on(move, r.width(), r.height()))
		}
	}
	return on
}

// facesOfCast returns the face of everybody of the cast in the run's style
// picture, nil where there is none: at the place and in the pose that guided it;
// where only a place did, as a portrait has it in the square at the place's top;
// of somebody who is everywhere, the largest that is found.
func (r *run) facesOfCast(ctx context.Context, what guide) ([]*mediav1.Face, error) {
	faces := make([]*mediav1.Face, len(what.cast))
	for i, one := range what.cast {
		switch {
		case one.face != nil:
			faces[i] = movedFace(what.move, one.face)
		case one.subject == mask.Nobody:
		case one.box.W > 0:
			faces[i] = r.portraitIn(what.move.ApplyBox(one.box))
		default:
			found, err := r.stages.Encoder.DetectFaces(r.call(ctx, stageEncode, 1), &encoderv1.DetectFacesRequest{
				Bundle: r.want.GetBundle(), Picture: r.want.GetStyle(),
			})
			if err != nil {
				return nil, err
			}
			if len(found.GetFaces()) > 0 {
				faces[i] = found.GetFaces()[0]
			}
		}
	}
	return faces, nil
}

// portraitIn is the face that a portrait would have in the square at the top of a
// place.
func (r *run) portraitIn(place imaging.Box) *mediav1.Face {
	side := min(place.W, place.H)
	left, width := place.X+(place.W-side)/2, side/squareOfBox
	face := &mediav1.Face{Box: boxMessage(imaging.Box{X: left + (side-width)/2, Y: place.Y + (side-width)/2, W: width, H: width})}
	template := unit(r.set.Framing.Template)
	for _, name := range slices.Sorted(maps.Keys(template)) {
		p := template[name]
		face.Landmarks = append(face.Landmarks, &mediav1.Landmark{Name: name, Point: &mediav1.Point{X: float32(left + p.X*side), Y: float32(place.Y + p.Y*side)}})
	}
	return face
}

// movedFace is a face after a transform.
func movedFace(move imaging.Affine, face *mediav1.Face) *mediav1.Face {
	out := &mediav1.Face{Box: boxMessage(move.ApplyBox(boxOf(face.GetBox()))), Score: face.GetScore(), Yaw: face.Yaw}
	for _, l := range face.GetLandmarks() {
		p := move.Apply(imaging.Point{X: float64(l.GetPoint().GetX()), Y: float64(l.GetPoint().GetY())})
		out.Landmarks = append(out.Landmarks, &mediav1.Landmark{Name: l.GetName(), Point: &mediav1.Point{X: float32(p.X), Y: float32(p.Y)}})
	}
	return out
}
