package command

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	"github.com/facestudio/facestudio/services/seal"
)

func (a *app) sealCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "seal",
		Short: "Rotate the keys that seal what a running mesh stores",
		Long: `What a mesh stores is sealed with data keys, which key-encryption keys wrap: those
of --seal-key-file or --seal-keys, seal.keys in the data folder of facestudio up.`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.sealRotateCommand())
	return cmd
}

func (a *app) sealRotateCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Wrap all data keys with the newest key-encryption key",
		Long: `Rotate has a gateway read its key-encryption keys again and wrap all data keys with
the newest. With --new-key-in it first draws a key in that key file, which all
processes of the mesh have to share; without, the operator added one: to the
front of the file on every machine, or in the key service. Keys that wrap nothing
any more may then be removed.`,
		Args: exactly(0, "takes no arguments"),
	}
	cmd.Flags().StringVar(&file, "new-key-in", "", "key file to add a new key to first")
	return a.called(cmd, func(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
		if file != "" {
			if _, err := seal.AddKey(file); err != nil {
				return err
			}
		}
		done, err := adminv1.NewSealServiceClient(conn).RotateKeys(ctx, &adminv1.RotateKeysRequest{})
		if err != nil {
			return err
		}
		if a.json {
			message, err := messageJSON(done)
			if err != nil {
				return err
			}
			return a.printJSON(message)
		}
		text := fmt.Sprintf("%d data keys are wrapped anew by %s, %d were before", done.GetRewrapped(), done.GetKeyEncryptionKey(), done.GetKept())
		if unused := done.GetUnusedKeyEncryptionKeys(); len(unused) > 0 {
			text += "; nothing needs any more " + strings.Join(unused, ", ")
		}
		_, err = fmt.Fprintln(a.out, text)
		return err
	})
}

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List who enrolled, used and deleted people in a running mesh, and made keys",
		Args:  known,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.auditListCommand())
	return cmd
}

func (a *app) auditListCommand() *cobra.Command {
	var tenant, subject string
	var since time.Duration
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List what was done, the oldest first", Args: exactly(0, "takes no arguments")}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only of this tenant")
	cmd.Flags().StringVar(&subject, "subject", "", "only about this person, subjects/...")
	cmd.Flags().DurationVar(&since, "since", 0, "only of the last while, for example 24h; 0 is all")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many, up to 1000")
	return a.called(cmd, func(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
		if limit < 1 || limit > 1000 {
			return usage("--limit %d is outside 1..1000", limit)
		}
		request := &adminv1.ListAuditEntriesRequest{Tenant: tenant, PageSize: int32(limit)}
		if subject != "" {
			request.Subject = subjectNamed(subject)
		}
		if since > 0 {
			request.Since = timestamppb.New(time.Now().Add(-since))
		}
		page, err := adminv1.NewAuditServiceClient(conn).ListAuditEntries(ctx, request)
		if err != nil {
			return err
		}
		if a.json {
			return printMessages(a, "entries", page.GetEntries())
		}
		table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(table, "NUMBER\tTIME\tTENANT\tWHO\tACTION\tABOUT\tGENERATION\tOUTCOME")
		for _, e := range page.GetEntries() {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.GetNumber(), e.GetTime().AsTime().Local().Format(time.DateTime),
				e.GetTenant(), e.GetPrincipal(), strings.ToLower(strings.TrimPrefix(e.GetAction().String(), "AUDIT_ACTION_")),
				e.GetSubject()+e.GetKey(), e.GetGeneration(), e.GetOutcome())
		}
		return table.Flush()
	})
}
