package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/config"
)

func (a *app) subjectsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subjects",
		Short: "Enrol, list, look at and delete people of a running mesh",
		Long: `Subjects are people that a mesh knows: enrolled once from photos, they are named
by generations instead of sending the photos again. What is kept of the photos is
an embedding of the face, and the photos themselves only with --keep-photos.`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.enrolCommand(), a.subjectListCommand(), a.subjectShowCommand(), a.subjectDeleteCommand())
	return cmd
}

// subjectsRemotely makes a command that talks to the subjects of a running mesh.
func (a *app) subjectsRemotely(cmd *cobra.Command, do func(ctx context.Context, client gatewayv1.SubjectServiceClient, args []string) error) *cobra.Command {
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
		return errors.Join(to.explain(conn, do(cmd.Context(), gatewayv1.NewSubjectServiceClient(conn), args)), conn.Close())
	}
	cmd.Flags().AddFlagSet(set.Flags())
	return cmd
}

// subjectNamed is the resource name of a subject given by name or by its id.
func subjectNamed(arg string) string {
	if strings.HasPrefix(arg, enrolledPrefix) {
		return arg
	}
	return enrolledPrefix + arg
}

func (a *app) subjectListCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List the subjects, the newest first", Args: exactly(0, "takes no arguments")}
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many")
	return a.subjectsRemotely(cmd, func(ctx context.Context, client gatewayv1.SubjectServiceClient, _ []string) error {
		if limit < 1 {
			return usage("--limit %d is not positive", limit)
		}
		var all []*gatewayv1.Subject
		var token string
		for {
			call, done := context.WithTimeout(ctx, callTimeout)
			page, err := client.ListSubjects(call, &gatewayv1.ListSubjectsRequest{
				PageSize: int32(min(limit-len(all), 100)), PageToken: token,
			})
			done()
			if err != nil {
				return err
			}
			all = append(all, page.GetSubjects()...)
			if token = page.GetNextPageToken(); token == "" || len(all) >= limit {
				return a.printSubjects(all)
			}
		}
	})
}

func (a *app) printSubjects(all []*gatewayv1.Subject) error {
	if a.json {
		out := make([]json.RawMessage, len(all))
		for i, s := range all {
			var err error
			if out[i], err = messageJSON(s); err != nil {
				return err
			}
		}
		return a.printJSON(map[string]any{"subjects": out})
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "SUBJECT\tNAME\tCREATED\tEXPIRES\tPHOTOS\tKEPT\tCONSENT")
	for _, s := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.GetName(), s.GetDisplayName(),
			s.GetCreateTime().AsTime().Local().Format(time.DateTime), expires(s), s.GetUsedPhotoCount(), len(s.GetPhotos()), s.GetConsent())
	}
	return table.Flush()
}

func expires(s *gatewayv1.Subject) string {
	if s.GetExpireTime() == nil {
		return "never"
	}
	return s.GetExpireTime().AsTime().Local().Format(time.DateTime)
}

func (a *app) subjectShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show subject", Short: "Show a subject, with the verdicts on its photos", Args: exactly(1, "takes one subject")}
	return a.subjectsRemotely(cmd, func(ctx context.Context, client gatewayv1.SubjectServiceClient, args []string) error {
		ctx, done := context.WithTimeout(ctx, callTimeout)
		defer done()
		s, err := client.GetSubject(ctx, &gatewayv1.GetSubjectRequest{Name: subjectNamed(args[0])})
		if err != nil {
			return err
		}
		return a.printSubject(s, nil)
	})
}

// printSubject shows a subject; files are those of its photos, nil when they
// are not known.
func (a *app) printSubject(s *gatewayv1.Subject, files []string) error {
	if a.json {
		message, err := messageJSON(s)
		if err != nil {
			return err
		}
		return a.printJSON(message)
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	if s.GetName() != "" {
		row("name", s.GetName())
		row("shown as", s.GetDisplayName())
		row("created", s.GetCreateTime().AsTime().Local().Format(time.DateTime))
		row("expires", expires(s))
	}
	row("photos used", fmt.Sprintf("%d of %d", s.GetUsedPhotoCount(), len(s.GetPhotoVerdicts())))
	row("photos kept", len(s.GetPhotos()))
	if s.GetConsent() != "" {
		row("consent", s.GetConsent())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return printVerdicts(a.out, s.GetPhotoVerdicts(), files)
}

func (a *app) subjectDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delete subject", Short: "Delete a subject with all that is kept of it", Args: exactly(1, "takes one subject")}
	return a.subjectsRemotely(cmd, func(ctx context.Context, client gatewayv1.SubjectServiceClient, args []string) error {
		ctx, done := context.WithTimeout(ctx, callTimeout)
		defer done()
		removed, err := client.DeleteSubject(ctx, &gatewayv1.DeleteSubjectRequest{Name: subjectNamed(args[0])})
		if err != nil {
			return err
		}
		if a.json {
			message, err := messageJSON(removed)
			if err != nil {
				return err
			}
			return a.printJSON(message)
		}
		text := fmt.Sprintf("%s is deleted: %d embedding, %d kept photos", removed.GetName(), removed.GetEmbeddings(), len(removed.GetPhotos()))
		if n := len(removed.GetSharedPhotos()); n > 0 {
			text += fmt.Sprintf("; %d photos stay, since other subjects keep them too", n)
		}
		if n := len(removed.GetGenerations()) + len(removed.GetEndingGenerations()); n > 0 {
			text += fmt.Sprintf("; %d generations that named it do not any more, or will not in a minute", n)
		}
		_, err = fmt.Fprintln(a.out, text)
		return err
	})
}
