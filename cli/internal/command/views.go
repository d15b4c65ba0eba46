package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
)

// maxPoses bounds a pose set: each pose is a generation.
const maxPoses = 64

// viewsWish is what the flags of views say.
type viewsWish struct {
	faces    []string
	poses    string
	seed     uint64
	steps    int32
	guidance float32
	strength float32
	output   string
}

func (a *app) viewsCommand() *cobra.Command {
	var w viewsWish
	var to remote
	var l local
	set := config.NewSet("views", &to, &l)
	cmd := &cobra.Command{
		Use:   "views --face photo [--poses folder]",
		Short: "Show a person from several sides, on one sheet",
		Long: `Views makes one picture of the person for each picture of a pose set and puts
them on one sheet, from the head that is turned most to the picture's left to
the one turned most to its right. The pose picture says how the head is turned,
the photos say who. It tells how similar each view is to the person, by the turn
of the head in degrees (0 looks into the camera).

Limits: a view follows its pose picture only as far as the style guides, so the
turn of the view is told beside that of the pose. Nothing is known of the sides
of a head that the photos do not show. Face encoders compare turned faces less
surely, and know them the less the more they are turned: a low figure beyond 30
degrees is in part theirs. The example faces all look into the camera, within 10
degrees: for wide turns give a folder of your own.`,
		Example: `  facestudio views --face ada.jpg -o views.png
  facestudio views --face ada.jpg --face ada2.jpg --poses turned-heads/ --seed 7`,
		Args: exactly(0, "takes flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := set.Resolve(a.lookup); err != nil {
				return err
			}
			if err := checkOutput(w.output); err != nil {
				return err
			}
			poses, err := posesIn(w.poses)
			if err != nil {
				return err
			}
			g, err := w.generation(cmd)
			if err != nil {
				return err
			}
			return a.connected(cmd.Context(), &to, &l, func(ctx context.Context, conn *grpc.ClientConn) error {
				return a.views(ctx, gatewayv1.NewGenerationServiceClient(conn), g, &w, poses)
			})
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&w.faces, "face", nil, "photo of the person; repeated: several photos of the same person")
	f.StringVar(&w.poses, "poses", filepath.Join("examples", "faces"), "folder of the pose set: JPEG, PNG or WebP pictures of one head each")
	f.Uint64Var(&w.seed, "seed", 0, "seed of all noise, the same for every view (default: drawn, and told)")
	f.Int32Var(&w.steps, "steps", 0, "sampling steps, 1..100 (default: the bundle's)")
	f.Float32Var(&w.guidance, "guidance", 0, "classifier-free guidance scale (default: the bundle's)")
	f.Float32Var(&w.strength, "strength", 0, "starts from the pose picture, noised to this share, above 0 to 1: less keeps more of its pose and look (default: from noise alone)")
	f.StringVarP(&w.output, "output", "o", "views.png", "sheet to write, PNG")
	f.AddFlagSet(set.Flags())
	return cmd
}

// generation is what all views have in common.
func (w *viewsWish) generation(cmd *cobra.Command) (*gatewayv1.Generation, error) {
	if len(w.faces) == 0 {
		return nil, usage("--face is missing: give a photo of the person")
	}
	subject := new(gatewayv1.GenerationSubject)
	for _, path := range w.faces {
		photo, err := readPhoto(path, "--face "+path)
		if err != nil {
			return nil, err
		}
		subject.Photos = append(subject.Photos, photo)
	}
	g := &gatewayv1.Generation{Subjects: []*gatewayv1.GenerationSubject{subject}}
	for name, set := range map[string]func(){
		"seed":     func() { g.Seed = &w.seed },
		"steps":    func() { g.Steps = &w.steps },
		"guidance": func() { g.GuidanceScale = &w.guidance },
		"strength": func() { g.Strength = &w.strength },
	} {
		if cmd.Flags().Changed(name) {
			set()
		}
	}
	return g, nil
}

