package command

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	"github.com/facestudio/facestudio/services/config"
)

// operated makes a command that talks to the queue of a running mesh.
func (a *app) operated(cmd *cobra.Command, do func(ctx context.Context, client adminv1.QueueServiceClient, args []string) error) *cobra.Command {
	return a.called(cmd, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		return do(ctx, adminv1.NewQueueServiceClient(conn), args)
	})
}

// called makes a command of short calls to a running mesh.
func (a *app) called(cmd *cobra.Command, do func(ctx context.Context, conn *grpc.ClientConn, args []string) error) *cobra.Command {
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
		ctx, done := context.WithTimeout(cmd.Context(), callTimeout)
		defer done()
		return errors.Join(to.explain(conn, do(ctx, conn, args)), conn.Close())
	}
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

// printMessages prints messages as one JSON document.
func printMessages[M proto.Message](a *app, name string, list []M) error {
	out := make([]json.RawMessage, len(list))
	for i, m := range list {
		var err error
		if out[i], err = messageJSON(m); err != nil {
			return err
		}
	}
	return a.printJSON(map[string]any{name: out})
}
