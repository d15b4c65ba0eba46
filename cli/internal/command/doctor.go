package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/facestudio/facestudio/cli/internal/doctor"
	"github.com/facestudio/facestudio/cli/mesh"
	"github.com/facestudio/facestudio/services/config"
)

// server is the section of a NATS server that doctor looks at.
type server struct{ url string }

func (s *server) Register(set *config.Set) {
	set.String(&s.url, "nats-url", "", "NATS server of separate services to look at too; empty looks only at the embedded one")
}

func (s *server) Validate(*config.Problems) {}

// loose is the section of a mesh whose settings are checked by the doctor
// rather than before.
type loose struct{ mesh.Config }

func (*loose) Validate(*config.Problems) {}

func (a *app) doctorCommand() *cobra.Command {
	var m loose
	var nats server
	set := config.NewSet("doctor", &m, &nats)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether this machine can run the mesh, and say what to do",
		Args:  exactly(0, "takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := set.Resolve(a.lookup); err != nil {
				return err
			}
			s := doctor.Settings{Mesh: m.Config}
			s.Shared.NATSURL = nats.url
			findings := doctor.Examine(cmd.Context(), s)
			if err := a.printFindings(findings); err != nil {
				return err
			}
			if !doctor.Healthy(findings) {
				return errors.New("the mesh cannot run here yet: do what the lines marked fail say")
			}
			return nil
		},
	}
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

func (a *app) printFindings(findings []doctor.Finding) error {
	if a.json {
		return a.printJSON(map[string]any{"findings": findings, "healthy": doctor.Healthy(findings)})
	}
	for _, f := range findings {
		if _, err := fmt.Fprintf(a.out, "%-4s  %-13s  %s\n", f.Status, f.Check, f.Detail); err != nil {
			return err
		}
		if f.Advice != "" {
			fmt.Fprintf(a.out, "%20s -> %s\n", "", f.Advice)
		}
	}
	return nil
}
