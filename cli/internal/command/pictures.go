package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/facestudio/facestudio/proto/client"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

const picturePrefix = "pictures/"

func (a *app) picturesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pictures",
		Short: "Upload pictures to a running mesh once, to name them in requests; show and delete them",
		Long: `A picture that was uploaded is kept for 7 days after its last upload. Wherever a
command takes the file of a photo or style picture, pictures/... names it.`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.pictureUploadCommand(), a.pictureShowCommand(), a.picturePeopleCommand(), a.pictureDeleteCommand())
	return cmd
}

// pictureNamed is the resource name of a picture given by name or by its SHA-256.
func pictureNamed(arg string) string { return picturePrefix + strings.TrimPrefix(arg, picturePrefix) }

func (a *app) pictureUploadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upload file",
		Short: "Upload a picture, in pieces when it is large, and print its name",
		Args:  exactly(1, "takes one file"),
	}
	return a.styled(cmd, func(ctx context.Context, mesh *client.Client, args []string) error {
		data, err := readFile(args[0], args[0])
		if err != nil {
			return err
		}
		named, err := mesh.Upload(ctx, data)
		if err != nil {
			return err
		}
		if a.json {
			return a.showPicture(ctx, mesh, named.GetName())
		}
		_, err = fmt.Fprintln(a.out, named.GetName())
		return err
	})
}

func (a *app) pictureShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show picture", Short: "Show what is kept of a picture, and how long", Args: exactly(1, "takes one picture")}
	return a.styled(cmd, func(ctx context.Context, mesh *client.Client, args []string) error {
		return a.showPicture(ctx, mesh, pictureNamed(args[0]))
	})
}

func (a *app) showPicture(ctx context.Context, mesh *client.Client, name string) error {
	p, err := mesh.Uploads.GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: name})
	if err != nil {
		return err
	}
	if a.json {
		message, err := messageJSON(p)
		if err != nil {
			return err
		}
		return a.printJSON(message)
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	row("name", p.GetName())
	row("picture", fmt.Sprintf("%dx%d, %d bytes, %s", p.GetWidth(), p.GetHeight(), p.GetBlob().GetSize(), p.GetBlob().GetMediaType()))
	row("uploaded", p.GetUpdateTime().AsTime().Local().Format(time.DateTime))
	row("expires", p.GetExpireTime().AsTime().Local().Format(time.DateTime))
	return table.Flush()
}

func (a *app) picturePeopleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "people picture",
		Short: "Tell who is in a picture, as --at counts them; a file, pictures/... or styles/...",
		Args:  exactly(1, "takes one picture"),
	}
	return a.styled(cmd, func(ctx context.Context, mesh *client.Client, args []string) error {
		picture, err := readPhoto(args[0], args[0])
		if err != nil {
			return err
		}
		found, err := mesh.Uploads.DetectPeople(ctx, &gatewayv1.DetectPeopleRequest{Picture: picture})
		if err != nil {
			return err
		}
		if a.json {
			message, err := messageJSON(found)
			if err != nil {
				return err
			}
			return a.printJSON(message)
		}
		if len(found.GetPeople()) == 0 {
			_, err := fmt.Fprintln(a.out, "nobody was found in it")
			return err
		}
		table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(table, "PERSON\tFACE X,Y,WIDTH,HEIGHT\tTURNED")
		for i, person := range found.GetPeople() {
			turned := "-"
			if person.Yaw != nil {
				turned = fmt.Sprintf("%.0f°", person.GetYaw())
			}
			b := person.GetBox()
			fmt.Fprintf(table, "%d\t%.0f,%.0f,%.0f,%.0f\t%s\n", i, b.GetX(), b.GetY(), b.GetWidth(), b.GetHeight(), turned)
		}
		return table.Flush()
	})
}

func (a *app) pictureDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete picture",
		Short: "Delete an uploaded picture; what was made of it keeps what it needs",
		Args:  exactly(1, "takes one picture"),
	}
	return a.styled(cmd, func(ctx context.Context, mesh *client.Client, args []string) error {
		name := pictureNamed(args[0])
		if _, err := mesh.Uploads.DeletePicture(ctx, &gatewayv1.DeletePictureRequest{Name: name}); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string]string{"deleted": name})
		}
		_, err := fmt.Fprintln(a.out, name+" is deleted")
		return err
	})
}

// labelText is labels as a row of a table has them.
func labelText(labels map[string]string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, key+"="+labels[key])
	}
	return strings.Join(out, ", ")
}
