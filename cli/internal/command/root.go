// Package command is the `facestudio` command line.
package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/facestudio/facestudio/cli/internal/version"
)

// app is what every command shares.
type app struct {
	out, errs io.Writer
	lookup    func(string) (string, bool)
	json      bool
}

// Main runs the command line and returns its exit code. SIGINT and SIGTERM
// cancel what runs; a second one ends the process at once.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.LookupEnv)
}

// Run runs the command line with its own streams and environment.
func Run(ctx context.Context, args []string, out, errs io.Writer, lookup func(string) (string, bool)) int {
	a := &app{out: out, errs: errs, lookup: lookup}
	root := a.root() //nolint:contextcheck // cobra hands the context to what runs
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err != nil {
		printFailure(errs, err, a.json)
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "facestudio",
		Short: "Pictures of a person, from a face photo and a style picture or a prompt",
		Long: `FaceStudio makes pictures of a given person in seconds: face photos say who, a
style picture or a prompt says what. It runs as a mesh of services, or as a
whole inside this command.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          known,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w: see %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print results and errors as JSON")
	root.AddCommand(
		a.upCommand(), a.generateCommand(), a.viewsCommand(), a.subjectsCommand(), a.stylesCommand(), a.picturesCommand(), a.generationsCommand(),
		a.replayCommand(), a.doctorCommand(), a.bundleCommand(), a.benchCommand(), a.deadCommand(), a.sealCommand(), a.auditCommand(), a.stageCommand(), a.keysCommand(), a.sheetCommand(), a.versionCommand(),
	)
	return root
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exactly(0, "takes no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]string{"version": version.String()})
			}
			_, err := fmt.Fprintln(a.out, version.String())
			return err
		},
	}
}

// known refuses what is no command.
func known(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%q is no command of %s: see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// exactly demands n arguments, and says otherwise what the command takes.
func exactly(n int, takes string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("%s %s: see %s --help", cmd.CommandPath(), takes, cmd.CommandPath())
		}
		return nil
	}
}
