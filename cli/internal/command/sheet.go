package command

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/facestudio/facestudio/cli/internal/sheet"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func (a *app) sheetCommand() *cobra.Command {
	var output string
	var layout sheet.Layout
	cmd := &cobra.Command{
		Use:     "sheet label=picture...",
		Short:   "Put pictures side by side with labels",
		Example: "  facestudio sheet -o sheet.png face=ada.jpg style=poster.jpg result=out.png",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("%s takes pictures as label=file: see %s --help", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if layout.Columns < 0 || layout.Side < 0 || layout.Side > 4096 {
				return usage("--columns and --size must not be negative, nor --size above 4096")
			}
			cells := make([]sheet.Cell, len(args))
			for i, arg := range args {
				label, path, ok := strings.Cut(arg, "=")
				if !ok {
					label, path = "", arg
				}
				picture, err := readPicture(path)
				if err != nil {
					return err
				}
				cells[i] = sheet.Cell{Label: label, Picture: picture}
			}
			drawn, err := sheet.Draw(cells, layout)
			if err != nil {
				return err
			}
			var encoded bytes.Buffer
			if err := png.Encode(&encoded, drawn); err != nil {
				return fmt.Errorf("encode the sheet: %w", err)
			}
			if err := writeFile(output, encoded.Bytes()); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]string{"file": output})
			}
			_, err = fmt.Fprintln(a.out, output)
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "sheet.png", "file to write, PNG")
	cmd.Flags().IntVar(&layout.Columns, "columns", 0, "pictures in a row; 0 is up to six")
	cmd.Flags().IntVar(&layout.Side, "size", 0, "side of a picture's square, pixels; 0 is 256")
	return cmd
}

func readPicture(path string) (image.Image, error) {
	data, err := readFile(path, path)
	if err != nil {
		return nil, err
	}
	picture, err := sheet.Decode(data)
	if err != nil {
		return nil, fault.From(err).At(path)
	}
	return picture, nil
}

// maxFile is the most that a picture sent to the mesh may have, bytes.
const maxFile = 16 << 20

// readFile reads a picture file; field names it in errors.
func readFile(path, field string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, field, "the file cannot be read: give an existing picture")
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, field, "it is no file: give a picture")
	}
	if info.Size() > maxFile {
		return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_IMAGE_TOO_LARGE, field,
			"the file has %d bytes, at most %d are taken: scale it down", info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, field, "the file cannot be read: allow it or give another")
	}
	return data, nil
}

// writeFile writes a result beside its place and renames it, so that nobody
// sees half of it.
func writeFile(path string, data []byte) error {
	part := path + ".part"
	if err := os.WriteFile(part, data, 0o644); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