// flag is the flag that a request field of a view came from.
func (w *viewsWish) flag(field, pose string) string {
	field = strings.TrimPrefix(field, "generation.")
	var index int
	if _, err := fmt.Sscanf(field, "subjects[0].photos[%d]", &index); err == nil && index >= 0 && index < len(w.faces) {
		return "--face " + w.faces[index]
	}
	switch field {
	case "style":
		return "--poses " + pose
	case "guidance_scale":
		return "--guidance"
	case "seed", "steps", "strength":
		return "--" + field
	}
	return field
}

// posesIn are the pictures of a folder, by name.
func posesIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, "--poses "+folder,
			"the folder cannot be read: give one with pictures of heads in the poses you want")
	}
	var poses []string
	for _, entry := range entries {
		switch strings.ToLower(filepath.Ext(entry.Name())) {
		case ".jpg", ".jpeg", ".png", ".webp":
			poses = append(poses, filepath.Join(folder, entry.Name()))
		}
	}
	if len(poses) == 0 || len(poses) > maxPoses {
		return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, "--poses "+folder,
			"the folder has %d pictures: give one with 1 to %d JPEG, PNG or WebP pictures", len(poses), maxPoses)
	}
	return poses, nil
}

// views makes the views one after the other, all of one seed, and draws them. A
// pose picture that cannot be used is told and left out; it fails when none
// can.
func (a *app) views(ctx context.Context, client gatewayv1.GenerationServiceClient, common *gatewayv1.Generation, w *viewsWish, poses []string) error {
	show := newProgress(a.errs, len(poses), a.json)
	var made, all []*view
	var first error
	for i, pose := range poses {
		v, err := a.view(ctx, client, common, w, pose, nth{show, int32(i)})
		if err != nil {
			f := fault.From(err)
			if ctx.Err() != nil || f.Kind != fault.Invalid || !strings.HasPrefix(f.Field, "--poses") {
				show.End()
				return err
			}
			if first == nil {
				first = err
			}
			all = append(all, &view{Pose: pose, Fault: new(describe(err))})
			continue
		}
		common.Seed = v.generation.Seed
		all, made = append(all, v), append(made, v)
	}
	show.End()
	if len(made) == 0 {
		return first
	}
	slices.SortStableFunc(made, byTurn)
	if err := w.draw(made); err != nil {
		return err
	}
	slices.SortStableFunc(all, byTurn)
	return a.printViews(all, made, w.output, common.GetSeed())
}

// nth is the progress of one of several generations.
type nth struct {
	progress
	index int32
}

func (n nth) Tell(p *gatewayv1.Progress) {
	p = proto.CloneOf(p)
	p.Picture = n.index
	n.progress.Tell(p)
}

// view makes one view.
func (a *app) view(ctx context.Context, client gatewayv1.GenerationServiceClient, common *gatewayv1.Generation, w *viewsWish, pose string, show progress) (*view, error) {
	style, err := readPhoto(pose, "--poses "+pose)
	if err != nil {
		return nil, err
	}
	g := proto.CloneOf(common)
	g.Style = style
	create, done := context.WithTimeout(ctx, callTimeout)
	defer done()
	named := func(err error) error {
		f := fault.From(err)
		if f.Field == "" {
			return err
		}
		c := *f
		c.Field = w.flag(f.Field, pose)
		return &c
	}
	created, err := client.CreateGeneration(create, &gatewayv1.CreateGenerationRequest{Generation: g, RequestId: uuid.NewString()})
	if err != nil {
		return nil, named(err)
	}
	ended, err := follow(ctx, client, created.GetName(), show)
	if ctx.Err() != nil {
		return nil, errors.Join(cancelled(created.GetName()), a.cancel(ctx, client, created.GetName()))
	}
	if err == nil {
		err = outcome(ended)
	}
	if err != nil {
		return nil, named(err)
	}
	got, err := client.GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: ended.GetPictures()[0].GetName()})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", ended.GetPictures()[0].GetName(), err)
	}
	return viewOf(pose, ended, got.GetData()), nil
}
