package command

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/worker"
)

func (a *app) bundleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Look at a model bundle",
		Args:  known,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.verifyCommand(), a.showCommand())
	return cmd
}

// onBundle is the section of one bundle.
type onBundle struct{ shared worker.Mesh }

func (o *onBundle) Register(s *config.Set)      { o.shared.RegisterBundle(s) }
func (o *onBundle) Validate(p *config.Problems) { o.shared.ValidateBundle(p) }

func (a *app) verifyCommand() *cobra.Command {
	var o onBundle
	var m worker.Models
	set := config.NewSet("verify", &o, &m)
	cmd := &cobra.Command{
		Use:   "verify [folder]",
		Short: "Check a bundle's files, and load every model",
		Long: `Verify checks the manifest, the digest of every file and the inputs and outputs
of every graph, and then loads each graph with ONNX Runtime. It exits with 2 and
names the file when something is wrong.`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := a.open(set, &o, args)
			if err != nil {
				return err
			}
			graphs, err := load(cmd.Context(), b, m)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"name": b.Manifest.Name, "digest": b.Digest(), "files": len(b.Manifest.Files), "graphs": graphs})
			}
			_, err = fmt.Fprintf(a.out, "%s %s is whole: %d files, %d graphs load on %s\ndigest %s\n",
				b.Manifest.Name, b.Manifest.Version, len(b.Manifest.Files), graphs, m.Provider, b.Digest())
			return err
		},
	}
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

// open opens the bundle in the folder that is the argument or the setting.
func (a *app) open(set *config.Set, o *onBundle, args []string) (*bundle.Bundle, error) {
	if len(args) == 1 {
		if err := set.Flags().Set("bundle", args[0]); err != nil {
			return nil, usage("%w", err)
		}
	}
	if err := set.Resolve(a.lookup); err != nil {
		return nil, err
	}
	return o.shared.OpenBundle()
}

// load makes a session of every graph and counts them.
func load(ctx context.Context, b *bundle.Bundle, m worker.Models) (n int, err error) {
	r, err := m.Start()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, f := range b.Manifest.Files {
		if !f.Role.IsGraph() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return n, err
		}
		data, contract, err := b.Graph(f.Role, f.Name)
		if err != nil {
			return n, err
		}
		session, err := r.Load(data, contract, ort.SessionOptions{Provider: m.Settings(), IntraThreads: m.Count()})
		if err != nil {
			return n, fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_BUNDLE_INVALID, f.Path,
				"ONNX Runtime does not load %s: restore the file", f.Path)
		}
		if err := session.Close(); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (a *app) showCommand() *cobra.Command {
	var o onBundle
	set := config.NewSet("show", &o)
	cmd := &cobra.Command{
		Use:   "show [folder]",
		Short: "Show what a bundle is",
		Args:  atMostOne,
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := a.open(set, &o, args)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"digest": b.Digest(), "manifest": b.Manifest})
			}
			return a.printBundle(b)
		},
	}
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

func (a *app) printBundle(b *bundle.Bundle) error {
	m := &b.Manifest
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("name", "%s %s", m.Name, m.Version)
	row("digest", "%s", b.Digest())
	row("licence", "%s, commercial use: %t", m.Licence, m.CommercialUse)
	row("made by", "%s", m.Provenance.Code)
	row("summary", "%s", m.Provenance.Summary)
	row("pictures", "%d pixels by default, %d..%d a side in steps of %d", m.Canvas.Default, m.Canvas.Min, m.Canvas.Max, m.Canvas.MultipleOf)
	row("sampling", "%s, %d steps, guidance %g by default", m.Sampling.Sampler, m.Sampling.Steps, m.Sampling.GuidanceScale)
	row("embeddings", "image %d, text %d, face %d", m.Embeddings.Image, m.Embeddings.Text, m.Embeddings.Face)
	row("guidance", "%d tokens of %d", m.Guidance.Tokens, m.Guidance.Width)
	row("prior", "%t", m.Prior != nil)
	row("noise", "%s", m.NoiseVersion)
	for _, f := range m.Files {
		text := fmt.Sprintf("%s  %d bytes", f.Path, f.Bytes)
		if f.Licence != "" {
			text += "  " + f.Licence
		}
		if f.Fetch != "" {
			text += "  from " + f.Fetch
		}
		row(string(f.Role), "%s", text)
	}
	return table.Flush()
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage("%s takes one folder: see %s --help", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}
