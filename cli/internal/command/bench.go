package command

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/facestudio/facestudio/cli/internal/bench"
	"github.com/facestudio/facestudio/cli/mesh"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/rpc"
)

func (a *app) benchCommand() *cobra.Command {
	var w wish
	var l local
	var count int
	set := config.NewSet("bench", &l)
	cmd := &cobra.Command{
		Use:   "bench --face photo [--style picture] [--prompt text]",
		Short: "Measure speed and memory of the mesh inside this command",
		Args:  exactly(0, "takes flags only"),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := set.Resolve(a.lookup); err != nil {
				return err
			}
			if count < 2 || count > 100_000 {
				return usage("--pictures %d is outside 2..100000", count)
			}
			var p config.Problems
			l.shared.ValidateBundle(&p)
			if err := p.Err(); err != nil {
				return err
			}
			g, err := w.generation(cmd)
			if err != nil {
				return err
			}
			dir, err := os.MkdirTemp("", "facestudio-bench-")
			if err != nil {
				return fmt.Errorf("make a folder for the mesh: %w", err)
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			report, err := bench.Run(cmd.Context(), bench.Settings{
				Mesh: mesh.Config{
					DataDir: dir, Shared: l.shared, Models: l.models,
					RPC:      rpc.Config{MaxMessage: rpc.DefaultMaxMessage, Grace: 2 * time.Second},
					IdlePoll: 50 * time.Millisecond,
				},
				Generation: g, Pictures: count,
			})
			if err != nil {
				return w.blame(err)
			}
			return a.printReport(report)
		},
	}
	w.register(cmd)
	cmd.Flags().IntVar(&count, "pictures", 20, "pictures to make, one after the other")
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

func (a *app) printReport(r bench.Report) error {
	if a.json {
		return a.printJSON(r)
	}
	_, err := fmt.Fprintf(a.out, `ready in             %.2f s
first picture        %.3f s
picture, median      %.3f s (worst %.3f s) of %d
of that in models    %.3f s
wall over models     %.3f
resident             %.0f MiB (peak %.0f MiB)
growth               %.2f MiB in 100 pictures, %.2f of what is held
`, r.ReadySeconds, r.FirstSeconds, r.MedianSeconds, r.WorstSeconds, r.Pictures, r.ModelSeconds, r.Overhead,
		r.ResidentMiB, r.PeakMiB, r.SlopeMiB, r.HeldSlopeMiB)
	if err != nil {
		return err
	}
	for _, role := range slices.Sorted(maps.Keys(r.RoleSeconds)) {
		if _, err := fmt.Fprintf(a.out, "  %-18s %.3f s\n", role, r.RoleSeconds[role]); err != nil {
			return err
		}
	}
	return nil
}
