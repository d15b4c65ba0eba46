package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

// place sets where the subjects go. Without names there is one subject, and
// none need be told.
func (p *people) place(shown []*gatewayv1.GenerationSubject, names []string) error {
	for _, text := range p.places {
		i, value, err := pick("--at", text, names)
		if err != nil {
			return err
		}
		if shown[i].GetAt() != nil {
			return usage("--at %s: it has a place already, give only one", text)
		}
		if shown[i].At, err = placement(text, value); err != nil {
			return err
		}
		p.flags[fmt.Sprintf("subjects[%d].at", i)] = "--at " + text
	}
	return nil
}

// weigh sets the subjects' own alphas.
func (p *people) weigh(shown []*gatewayv1.GenerationSubject, names []string) error {
	for _, text := range p.alphas {
		i, value, err := pick("--subject-alpha", text, names)
		if err != nil {
			return err
		}
		alpha, err := strconv.ParseFloat(value, 32)
		if err != nil {
			return usage("--subject-alpha %s: %s is no number", text, value)
		}
		shown[i].Alpha = new(float32(alpha))
		p.flags[fmt.Sprintf("subjects[%d].alpha", i)] = "--subject-alpha " + text
	}
	return nil
}

// pick splits name=value and finds the subject; its name may be left out where
// there is only one without.
func pick(flag, text string, names []string) (int, string, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok && names == nil {
		return 0, text, nil
	}
	if i := slices.Index(names, name); ok && i >= 0 {
		return i, value, nil
	}
	if names == nil {
		return 0, "", usage("%s %s: the person of --face has no name, leave it out or give people by --subject", flag, text)
	}
	return 0, "", usage("%s %s: write name=..., with one of %s", flag, text, strings.Join(names, ", "))
}

// placement reads where a subject goes.
func placement(text, value string) (*gatewayv1.Placement, error) {
	if person, err := strconv.ParseInt(value, 10, 32); err == nil {
		return &gatewayv1.Placement{Where: &gatewayv1.Placement_Person{Person: int32(person)}}, nil
	}
	if n, ok := numbers(value); ok {
		switch len(n) {
		case 2:
			return &gatewayv1.Placement{Where: &gatewayv1.Placement_Point{Point: &mediav1.Point{X: n[0], Y: n[1]}}}, nil
		case 4:
			return &gatewayv1.Placement{Where: &gatewayv1.Placement_Box{Box: &mediav1.Box{X: n[0], Y: n[1], Width: n[2], Height: n[3]}}}, nil
		default:
			return nil, usage("--at %s: %d numbers are no place, write INDEX, x,y or x,y,width,height", text, len(n))
		}
	}
	mask, err := readPhoto(value, "--at "+text)
	if err != nil {
		return nil, err
	}
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Mask{Mask: mask}}, nil
}

func numbers(text string) ([]float32, bool) {
	var out []float32
	for _, part := range strings.Split(text, ",") {
		n, err := strconv.ParseFloat(part, 32)
		if err != nil {
			return nil, false
		}
		out = append(out, float32(n))
	}
	return out, true
}

// whoIsWho tells who became which person, for a picture of several; empty when
// there is nothing to tell.
func whoIsWho(g *gatewayv1.Generation) string {
	placements := g.GetPlacements()
	if len(placements) < 2 {
		return ""
	}
	said := make([]string, len(placements))
	for i, p := range placements {
		said[i] = personName(p)
		if p.Subject == nil {
			said[i] += " is nobody's"
			continue
		}
		name := g.GetSubjects()[p.GetSubject()].GetName()
		if name == "" {
			name = fmt.Sprintf("subject %d", p.GetSubject())
		}
		said[i] += " is " + name
	}
	return "from the left: " + strings.Join(said, ", ")
}

func personName(p *gatewayv1.PlacedPerson) string {
	if p.Person != nil {
		return fmt.Sprintf("person %d", p.GetPerson())
	}
	return fmt.Sprintf("at %.0f,%.0f", p.GetBox().GetX(), p.GetBox().GetY())
}
