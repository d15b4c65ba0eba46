package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/provenance"
)

func (a *app) replayCommand() *cobra.Command {
	var in inputs
	var to remote
	var l local
	var output string
	var timeout time.Duration
	set := config.NewSet("replay", &to, &l)
	cmd := &cobra.Command{
		Use:   "replay picture --face photo [--style picture]",
		Short: "Make a picture again from its record, and tell whether it is the same",
		Long: `Replay reads in a picture's metadata how it was made and makes it again. The
record has no photos, only their digests: give the same files again, in any order
and for as many people as there were. It tells whether the bytes are the same
and, if not, what differs: the bundle, the version of the noise, or the pixels.

It exits with 0 when the bytes are the same and with 1 when they are not.`,
		Example: `  facestudio replay out.png --face ada.jpg --style poster.jpg
  facestudio replay out.webp --face ada.jpg --face bob.jpg --style poster.jpg -o again.webp`,
		Args: exactly(1, "takes one picture"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := set.Resolve(a.lookup); err != nil {
				return err
			}
			if output != "" {
				if _, err := formatOf(output); err != nil {
					return err
				}
			}
			was, err := readRecorded(args[0])
			if err != nil {
				return err
			}
			g, err := was.again(&in)
			if err != nil {
				return err
			}
			if timeout > 0 {
				g.Timeout = durationpb.New(timeout)
			}
			return a.connected(cmd.Context(), &to, &l, func(ctx context.Context, conn *grpc.ClientConn) error {
				return a.replay(ctx, gatewayv1.NewGenerationServiceClient(conn), was, g, output)
			})
		},
	}
	in.register(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write the picture to that was made again; empty writes none")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "how long it may take (default: 10m)")
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

// recorded is a picture with the record of how it was made.
type recorded struct {
	path   string
	data   []byte
	record provenance.Record
}

func readRecorded(path string) (recorded, error) {
	data, err := readFile(path, path)
	if err != nil {
		return recorded{}, err
	}
	record, err := provenance.Read(data)
	if err != nil {
		return recorded{}, fault.From(err).At(path)
	}
	return recorded{path, data, record}, nil
}

// again is the request that makes the picture again, alone.
func (was recorded) again(in *inputs) (*gatewayv1.Generation, error) {
	g, err := was.record.Generation()
	if err != nil {
		return nil, fault.From(err).At(was.path)
	}
	if err := in.fill(g); err != nil {
		return nil, err
	}
	g.FirstIndex = int32(was.record.Index)
	// Pictures may be older than what can be asked for now.
	if g.RefineFaces == nil {
		g.RefineFaces = new(false)
	}
	if g.Corrections == nil {
		g.Corrections = new(int32(0))
	}
	return g, nil
}

// replay makes the picture and compares. The mesh says at Create which bundle
// it would use: another one is refused before anything is made.
func (a *app) replay(ctx context.Context, client gatewayv1.GenerationServiceClient, was recorded, g *gatewayv1.Generation, output string) error {
	create, done := context.WithTimeout(ctx, callTimeout)
	defer done()
	created, err := client.CreateGeneration(create, &gatewayv1.CreateGenerationRequest{Generation: g, RequestId: uuid.NewString()})
	if err != nil {
		return err
	}
	if created.GetBundle() != was.record.Bundle.Digest {
		return errors.Join(otherBundle(was, created.GetBundle()), a.cancel(ctx, client, created.GetName()))
	}
	show := newProgress(a.errs, 1, a.json)
	ended, err := follow(ctx, client, created.GetName(), show)
	show.End()
	if ctx.Err() != nil {
		return errors.Join(cancelled(created.GetName()), a.cancel(ctx, client, created.GetName()))
	}
	if err == nil {
		err = outcome(ended)
	}
	if err != nil {
		return err
	}
	got, err := client.GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: ended.GetPictures()[0].GetName()})
	if err != nil {
		return err
	}
	if output != "" {
		if err := checkFits(output, ended); err != nil {
			return err
		}
		if err := writeFile(output, got.GetData()); err != nil {
			return err
		}
	}
	return a.printReplay(was, got.GetData())
}

func otherBundle(was recorded, serves string) error {
	b := was.record.Bundle
	return fault.New(fault.Precondition, faultv1.Reason_REASON_BUNDLE_MISMATCH, was.path,
		"it was made with bundle %s %s of digest %.12s, the mesh serves the one of digest %.12s: replay it with --bundle, or a server, of that bundle",
		b.Name, b.Version, b.Digest, serves)
}

func (a *app) printReplay(was recorded, now []byte) error {
	same := bytes.Equal(was.data, now)
	var differs []string
	if !same {
		differs = differences(was, now)
	}
	if a.json {
		err := a.printJSON(map[string]any{
			"picture": was.path, "same": same, "differences": differs,
			"sha256": provenance.Digest(was.data), "replayed_sha256": provenance.Digest(now),
		})
		if err != nil || same {
			return err
		}
	}
	if !same {
		return fmt.Errorf("the picture that was made again is another: %s", sentence(differs))
	}
	_, err := fmt.Fprintf(a.out, "%s  the same %d bytes, made with bundle %s %s, seed and noise %s\n",
		was.path, len(now), was.record.Bundle.Name, was.record.Bundle.Version, was.record.NoiseVersion)
	return err
}
