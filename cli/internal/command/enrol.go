package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// enrolTimeout bounds an enrolment: the photos may wait for their turn.
const enrolTimeout = 2 * time.Minute

func (a *app) enrolCommand() *cobra.Command {
	var in gatewayv1.Subject
	var ttl time.Duration
	var check bool
	cmd := &cobra.Command{
		Use:   "enrol name photo...",
		Short: "Enrol a person from photos, with a verdict on each",
		Long: `Enrol looks at 1 to 32 photos of one person and keeps the person as a subject.
Photos without a face, with several, with one that is too small, blurred, dark or
turned away, and photos of somebody else than the rest are left out; the table
says which, with what was measured. It fails when no photo is left.`,
		Example: `  facestudio subjects enrol Ada ada1.jpg ada2.jpg ada3.jpg --consent "form 7" --ttl 720h
  facestudio generate --server 127.0.0.1:7433 --subject ada=subjects/0123456789abcdefghijklmnop --style poster.jpg`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage("%s takes a name and at least one photo: see %s --help", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&in.KeepPhotos, "keep-photos", false, "keep the photos that are used for as long as the subject")
	f.StringVar(&in.Consent, "consent", "", "reference to the person's consent in your own records")
	f.StringToStringVar(&in.Labels, "label", nil, "key=value that helps to find it again")
	f.Lookup("label").DefValue = ""
	f.DurationVar(&ttl, "ttl", 0, "delete it by itself after so long (default: keep it)")
	f.BoolVar(&check, "check", false, "only look at the photos, and keep nothing")
	return a.subjectsRemotely(cmd, func(ctx context.Context, client gatewayv1.SubjectServiceClient, args []string) error {
		files := args[1:]
		in.DisplayName, in.Photos, in.Ttl = args[0], nil, nil
		if cmd.Flags().Changed("ttl") {
			in.Ttl = durationpb.New(ttl)
		}
		for _, path := range files {
			photo, err := readPhoto(path, path)
			if err != nil {
				return err
			}
			in.Photos = append(in.Photos, photo)
		}
		ctx, done := context.WithTimeout(ctx, enrolTimeout)
		defer done()
		s, err := client.CreateSubject(ctx, &gatewayv1.CreateSubjectRequest{Subject: &in, RequestId: uuid.NewString(), ValidateOnly: check})
		if err != nil {
			return blamePhotos(err, files)
		}
		return a.printSubject(s, files)
	})
}

// blamePhotos names the files that a fault is about.
func blamePhotos(err error, files []string) error {
	f := fault.From(err)
	named := *f
	named.Field = photoFile(f.Field, files)
	named.Others = nil
	for _, o := range f.Others {
		named.Others = append(named.Others, fault.ToProto(&fault.Fault{
			Reason: o.GetReason(), Message: o.GetMessage(), Field: photoFile(o.GetField(), files), Kind: fault.Invalid,
		}))
	}
	return &named
}

// photoFile is the file of "photos[i]", or the field as it is.
func photoFile(field string, files []string) string {
	var i int
	if _, err := fmt.Sscanf(field, "photos[%d]", &i); err == nil && i >= 0 && i < len(files) {
		return files[i]
	}
	return field
}

// printVerdicts is a table of what became of each photo.
func printVerdicts(w io.Writer, verdicts []*gatewayv1.PhotoVerdict, files []string) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "\nPHOTO\tUSED\tFACE\tSHARPNESS\tBRIGHTNESS\tYAW\tLIKE THE REST\tWHY")
	for _, v := range verdicts {
		f, used, why := v.GetFigures(), "yes", ""
		if !v.GetUsed() {
			used, why = "no", reasonName(v.GetFault().GetReason())+": "+v.GetFault().GetMessage()
		}
		if f == nil {
			f = new(gatewayv1.PhotoFigures)
		}
		columns := []string{
			photoFile(v.GetPhoto(), files), used, number("%.0f px", f.FacePixels), number("%.2f", f.Sharpness),
			number("%.2f", f.Brightness), number("%+.0f°", f.Yaw), number("%.2f", f.Similarity), why,
		}
		fmt.Fprintln(table, strings.Join(columns, "\t"))
	}
	return table.Flush()
}

// number is a figure as text; "-" when it was not measured.
func number(format string, value *float32) string {
	if value == nil {
		return "-"
	}
	return fmt.Sprintf(format, *value)
}
