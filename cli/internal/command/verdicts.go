package command

import (
	"fmt"
	"strings"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// subjectName is how a subject of a generation is told.
func subjectName(g *gatewayv1.Generation, i int32) string {
	if int(i) < len(g.GetSubjects()) && g.GetSubjects()[i].GetName() != "" {
		return g.GetSubjects()[i].GetName()
	}
	return fmt.Sprintf("subject %d", i)
}

// faceText tells of every subject how similar its face is.
func faceText(g *gatewayv1.Generation, picture *gatewayv1.ResultPicture) string {
	similar := map[int32]float32{}
	for _, face := range picture.GetFaces() {
		if face.SubjectIndex != nil {
			similar[face.GetSubjectIndex()] = face.GetSimilarity()
		}
	}
	if len(g.GetSubjects()) <= 1 {
		s, ok := similar[0]
		if !ok {
			return "no face"
		}
		return fmt.Sprintf("face similarity %.2f", s)
	}
	var parts []string
	for i := range g.GetSubjects() {
		s, ok := similar[int32(i)]
		if !ok {
			parts = append(parts, subjectName(g, int32(i))+" has no face")
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %.2f", subjectName(g, int32(i)), s))
	}
	return "face similarity " + strings.Join(parts, ", ")
}

// triesText tells which try was kept, and why; empty when there was one alone.
func triesText(picture *gatewayv1.ResultPicture) string {
	tries := picture.GetTries()
	if len(tries) < 2 {
		return ""
	}
	scores := make([]string, len(tries))
	kept := 0
	for i, t := range tries {
		scores[i] = fmt.Sprintf("%.2f", t.GetScore())
		if t.GetChosen() {
			kept = i
		}
	}
	return fmt.Sprintf("kept try %d of %d, index %d, as the most similar of %s",
		kept+1, len(tries), picture.GetSeedIndex(), strings.Join(scores, ", "))
}

// warningName is a warning's kind as it is told.
func warningName(w *gatewayv1.Warning) string {
	return strings.TrimPrefix(w.GetKind().String(), "KIND_")
}

// remarks are the lines that follow a picture's own: its tries and warnings.
func remarks(picture *gatewayv1.ResultPicture) []string {
	var out []string
	if text := triesText(picture); text != "" {
		out = append(out, text)
	}
	for _, w := range picture.GetWarnings() {
		out = append(out, fmt.Sprintf("warning: %s (%s)", w.GetMessage(), warningName(w)))
	}
	return out
}
