package command

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/png"
	"math"
	"path/filepath"
	"text/tabwriter"

	"github.com/facestudio/facestudio/cli/internal/sheet"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// view is one view of a person, as --json prints it.
type view struct {
	// Pose is the pose picture's file.
	Pose string `json:"pose"`
	// PoseYaw and Yaw are the turns of the head in the pose picture and in the
	// view, degrees, above 0 to the picture's right; nil when not known.
	PoseYaw *float32 `json:"pose_yaw,omitempty"`
	Yaw     *float32 `json:"yaw,omitempty"`
	// Similarity of the view's face to the person, -1..1; nil without a face.
	Similarity *float32 `json:"similarity,omitempty"`
	// Generation is the name of the generation that made it.
	Generation string `json:"generation,omitempty"`
	// Fault is why there is no view.
	Fault *failure `json:"error,omitempty"`

	generation *gatewayv1.Generation
	picture    []byte
}

func viewOf(pose string, g *gatewayv1.Generation, picture []byte) *view {
	v := &view{Pose: pose, Generation: g.GetName(), generation: g, picture: picture}
	for _, p := range g.GetPlacements() {
		if p.Subject != nil {
			v.PoseYaw = p.Yaw
		}
	}
	if faces := g.GetPictures()[0].GetFaces(); len(faces) > 0 {
		v.Yaw, v.Similarity = faces[0].Yaw, &faces[0].Similarity
	}
	return v
}

// byTurn orders views by their poses, those of unknown turn last.
func byTurn(a, b *view) int {
	turn := func(v *view) float64 {
		if v.PoseYaw == nil {
			return math.Inf(1)
		}
		return float64(*v.PoseYaw)
	}
	return cmp.Compare(turn(a), turn(b))
}

// viewColumns is how many views stand in a row of the sheet.
const viewColumns = 6

// draw writes the sheet: the person's photos, then the poses, each above its
// view.
func (w *viewsWish) draw(views []*view) error {
	columns := max(min(len(views), viewColumns), 2)
	var cells []sheet.Cell
	for _, path := range w.faces[:min(len(w.faces), columns)] {
		picture, err := readPicture(path)
		if err != nil {
			return err
		}
		cells = append(cells, sheet.Cell{Label: "photo", Picture: picture})
	}
	row := func(some []*view, cell func(*view) (sheet.Cell, error)) error {
		for len(cells)%columns != 0 {
			cells = append(cells, sheet.Cell{Picture: image.NewRGBA(image.Rectangle{})})
		}
		for _, v := range some {
			c, err := cell(v)
			if err != nil {
				return err
			}
			cells = append(cells, c)
		}
		return nil
	}
	for first := 0; first < len(views); first += columns {
		some := views[first:min(first+columns, len(views))]
		if err := row(some, poseCell); err != nil {
			return err
		}
		if err := row(some, viewCell); err != nil {
			return err
		}
	}
	drawn, err := sheet.Draw(cells, sheet.Layout{Columns: columns})
	if err != nil {
		return err
	}
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, drawn); err != nil {
		return fmt.Errorf("encode the sheet: %w", err)
	}
	return writeFile(w.output, encoded.Bytes())
}

func poseCell(v *view) (sheet.Cell, error) {
	picture, err := readPicture(v.Pose)
	return sheet.Cell{Label: "pose" + degrees(v.PoseYaw), Picture: picture}, err
}

func viewCell(v *view) (sheet.Cell, error) {
	picture, err := sheet.Decode(v.picture)
	if err != nil {
		return sheet.Cell{}, fault.From(err).At(v.Generation)
	}
	label := "view" + degrees(v.Yaw)
	if v.Similarity != nil {
		label += fmt.Sprintf(", similarity %.2f", *v.Similarity)
	} else {
		label += ", no face"
	}
	return sheet.Cell{Label: label, Picture: picture}, nil
}

func degrees(yaw *float32) string {
	if yaw == nil {
		return ""
	}
	return fmt.Sprintf(" %+.0f°", *yaw)
}

// turn is the views whose poses are turned by at least From degrees to either
// side and by less than To.
type turn struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	// Views and Faces are how many there are, and how many of them have a face.
	Views int `json:"views"`
	Faces int `json:"faces"`
	// Similarity is the mean over the faces, -1..1.
	Similarity float64 `json:"similarity"`
}

// turnsOf groups views by the turn of their poses.
func turnsOf(views []*view) []turn {
	groups := []turn{{From: 0, To: 10}, {From: 10, To: 20}, {From: 20, To: 30}, {From: 30, To: 45}, {From: 45, To: 91}}
	var out []turn
	for _, group := range groups {
		for _, v := range views {
			if v.PoseYaw == nil {
				continue
			}
			if yaw := math.Abs(float64(*v.PoseYaw)); yaw < group.From || yaw >= group.To {
				continue
			}
			group.Views++
			if v.Similarity != nil {
				group.Faces++
				group.Similarity += float64(*v.Similarity)
			}
		}
		if group.Faces > 0 {
			group.Similarity /= float64(group.Faces)
		}
		if group.Views > 0 {
			out = append(out, group)
		}
	}
	return out
}

func (a *app) printViews(all, made []*view, file string, seed uint64) error {
	turns := turnsOf(made)
	if a.json {
		return a.printJSON(map[string]any{"file": file, "seed": seed, "views": all, "turns": turns})
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "POSE\tTURN\tVIEW'S TURN\tSIMILARITY")
	for _, v := range all {
		if v.Fault != nil {
			fmt.Fprintf(table, "%s\t%s (%s)\n", filepath.Base(v.Pose), v.Fault.Message, v.Fault.Reason)
			continue
		}
		similarity := "no face"
		if v.Similarity != nil {
			similarity = fmt.Sprintf("%.2f", *v.Similarity)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", filepath.Base(v.Pose), degrees(v.PoseYaw), degrees(v.Yaw), similarity)
	}
	for _, t := range turns {
		fmt.Fprintf(table, "%.0f to %.0f degrees\t%d views\t%d faces\t%.2f\n", t.From, min(t.To, 90), t.Views, t.Faces, t.Similarity)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := fmt.Fprintf(a.out, "%s, seed %d\n", file, seed)
	return err
}
