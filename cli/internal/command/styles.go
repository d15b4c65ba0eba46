package command

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/proto/client"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

const stylePrefix = "styles/"

func (a *app) stylesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "styles",
		Short: "Keep style pictures of a running mesh under names: create, list, show and delete them",
		Long: `A style is a style picture that the mesh keeps until it is deleted. Generations
name it: facestudio generate --server ... --style styles/...`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.styleCreateCommand(), a.styleListCommand(), a.styleShowCommand(), a.styleDeleteCommand())
	return cmd
}

// styled makes a command about the styles of a running mesh.
func (a *app) styled(cmd *cobra.Command, do func(ctx context.Context, mesh *client.Client, args []string) error) *cobra.Command {
	return a.called(cmd, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		return do(ctx, client.New(conn), args)
	})
}

// styleNamed is the resource name of a style given by name or by its id.
func styleNamed(arg string) string { return stylePrefix + strings.TrimPrefix(arg, stylePrefix) }

func (a *app) styleCreateCommand() *cobra.Command {
	style := new(gatewayv1.Style)
	cmd := &cobra.Command{
		Use:   "create picture",
		Short: "Keep a style picture, given as a file or as pictures/...",
		Example: `  facestudio styles create poster.jpg --name Poster --label set=posters
  facestudio styles create pictures/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: exactly(1, "takes one picture"),
	}
	cmd.Flags().StringVar(&style.DisplayName, "name", "", "what people call it; it need not be unique")
	cmd.Flags().StringToStringVar(&style.Labels, "label", nil, "key=value that helps to find it again, repeated")
	return a.styled(cmd, func(ctx context.Context, mesh *client.Client, args []string) error {
		picture, err := readPhoto(args[0], args[0])
		if err != nil {
			return err
		}
		style.Picture = picture
		made, err := mesh.Styles.CreateStyle(ctx, &gatewayv1.CreateStyleRequest{Style: style})
		if err != nil {
			return err
		}
		return a.printStyle(made)
	})
}

func (a *app) styleListCommand() *cobra.Command {
	var limit int
	var filter string
	cmd := &cobra.Command{Use: "list", Short: "List the styles, the newest first", Args: exactly(0, "takes no arguments")}
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many")
	cmd.Flags().StringVar(&filter, "filter", "", `which, for example labels.set = "posters"; see docs/api.md`)
	return a.styled(cmd, func(ctx context.Context, mesh *client.Client, _ []string) error {
		if limit < 1 {
			return usage("--limit %d is not positive", limit)
		}
		var all []*gatewayv1.Style
		var token string
		for {
			page, err := mesh.Styles.ListStyles(ctx, &gatewayv1.ListStylesRequest{
				PageSize: int32(min(limit-len(all), 100)), PageToken: token, Filter: filter,
			})
			if err != nil {
				return err
			}
			all = append(all, page.GetStyles()...)
			if token = page.GetNextPageToken(); token == "" || len(all) >= limit {
				return a.printStyles(all)
			}
		}
	})
}

func (a *app) printStyles(all []*gatewayv1.Style) error {
	if a.json {
		return printMessages(a, "styles", all)
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "STYLE\tNAME\tCREATED\tSIZE\tLABELS")
	for _, s := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%dx%d\t%s\n", s.GetName(), s.GetDisplayName(),
			s.GetCreateTime().AsTime().Local().Format(time.DateTime), s.GetWidth(), s.GetHeight(), labelText(s.GetLabels()))
	}
	return table.Flush()
}

func (a *app) styleShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show style", Short: "Show a style", Args: exactly(1, "takes one style")}
	return a.styled(cmd, func(ctx context.Context, mesh *client.Client, args []string) error {
		s, err := mesh.Styles.GetStyle(ctx, &gatewayv1.GetStyleRequest{Name: styleNamed(args[0])})
		if err != nil {
			return err
		}
		return a.printStyle(s)
	})
}

func (a *app) printStyle(s *gatewayv1.Style) error {
	if a.json {
		message, err := messageJSON(s)
		if err != nil {
			return err
		}
		return a.printJSON(message)
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	row("name", s.GetName())
	row("shown as", s.GetDisplayName())
	row("created", s.GetCreateTime().AsTime().Local().Format(time.DateTime))
	row("picture", fmt.Sprintf("%dx%d, %d bytes, SHA-256 %s", s.GetWidth(), s.GetHeight(), s.GetPicture().GetBlob().GetSize(), s.GetPicture().GetBlob().GetSha256()))
	if len(s.GetLabels()) > 0 {
		row("labels", labelText(s.GetLabels()))
	}
	return table.Flush()
}

func (a *app) styleDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delete style", Short: "Delete a style with its picture; generations keep what they have", Args: exactly(1, "takes one style")}
	return a.styled(cmd, func(ctx context.Context, mesh *client.Client, args []string) error {
		name := styleNamed(args[0])
		if _, err := mesh.Styles.DeleteStyle(ctx, &gatewayv1.DeleteStyleRequest{Name: name}); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string]string{"deleted": name})
		}
		_, err := fmt.Fprintln(a.out, name+" is deleted")
		return err
	})
}
