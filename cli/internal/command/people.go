package command

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// enrolledPrefix begins the names of enrolled subjects.
const enrolledPrefix = "subjects/"

// people is what flags say about who is to be shown, and where.
type people struct {
	faces []string
	// shown are the --subject and --mix flags in the order they were given.
	shown []mention
	// places and alphas are the --at and --subject-alpha flags.
	places, alphas []string

	// flags are the flags, with their files, by the request field they became.
	flags map[string]string
}

// mention is one --subject or --mix flag.
type mention struct{ flag, text string }

// mentions is a flag that keeps its place among others like it.
type mentions struct {
	flag string
	to   *[]mention
}

func (m mentions) Set(text string) error {
	*m.to = append(*m.to, mention{m.flag, text})
	return nil
}
func (m mentions) Type() string   { return "stringArray" }
func (m mentions) String() string { return "" }

func (p *people) register(f *pflag.FlagSet) {
	f.StringArrayVar(&p.faces, "face", nil, "photo of the person; repeated: several photos of the same person")
	f.Var(mentions{"--subject", &p.shown}, "subject", "one of several people: name=a.jpg,b.jpg, or name=subjects/id for an enrolled one; repeated, one each, from left to right")
	f.Var(mentions{"--mix", &p.shown}, "mix", "one more person, mixed of others by weight: name=a:0.3,b:0.7, where a and b are subjects (then not shown themselves), photos, or subjects/id")
	f.StringArrayVar(&p.places, "at", nil, "where a subject goes: name=INDEX of the person in the style picture, from 0 at the left; name=x,y a point on the person; name=x,y,w,h a box; or name=mask.png")
	f.StringArrayVar(&p.alphas, "subject-alpha", nil, "weight of the style against the prompt for one subject: name=0.5")
}

// subjects reads the files and returns those who are shown, in their order.
func (p *people) subjects() ([]*gatewayv1.GenerationSubject, error) {
	p.flags = make(map[string]string)
	if len(p.shown) == 0 {
		return p.alone()
	}
	if len(p.faces) > 0 {
		return nil, usage("--face and --subject together: --face is for one person alone, give each person by --subject name=photo")
	}
	named, order, err := p.named()
	if err != nil {
		return nil, err
	}
	mixed := make(map[string]bool)
	for _, m := range p.shown {
		if m.flag != "--mix" {
			continue
		}
		if err := mixOf(m.text, named, mixed); err != nil {
			return nil, err
		}
	}
	order = slices.DeleteFunc(order, func(name string) bool { return mixed[name] })
	shown := make([]*gatewayv1.GenerationSubject, len(order))
	for i, name := range order {
		shown[i] = named[name].subject
		p.note(i, named[name])
	}
	if err := p.place(shown, order); err != nil {
		return nil, err
	}
	return shown, p.weigh(shown, order)
}

// alone is the one person of --face.
func (p *people) alone() ([]*gatewayv1.GenerationSubject, error) {
	if len(p.faces) == 0 {
		return nil, usage("--face is missing: give a photo of the person, or several people by --subject name=photo")
	}
	one := &entry{subject: new(gatewayv1.GenerationSubject)}
	for _, path := range p.faces {
		if err := one.read(path, "--face "+path); err != nil {
			return nil, err
		}
	}
	p.note(0, one)
	shown := []*gatewayv1.GenerationSubject{one.subject}
	if err := p.place(shown, nil); err != nil {
		return nil, err
	}
	return shown, p.weigh(shown, nil)
}

// entry is one named person and the flags that its photos came from.
type entry struct {
	subject *gatewayv1.GenerationSubject
	// photos has the flag of each photo, parts those of each part of a mix.
	photos []string
	parts  []*entry
	flag   string
}

func (e *entry) read(path, flag string) error {
	photo, err := readPhoto(path, flag)
	if err != nil {
		return err
	}
	e.subject.Photos, e.photos = append(e.subject.Photos, photo), append(e.photos, flag)
	return nil
}

