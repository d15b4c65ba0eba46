package command

import (
	"context"
	"errors"
	"fmt"
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
		Short: "Make pictures of one person or several",
		Long: `Generate makes pictures of the person in the photos, by a style picture, by a
prompt, or by both. Without --server it runs the mesh inside this command.

Several people are a --subject each, at most 8. They become the people of the
style picture from left to right, or where --at says; people that are left over
keep the look of the style picture without an identity. Without a style picture
--at places each by a box or a mask. The weights of a --mix are divided by their
sum.

It exits with 0 when the pictures are made, 1 on failure, 2 for a wrong flag or
setting, 3 for bad input such as a photo without a face, 4 when it was cancelled
or ran out of time, and 5 when the mesh cannot be reached.`,
		Example: `  facestudio generate --face ada.jpg --style poster.jpg -o out.png
  facestudio generate --face ada.jpg --face ada2.jpg --prompt "a smiling woman with red hair" --seed 7
  facestudio generate --face ada.jpg --style poster.jpg --background keep --prompt "a smile" --alpha 0.5
  facestudio generate --subject ada=a1.jpg,a2.jpg --subject bob=b.jpg --at bob=0 --style couple.jpg --size 256x128
  facestudio generate --subject ada=a.jpg --subject bob=b.jpg --mix child=ada:0.5,bob:0.5 --style portrait.jpg`,
		Args: exactly(0, "takes flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := set.Resolve(a.lookup); err != nil {
				return err
			}
			format, err := formatOf(output)
			if err != nil {
				return err
			}
			g, err := w.generation(cmd)
			if err != nil {
				return err
			}
			g.OutputFormat = format
			return a.connected(cmd.Context(), &to, &l, func(ctx context.Context, conn *grpc.ClientConn) error {
				return a.generate(ctx, gatewayv1.NewGenerationServiceClient(conn), g, &w, output)
			})
		},
	}
	w.register(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "out.png", "file to write: .png, .jpg or .webp says the format; with --count, out-0.png and so on")
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
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
	if said := whoIsWho(g); said != "" {
		fmt.Fprintln(a.errs, said)
	}
	for i, picture := range g.GetPictures() {
		_, err := fmt.Fprintf(a.out, "%s  %dx%d, seed %d, %s, %.1f s\n",
			files[i], picture.GetWidth(), picture.GetHeight(), g.GetSeed(), faceText(g, picture), took.Seconds())
		if err != nil {
			return err
		}
		for _, line := range remarks(picture) {
			fmt.Fprintf(a.errs, "%s: %s\n", files[i], line)
		}
	}
	return nil
}
