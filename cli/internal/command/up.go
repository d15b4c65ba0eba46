package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/facestudio/facestudio/cli/internal/version"
	"github.com/facestudio/facestudio/cli/mesh"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/telemetry"
)

func (a *app) upCommand() *cobra.Command {
	var file config.File
	var c mesh.Config
	var t telemetry.Config
	set := config.NewSet("up", &file, &c, &t)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole mesh in this process",
		Long: `Up runs every service in this process, with an embedded NATS server whose files
are in the data folder. Generations survive a restart. Every flag can also be
set by the variable named after it, or in the file of --config.`,
		Args: exactly(0, "takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := set.Resolve(a.lookup); err != nil {
				return err
			}
			return a.up(cmd.Context(), c, t)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

func (a *app) up(ctx context.Context, c mesh.Config, t telemetry.Config) (err error) {
	start := time.Now()
	tel, err := telemetry.Start(ctx, telemetry.Settings{Config: t, Service: "facestudio", Version: version.String(), Output: a.errs})
	if err != nil {
		return err
	}
	defer func() {
		// The context of the command has ended by now.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		err = errors.Join(err, tel.Shutdown(ctx))
	}()
	m, err := mesh.Open(ctx, c, tel.Logger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if err := a.greet(m, c, time.Since(start)); err != nil {
		return err
	}
	err = m.Run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	tel.Logger().Info("stopped")
	return err
}

func (a *app) greet(m *mesh.Mesh, c mesh.Config, took time.Duration) error {
	if a.json {
		return a.printJSON(map[string]any{
			"listen": m.Addr(), "bundle": m.Bundle().Digest(), "data_dir": c.DataDir, "ready_seconds": took.Seconds(),
			"admin_key_file": c.AdminKeyFile(),
		})
	}
	_, err := fmt.Fprintf(a.out, `FaceStudio is ready at %[1]s (%.1[2]f s), with the bundle %[3]s.
The page is at http://%[1]s, the API's documentation at http://%[1]s/docs.

  facestudio generate --server %[1]s --face me.jpg --style poster.jpg -o out.png
  facestudio generations list --server %[1]s

%[5]sCtrl-C stops it; what is queued stays in %[4]s.
`, m.Addr(), took.Seconds(), m.Bundle().Manifest.Name, c.DataDir, welcome(m.Addr(), c.AdminKeyFile()))
	return err
}

// welcome says how to make the first API key; nothing where none is asked for.
func welcome(address, adminKeyFile string) string {
	if adminKeyFile == "" {
		return ""
	}
	return fmt.Sprintf(`Callers show an API key (--api-key, FACESTUDIO_API_KEY). Make one with the operator's:

  facestudio keys create --tenant default --server %s --api-key-file %s

`, address, adminKeyFile)
}
