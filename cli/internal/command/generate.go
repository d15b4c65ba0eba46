package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
)

func (a *app) generateCommand() *cobra.Command {
	var w wish
	var to remote
	var l local
	var output string
	set := config.NewSet("generate", &to, &l)
	cmd := &cobra.Command{
		Use:   "generate --face photo [--style picture] [--prompt text]",
		Short: "Make pictures of a person",
		Long: `Generate makes pictures of the person in the photos, by a style picture, by a
prompt, or by both. Without --server it runs the mesh inside this command.

It exits with 0 when the pictures are made, 1 on failure, 2 for a wrong flag or
setting, 3 for bad input such as a photo without a face, 4 when it was cancelled
or ran out of time, and 5 when the mesh cannot be reached.`,
		Example: `  facestudio generate --face ada.jpg --style poster.jpg -o out.png
  facestudio generate --face ada.jpg --face ada2.jpg --prompt "a smiling woman with red hair" --seed 7
  facestudio generate --face ada.jpg --style poster.jpg --background keep --prompt "a smile" --alpha 0.5`,
		Args: exactly(0, "takes flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := set.Resolve(a.lookup); err != nil {
				return err
			}
			if err := checkOutput(output); err != nil {
				return err
			}
			g, err := w.generation(cmd)
			if err != nil {
				return err
			}
			return a.connected(cmd.Context(), &to, &l, func(ctx context.Context, conn *grpc.ClientConn) error {
				return a.generate(ctx, gatewayv1.NewGenerationServiceClient(conn), g, &w, output)
			})
		},
	}
	w.register(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "out.png", "file to write, PNG; with --count, out-0.png and so on")
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

// checkOutput finds a place that cannot be written before any work is done.
func checkOutput(path string) error {
	if ext := filepath.Ext(path); ext != ".png" {
		return usage("--output %s: pictures are PNG, name the file .png", path)
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return usage("--output %s: there is no folder %s, make it first", path, dir)
	}
	return nil
}

// generate creates, follows and fetches one generation.
func (a *app) generate(ctx context.Context, client gatewayv1.GenerationServiceClient, g *gatewayv1.Generation, w *wish, output string) error {
	start := time.Now()
	create, done := context.WithTimeout(ctx, callTimeout)
	defer done()
	created, err := client.CreateGeneration(create, &gatewayv1.CreateGenerationRequest{
		Generation: g, RequestId: uuid.NewString(),
	})
	if err != nil {
		return w.blame(err)
	}
	show := newProgress(a.errs, int(created.GetPictureCount()), a.json)
	ended, err := follow(ctx, client, created.GetName(), show)
	show.End()
	if ctx.Err() != nil {
		return errors.Join(cancelled(created.GetName()), a.cancel(ctx, client, created.GetName()))
	}
	if err != nil {
		return w.blame(err)
	}
	if err := outcome(ended); err != nil {
		return w.blame(err)
	}
	files, err := fetch(ctx, client, ended, output)
	if err != nil {
		return err
	}
	return a.printResult(ended, w, files, time.Since(start))
}

func cancelled(name string) error {
	return fault.New(fault.Cancelled, faultv1.Reason_REASON_CANCELLED, "", "%s was cancelled", name)
}

// cancel ends a generation although the command's own context has ended.
func (a *app) cancel(ctx context.Context, client gatewayv1.GenerationServiceClient, name string) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	if _, err := client.CancelGeneration(ctx, &gatewayv1.CancelGenerationRequest{Name: name}); err != nil {
		return fmt.Errorf("cancel %s: %w", name, err)
	}
	return nil
}

// blame turns the request field of a fault into the flag it came from.
func (w *wish) blame(err error) error {
	f := fault.From(err)
	if f.Field == "" {
		return err
	}
	named := *f
	named.Field = w.flag(f.Field)
	return &named
}

// fetch writes the pictures of a generation to files.
func fetch(ctx context.Context, client gatewayv1.GenerationServiceClient, g *gatewayv1.Generation, output string) ([]string, error) {
	files := outputs(output, len(g.GetPictures()))
	for i, picture := range g.GetPictures() {
		got, err := client.GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: picture.GetName()})
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", picture.GetName(), err)
		}
		if err := writeFile(files[i], got.GetData()); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func (a *app) printResult(g *gatewayv1.Generation, w *wish, files []string, took time.Duration) error {
	if a.json {
		message, err := messageJSON(g)
		if err != nil {
			return err
		}
		return a.printJSON(map[string]any{"generation": message, "files": files, "seconds": took.Seconds()})
	}
	for _, verdict := range g.GetPhotoVerdicts() {
		if !verdict.GetUsed() {
			fmt.Fprintf(a.errs, "%s was not used: %s (%s)\n", w.flag(verdict.GetPhoto()),
				verdict.GetFault().GetMessage(), reasonName(verdict.GetFault().GetReason()))
		}
	}
	for i, picture := range g.GetPictures() {
		text := fmt.Sprintf("%s  %dx%d, seed %d", files[i], picture.GetWidth(), picture.GetHeight(), g.GetSeed())
		if faces := picture.GetFaces(); len(faces) > 0 {
			text += fmt.Sprintf(", face similarity %.2f", faces[0].GetSimilarity())
		}
		if _, err := fmt.Fprintf(a.out, "%s, %.1f s\n", text, took.Seconds()); err != nil {
			return err
		}
	}
	return nil
}