// named reads every --subject, and makes room for every --mix.
func (p *people) named() (map[string]*entry, []string, error) {
	named := make(map[string]*entry)
	var order []string
	for _, m := range p.shown {
		name, value, ok := strings.Cut(m.text, "=")
		if !ok || name == "" || value == "" {
			return nil, nil, usage("%s %s: write name=...", m.flag, m.text)
		}
		one := named[name]
		if one == nil {
			one = &entry{subject: &gatewayv1.GenerationSubject{Name: name}, flag: m.flag + " " + name}
			named[name], order = one, append(order, name)
		} else if m.flag == "--mix" || strings.HasPrefix(one.flag, "--mix") {
			return nil, nil, usage("%s %s: there is a %s already, give it another name", m.flag, m.text, name)
		}
		if m.flag == "--mix" {
			continue
		}
		if err := one.source(name, value); err != nil {
			return nil, nil, err
		}
	}
	return named, order, nil
}

// source takes what a --subject names: files, or an enrolled subject.
func (e *entry) source(name, value string) error {
	if strings.HasPrefix(value, enrolledPrefix) {
		if len(e.subject.GetPhotos()) > 0 || e.subject.GetSubject() != "" {
			return usage("--subject %s=%s: %s has another source already, give only one", name, value, name)
		}
		e.subject.Subject = value
		return nil
	}
	if e.subject.GetSubject() != "" {
		return usage("--subject %s=%s: %s is %s already, give only one", name, value, name, e.subject.GetSubject())
	}
	for _, path := range files(value) {
		if err := e.read(path, "--subject "+name+"="+path); err != nil {
			return err
		}
	}
	return nil
}

// files are the paths of a list: the whole text where that is a file, since
// file names may have commas.
func files(text string) []string {
	if _, err := os.Stat(text); err == nil {
		return []string{text}
	}
	return strings.Split(text, ",")
}

// mixOf reads a --mix, whose room named has, and marks whom it takes from there.
func mixOf(text string, named map[string]*entry, mixed map[string]bool) error {
	name, value, _ := strings.Cut(text, "=")
	into := named[name]
	for _, part := range strings.Split(value, ",") {
		colon := strings.LastIndex(part, ":")
		if colon < 1 {
			return usage("--mix %s: %s has no weight, write for example %s:0.5", text, part, part)
		}
		weight, err := strconv.ParseFloat(part[colon+1:], 32)
		if err != nil {
			return usage("--mix %s: %s is no weight", text, part[colon+1:])
		}
		of, made := part[:colon], &gatewayv1.MixPart{Weight: float32(weight)}
		from := named[of]
		switch {
		case from == into:
			return usage("--mix %s: %s cannot be mixed of itself", text, name)
		case from != nil && strings.HasPrefix(from.flag, "--mix"):
			return usage("--mix %s: %s is a mix itself, name the people that it is mixed of", text, of)
		case from == nil:
			from = &entry{subject: new(gatewayv1.GenerationSubject)}
			if strings.HasPrefix(of, enrolledPrefix) {
				from.subject.Subject = of
			} else if err := from.read(of, "--mix "+name+"="+of); err != nil {
				return err
			}
		default:
			made.Name, mixed[of] = of, true
		}
		made.Photos, made.Subject = from.subject.GetPhotos(), from.subject.GetSubject()
		into.subject.Mix = append(into.subject.Mix, made)
		into.parts = append(into.parts, from)
	}
	return nil
}

// note remembers which flags subject i came from.
func (p *people) note(i int, one *entry) {
	at := fmt.Sprintf("subjects[%d]", i)
	p.flags[at] = one.flag
	for j, flag := range one.photos {
		p.flags[fmt.Sprintf("%s.photos[%d]", at, j)] = flag
	}
	for k, part := range one.parts {
		p.flags[fmt.Sprintf("%s.mix[%d]", at, k)] = one.flag
		for j, flag := range part.photos {
			p.flags[fmt.Sprintf("%s.mix[%d].photos[%d]", at, k, j)] = flag
		}
	}
}

// flag is the flag that a request field came from: its own, or that of the
// nearest field around it.
func (p *people) flag(field string) (string, bool) {
	for field != "" {
		if flag := p.flags[field]; flag != "" {
			return flag, true
		}
		field = field[:max(0, strings.LastIndexAny(field, ".["))]
	}
	return "", false
}
