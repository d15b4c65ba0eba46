package flow

import (
	"context"
	"fmt"

	"github.com/facestudio/facestudio/gateway/internal/verdict"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
	"github.com/facestudio/facestudio/services/tensor"
)

// around is how much larger than a face in the style picture the place is where
// its person's face is looked for: results do not copy a face to the pixel.
const around = 1.5

// look is what was seen in a result.
type look struct {
	// faces are all that were found, the largest first.
	faces    []*gatewayv1.ResultFace
	warnings []*gatewayv1.Warning
	// own is each subject's similarity to its face, where it has one.
	own []*gatewayv1.SubjectSimilarity
	// embeddings are e_f of each subject's face, nil where it has none.
	embeddings [][]float32
	// score is the least of own; -1 when a subject has no face.
	score float64
}

// verify says who the faces of a result are. A result without a face is no
// failure: it is told in the warnings.
func (r *run) verify(ctx context.Context, index int, picture *mediav1.Picture, who []person, what guide) (look, error) {
	ctx = r.call(ctx, stageVerify, index)
	request := &encoderv1.EmbedAllFacesRequest{Bundle: r.want.GetBundle(), Picture: picture}
	response, err := r.stages.Encoder.EmbedAllFaces(ctx, request)
	if err == nil && r.set.Forget != nil && len(r.named()) > 0 {
		// Faces like an enrolled person's do not stay where deleting the person
		// does not reach.
		err = r.set.Forget(context.WithoutCancel(ctx), encoderv1.EncoderService_EmbedAllFaces_FullMethodName, request)
	}
	if err != nil {
		if f := fault.From(err); f.Kind == fault.Invalid {
			// The request was ours, not the caller's.
			return look{}, fmt.Errorf("verify picture %d: %s", index, f.Message)
		}
		return look{}, fmt.Errorf("verify picture %d: %w", index, err)
	}
	faces := make([]verdict.Face, len(response.GetFaces()))
	for i, face := range response.GetFaces() {
		faces[i].Box = boxOf(face.GetFace().GetBox())
		if face.GetFault() != nil {
			continue
		}
		embedding, err := tensor.FromProto(face.GetEmbedding())
		if err != nil {
			return look{}, fmt.Errorf("read face embedding of picture %d: %w", index, err)
		}
		faces[i].Embedding = embedding.Data
		for _, p := range who {
			if len(embedding.Data) != len(p.embedding) {
				return look{}, fmt.Errorf("face embedding of picture %d has %d values, want %d", index, len(embedding.Data), len(p.embedding))
			}
		}
	}
	least := -1.0
	if r.want.MinSimilarity != nil {
		least = float64(r.want.GetMinSimilarity())
	}
	out := seen(r.levels.Judge(faces, judged(who, what), least), faces, who)
	for i, face := range response.GetFaces() {
		out.faces[i].Yaw = face.GetFace().Yaw
	}
	return out, nil
}

// judged are the subjects as the verdict takes them. A single subject that is
// everywhere has no place.
func judged(who []person, what guide) []verdict.Person {
	people := make([]verdict.Person, len(who))
	for i, p := range who {
		people[i] = verdict.Person{Name: p.name, Embedding: p.embedding, Parts: p.parts}
	}
	for _, role := range what.cast {
		if role.subject == mask.Nobody || role.source == gatewayv1.MaskSource_MASK_SOURCE_EVERYWHERE || role.box.W <= 0 {
			continue
		}
		place := what.move.ApplyBox(role.box)
		if role.person != mask.Nobody {
			place = imaging.Box{
				X: place.X - place.W*(around-1)/2, Y: place.Y - place.H*(around-1)/2, W: place.W * around, H: place.H * around,
			}
		}
		people[role.subject].Place = &place
	}
	return people
}

// seen is a verdict as the generation tells it.
func seen(v verdict.Verdict, faces []verdict.Face, who []person) look {
	out := look{score: v.Score(len(who)), embeddings: make([][]float32, len(who))}
	for i, f := range faces {
		if of := v.Of[i]; of != verdict.Nobody {
			out.embeddings[of] = f.Embedding
		}
		out.faces = append(out.faces, resultFace(f, v.Of[i], v.Similarities[i], who))
	}
	for j := range who {
		if s, ok := v.Similarity(j); ok {
			out.own = append(out.own, &gatewayv1.SubjectSimilarity{Subject: int32(j), Similarity: float32(s)})
		}
	}
	for _, w := range v.Warnings {
		warning := &gatewayv1.Warning{Kind: kindOf(w.Kind), Message: w.Message}
		for _, j := range w.People {
			warning.Subjects = append(warning.Subjects, int32(j))
		}
		if w.Face != verdict.Nobody {
			warning.Face = new(int32(w.Face))
		}
		out.warnings = append(out.warnings, warning)
	}
	return out
}

// resultFace tells of whom a face is or, when it is nobody's, whom it is most
// like.
func resultFace(f verdict.Face, of int, similarities []float64, who []person) *gatewayv1.ResultFace {
	out := &gatewayv1.ResultFace{Box: boxMessage(f.Box)}
	if similarities == nil {
		return out
	}
	nearest := 0
	for j, s := range similarities {
		out.Similarities = append(out.Similarities, &gatewayv1.SubjectSimilarity{Subject: int32(j), Similarity: float32(s)})
		if s > similarities[nearest] {
			nearest = j
		}
	}
	if of != verdict.Nobody {
		out.SubjectIndex, nearest = new(int32(of)), of
	}
	out.Subject, out.Similarity = who[nearest].name, float32(similarities[nearest])
	return out
}

func kindOf(k verdict.Kind) gatewayv1.Warning_Kind {
	switch k {
	case verdict.Blended:
		return gatewayv1.Warning_KIND_BLENDED
	case verdict.Missing:
		return gatewayv1.Warning_KIND_SUBJECT_MISSING
	case verdict.Misplaced:
		return gatewayv1.Warning_KIND_MISPLACED
	case verdict.Unlike:
		return gatewayv1.Warning_KIND_UNLIKE
	default:
		return gatewayv1.Warning_KIND_UNSPECIFIED
	}
}
