package command

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
)

func (a *app) stageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stage",
		Short: "List, pause and resume the stages of a running mesh",
		Long: `A paused stage gets no work from the queue until it is resumed or the pause ends;
what its workers have in hand goes on, and new work waits within its deadline.`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{Use: "list", Short: "List the stages and what they have to do", Args: exactly(0, "takes no arguments")}
	resume := &cobra.Command{Use: "resume stage", Short: "Give a paused stage work again", Args: exactly(1, "takes one stage")}
	cmd.AddCommand(
		a.operated(list, func(ctx context.Context, client adminv1.QueueServiceClient, _ []string) error {
			got, err := client.ListStages(ctx, &adminv1.ListStagesRequest{})
			if err != nil {
				return err
			}
			return a.printStages(got.GetStages())
		}),
		a.stagePauseCommand(),
		a.operated(resume, func(ctx context.Context, client adminv1.QueueServiceClient, args []string) error {
			got, err := client.ResumeStage(ctx, &adminv1.ResumeStageRequest{Name: args[0]})
			if err != nil {
				return err
			}
			return a.printStages(got.GetStages())
		}),
	)
	return cmd
}

func (a *app) stagePauseCommand() *cobra.Command {
	var during time.Duration
	cmd := &cobra.Command{Use: "pause stage", Short: "Give a stage no work for a while", Args: exactly(1, "takes one stage")}
	cmd.Flags().DurationVar(&during, "for", time.Hour, "how long, at most 720h; a pause that is forgotten ends by itself")
	return a.operated(cmd, func(ctx context.Context, client adminv1.QueueServiceClient, args []string) error {
		if during <= 0 {
			return usage("--for %v is not positive", during)
		}
		got, err := client.PauseStage(ctx, &adminv1.PauseStageRequest{Name: args[0], Until: timestamppb.New(time.Now().Add(during))})
		if err != nil {
			return err
		}
		return a.printStages(got.GetStages())
	})
}

func (a *app) printStages(list []*adminv1.Stage) error {
	if a.json {
		return printMessages(a, "stages", list)
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "STAGE\tBUNDLE\tCLASS\tWAITING\tIN HAND\tIDLE SLOTS\tPAUSED UNTIL")
	for _, s := range list {
		paused := ""
		if s.GetPausedUntil() != nil {
			paused = s.GetPausedUntil().AsTime().Local().Format(time.DateTime)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", s.GetName(), s.GetBundle(), s.GetClass(),
			s.GetWaiting(), s.GetInHand(), s.GetIdleSlots(), paused)
	}
	return table.Flush()
}
