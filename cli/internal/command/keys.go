package command

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
)

func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Create, list and revoke the API keys of a running mesh",
		Long: `A key lets a program call the mesh for one tenant, within its scopes. It is shown
once: the mesh keeps only a hash of it. These commands need the scope admin; the
first key is made with the operator's own, from --admin-key-file of the gateway
(admin.key in the data folder of facestudio up --auth).`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.keyCreateCommand(), a.keyListCommand(), a.keyRevokeCommand())
	return cmd
}

// keyed makes a command about the keys of a running mesh.
func (a *app) keyed(cmd *cobra.Command, do func(ctx context.Context, client adminv1.KeyServiceClient, args []string) error) *cobra.Command {
	return a.called(cmd, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		return do(ctx, adminv1.NewKeyServiceClient(conn), args)
	})
}

func (a *app) keyCreateCommand() *cobra.Command {
	req := new(adminv1.CreateKeyRequest)
	var ttl time.Duration
	var output string
	cmd := &cobra.Command{
		Use:   "create --tenant name",
		Short: "Create a key, and show it for the only time",
		Example: `  facestudio keys create --tenant acme --label "web shop" -o acme.key
  facestudio keys create --tenant acme --scope generations:read --ttl 720h`,
		Args: exactly(0, "takes flags only"),
	}
	cmd.Flags().StringVar(&req.Tenant, "tenant", "", "whose calls it makes (required)")
	cmd.Flags().StringSliceVar(&req.Scopes, "scope", nil, "what it may do, repeated; all that a tenant can do unless given")
	cmd.Flags().StringVar(&req.Label, "label", "", "what it is for, in words")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it lasts; 0 is until it is revoked")
	cmd.Flags().StringVarP(&output, "output", "o", "", "new file to write the key to, for its owner alone; empty prints it")
	return a.keyed(cmd, func(ctx context.Context, client adminv1.KeyServiceClient, _ []string) error {
		if req.GetTenant() == "" {
			return usage("--tenant is missing: say whose calls the key makes")
		}
		if ttl != 0 {
			req.Ttl = durationpb.New(ttl)
		}
		if output == "" {
			made, err := client.CreateKey(ctx, req)
			if err != nil {
				return err
			}
			return a.printNewKey(made, made.GetSecret())
		}
		// Before the key is made: it is told only once.
		file, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return usage("--output: %w", err)
		}
		made, err := client.CreateKey(ctx, req)
		if err == nil {
			_, err = fmt.Fprintln(file, made.GetSecret())
		}
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			_ = os.Remove(output)
			return err
		}
		return a.printNewKey(made, output)
	})
}

// printNewKey shows a new key, and where it is.
func (a *app) printNewKey(made *adminv1.CreateKeyResponse, where string) error {
	if a.json {
		key, err := messageJSON(made.GetKey())
		if err != nil {
			return err
		}
		out := map[string]any{"key": key, "file": where}
		if where == made.GetSecret() {
			out = map[string]any{"key": key, "secret": where}
		}
		return a.printJSON(out)
	}
	if _, err := fmt.Fprintln(a.out, where); err != nil {
		return err
	}
	k := made.GetKey()
	_, err := fmt.Fprintf(a.errs, "Key %s of %s may do %s; it is not shown again.\n", k.GetId(), k.GetTenant(), strings.Join(k.GetScopes(), ", "))
	return err
}

func (a *app) keyListCommand() *cobra.Command {
	var tenant string
	cmd := &cobra.Command{Use: "list", Short: "List the keys, the oldest first", Args: exactly(0, "takes no arguments")}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only of this tenant")
	return a.keyed(cmd, func(ctx context.Context, client adminv1.KeyServiceClient, _ []string) error {
		got, err := client.ListKeys(ctx, &adminv1.ListKeysRequest{Tenant: tenant})
		if err != nil {
			return err
		}
		if a.json {
			return printMessages(a, "keys", got.GetKeys())
		}
		table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(table, "KEY\tENDS IN\tTENANT\tCREATED\tEXPIRES\tSCOPES\tLABEL")
		for _, k := range got.GetKeys() {
			expires := "never"
			if k.GetExpireTime() != nil {
				expires = k.GetExpireTime().AsTime().Local().Format(time.DateTime)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.GetId(), k.GetLastFour(), k.GetTenant(),
				k.GetCreateTime().AsTime().Local().Format(time.DateTime), expires, strings.Join(k.GetScopes(), ","), k.GetLabel())
		}
		return table.Flush()
	})
}

func (a *app) keyRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke key",
		Short: "Revoke a key, by its id or by itself, at all gateways within 5 seconds",
		Args:  exactly(1, "takes one key"),
	}
	return a.keyed(cmd, func(ctx context.Context, client adminv1.KeyServiceClient, args []string) error {
		id := args[0]
		if rest, whole := strings.CutPrefix(id, "fsk_"); whole {
			id, _, _ = strings.Cut(rest, "_")
		}
		got, err := client.RevokeKey(ctx, &adminv1.RevokeKeyRequest{Id: id})
		if err != nil {
			return err
		}
		if a.json {
			key, err := messageJSON(got.GetKey())
			if err != nil {
				return err
			}
			return a.printJSON(map[string]any{"revoked": key})
		}
		_, err = fmt.Fprintf(a.out, "revoked %s of %s\n", got.GetKey().GetId(), got.GetKey().GetTenant())
		return err
	})
}
