package command

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
)

func (a *app) deadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List, look at, redrive and drop work that a running mesh gave up",
		Long: `Dead letters are calls of stages that failed as often as they may, that silenced
three workers as if they had killed them, or that were no work of the mesh, and
webhooks that were given up (--stage webhook). They are kept for 30 days. Whoever
waited for one has been told; redriving is for work whose cause has been mended.`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.deadListCommand(),
		a.letterCommand("show", "Show a dead letter", func(ctx context.Context, client adminv1.QueueServiceClient, id uint64) error {
			letter, err := client.GetDeadLetter(ctx, &adminv1.GetDeadLetterRequest{Id: id})
			if err != nil {
				return err
			}
			return a.printLetter(letter)
		}),
		a.letterCommand("redrive", "Put the work of a dead letter into the queue again", func(ctx context.Context, client adminv1.QueueServiceClient, id uint64) error {
			letter, err := client.RedriveDeadLetter(ctx, &adminv1.RedriveDeadLetterRequest{Id: id})
			if err != nil {
				return err
			}
			return a.printLetter(letter)
		}),
		a.letterCommand("drop", "Remove a dead letter for good", func(ctx context.Context, client adminv1.QueueServiceClient, id uint64) error {
			if _, err := client.DropDeadLetter(ctx, &adminv1.DropDeadLetterRequest{Id: id}); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]uint64{"dropped": id})
			}
			_, err := fmt.Fprintf(a.out, "dropped %d\n", id)
			return err
		}),
	)
	return cmd
}

// letterCommand makes a command about one dead letter.
func (a *app) letterCommand(name, short string, do func(context.Context, adminv1.QueueServiceClient, uint64) error) *cobra.Command {
	cmd := &cobra.Command{Use: name + " number", Short: short, Args: exactly(1, "takes the number of one dead letter")}
	return a.operated(cmd, func(ctx context.Context, client adminv1.QueueServiceClient, args []string) error {
		id, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil || id == 0 {
			return usage("%q is no number of a dead letter: see facestudio dead list", args[0])
		}
		return do(ctx, client, id)
	})
}

func (a *app) deadListCommand() *cobra.Command {
	var stage, tenant string
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List the dead letters, the oldest first", Args: exactly(0, "takes no arguments")}
	cmd.Flags().StringVar(&stage, "stage", "", "only of this stage, for example denoiser")
	cmd.Flags().StringVar(&tenant, "tenant", "", "only of this tenant")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many, up to 1000")
	return a.operated(cmd, func(ctx context.Context, client adminv1.QueueServiceClient, _ []string) error {
		if limit < 1 || limit > 1000 {
			return usage("--limit %d is outside 1..1000", limit)
		}
		page, err := client.ListDeadLetters(ctx, &adminv1.ListDeadLettersRequest{Stage: stage, Tenant: tenant, PageSize: int32(limit)})
		if err != nil {
			return err
		}
		if a.json {
			return printMessages(a, "dead_letters", page.GetDeadLetters())
		}
		table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(table, "NUMBER\tGIVEN UP\tSTAGE\tTENANT\tREASON\tATTEMPTS\tSTATUS")
		for _, l := range page.GetDeadLetters() {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%d\t%s\n", l.GetId(), l.GetTime().AsTime().Local().Format(time.DateTime),
				l.GetStage(), l.GetTenant(), l.GetReason(), l.GetAttempts(), l.GetStatus())
		}
		return table.Flush()
	})
}

func (a *app) printLetter(l *adminv1.DeadLetter) error {
	if a.json {
		message, err := messageJSON(l)
		if err != nil {
			return err
		}
		return a.printJSON(message)
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	for _, row := range [][2]any{
		{"number", l.GetId()},
		{"given up", l.GetTime().AsTime().Local().Format(time.DateTime)},
		{"reason", l.GetReason()},
		{"attempts", l.GetAttempts()},
		{"status", l.GetStatus()},
		{"stage", l.GetStage()},
		{"method", l.GetMethod()},
		{"owner", l.GetOwner()},
		{"tenant", l.GetTenant()},
		{"class", l.GetClass()},
		{"bundle", l.GetBundle()},
		{"trace", l.GetTraceId()},
		{"payload", fmt.Sprintf("%d bytes", l.GetSize())},
	} {
		if row[1] != "" {
			fmt.Fprintf(table, "%s\t%v\n", row[0], row[1])
		}
	}
	return table.Flush()
}
