package face

import (
	"context"
	"fmt"

	"github.com/facestudio/facestudio/services/imaging"
)

// maxFaces is how many faces of one picture are looked at; further ones are
// specks.
const maxFaces = 16

// Found is a face of a picture, ready for the network unless something is wrong
// with it.
type Found struct {
	Aligned
	// Err is why the face cannot be embedded: FACE_TOO_SMALL, or NO_FACE_FOUND
	// when its landmarks make no face. The embedding needs Pixels.
	Err error
}

// AlignAll finds every face of a picture and aligns each; the largest first,
// whatever their quality.
func (e *Embedder) AlignAll(ctx context.Context, picture *imaging.RGB) ([]Found, error) {
	faces, err := e.detector.Faces(ctx, picture)
	if err != nil {
		return nil, fmt.Errorf("find the faces: %w", err)
	}
	found := make([]Found, min(len(faces), maxFaces))
	for i := range found {
		found[i].Face = faces[i]
		if _, err := Choose(faces[i:i+1], true); err != nil {
			found[i].Err = err
			continue
		}
		found[i].Pixels, found[i].Err = e.crop(picture, faces[i])
	}
	return found, nil
}
