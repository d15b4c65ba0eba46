package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/facestudio/facestudio/proto/client"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/config"
)

func (a *app) generationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "generations",
		Short: "List, look at, watch and cancel the generations of a running mesh",
		Args:  known,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.listCommand(), a.getCommand(), a.cancelCommand(), a.watchCommand())
	return cmd
}

// remotely makes a command that talks to a running mesh.
func (a *app) remotely(cmd *cobra.Command, do func(ctx context.Context, client gatewayv1.GenerationServiceClient, args []string) error) *cobra.Command {
	to := &remote{preset: defaultServer}
	set := config.NewSet(cmd.Name(), to)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := set.Resolve(a.lookup); err != nil {
			return err
		}
		conn, err := to.dial()
		if err != nil {
			return err
		}
		return errors.Join(to.explain(conn, do(cmd.Context(), gatewayv1.NewGenerationServiceClient(conn), args)), conn.Close())
	}
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

func (a *app) listCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List the generations, the newest first", Args: exactly(0, "takes no arguments")}
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many")
	return a.remotely(cmd, func(ctx context.Context, client gatewayv1.GenerationServiceClient, _ []string) error {
		if limit < 1 {
			return usage("--limit %d is not positive", limit)
		}
		var all []*gatewayv1.Generation
		var token string
		for {
			call, done := context.WithTimeout(ctx, callTimeout)
			page, err := client.ListGenerations(call, &gatewayv1.ListGenerationsRequest{
				PageSize: int32(min(limit-len(all), 100)), PageToken: token,
			})
			done()
			if err != nil {
				return err
			}
			all = append(all, page.GetGenerations()...)
			if token = page.GetNextPageToken(); token == "" || len(all) >= limit {
				return a.printList(all)
			}
		}
	})
}

func (a *app) printList(all []*gatewayv1.Generation) error {
	if a.json {
		out := make([]json.RawMessage, len(all))
		for i, g := range all {
			var err error
			if out[i], err = messageJSON(g); err != nil {
				return err
			}
		}
		return a.printJSON(map[string]any{"generations": out})
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "GENERATION\tSTATE\tCREATED\tTOOK\tPICTURES\tWHY")
	for _, g := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", strings.TrimPrefix(g.GetName(), namePrefix), stateName(g),
			g.GetCreateTime().AsTime().Local().Format(time.DateTime), took(g), len(g.GetPictures()), why(g))
	}
	return table.Flush()
}

func stateName(g *gatewayv1.Generation) string {
	return strings.ToLower(strings.TrimPrefix(g.GetState().String(), "STATE_"))
}

func took(g *gatewayv1.Generation) string {
	if g.GetEndTime() == nil {
		return "-"
	}
	return g.GetEndTime().AsTime().Sub(g.GetCreateTime().AsTime()).Round(10 * time.Millisecond).String()
}

func why(g *gatewayv1.Generation) string {
	if g.GetFault() == nil {
		return ""
	}
	return reasonName(g.GetFault().GetReason())
}

const namePrefix = "generations/"

// named is the resource name of a generation given by name or by its id.
func named(arg string) string {
	if strings.HasPrefix(arg, namePrefix) {
		return arg
	}
	return namePrefix + arg
}

func (a *app) getCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{Use: "get generation", Short: "Show a generation, and fetch its pictures", Args: exactly(1, "takes one generation")}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write the pictures to, named as their format is; empty writes none")
	return a.remotely(cmd, func(ctx context.Context, client gatewayv1.GenerationServiceClient, args []string) error {
		if output != "" {
			if _, err := formatOf(output); err != nil {
				return err
			}
		}
		ctx, done := context.WithTimeout(ctx, callTimeout)
		defer done()
		g, err := client.GetGeneration(ctx, &gatewayv1.GetGenerationRequest{Name: named(args[0])})
		if err != nil {
			return err
		}
		if output != "" {
			if err := checkFits(output, g); err != nil {
				return err
			}
			if _, err := fetch(ctx, client, g, output); err != nil {
				return err
			}
		}
		return a.printGeneration(g)
	})
}

func (a *app) cancelCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cancel generation", Short: "Cancel a generation", Args: exactly(1, "takes one generation")}
	return a.remotely(cmd, func(ctx context.Context, client gatewayv1.GenerationServiceClient, args []string) error {
		ctx, done := context.WithTimeout(ctx, callTimeout)
		defer done()
		g, err := client.CancelGeneration(ctx, &gatewayv1.CancelGenerationRequest{Name: named(args[0])})
		if err != nil {
			return err
		}
		return a.printGeneration(g)
	})
}

func (a *app) watchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "watch generation", Short: "Follow a generation until it has ended", Args: exactly(1, "takes one generation")}
	return a.remotely(cmd, func(ctx context.Context, client gatewayv1.GenerationServiceClient, args []string) error {
		call, done := context.WithTimeout(ctx, callTimeout)
		defer done()
		g, err := client.GetGeneration(call, &gatewayv1.GetGenerationRequest{Name: named(args[0])})
		if err != nil {
			return err
		}
		show := newProgress(a.errs, int(g.GetPictureCount()), a.json)
		g, err = follow(ctx, client, g.GetName(), show)
		show.End()
		if err != nil {
			return err
		}
		if err := a.printGeneration(g); err != nil {
			return err
		}
		return outcome(g)
	})
}

func (a *app) printGeneration(g *gatewayv1.Generation) error {
	if a.json {
		message, err := messageJSON(g)
		if err != nil {
			return err
		}
		return a.printJSON(message)
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	row("name", g.GetName())
	row("state", stateName(g))
	row("created", g.GetCreateTime().AsTime().Local().Format(time.DateTime))
	row("took", took(g))
	row("seed", g.GetSeed())
	if g.GetPrompt() != "" {
		row("prompt", g.GetPrompt())
	}
	if p := g.GetProgress(); p != nil && !client.Ended(g) {
		row("doing", stageName(p.GetStage()))
	}
	for _, picture := range g.GetPictures() {
		row("picture", fmt.Sprintf("%s  %dx%d, %s", picture.GetName(), picture.GetWidth(), picture.GetHeight(), faceText(g, picture)))
		for _, line := range remarks(picture) {
			row("", line)
		}
	}
	if f := g.GetFault(); f != nil {
		row("fault", reasonName(f.GetReason())+": "+f.GetMessage())
		if f.GetField() != "" {
			row("field", f.GetField())
		}
	}
	return table.Flush()
}
