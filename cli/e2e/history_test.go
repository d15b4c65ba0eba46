package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// sighting is what one call told about a generation.
type sighting struct {
	by         string
	began, got time.Time
	state      gatewayv1.State
	end        time.Time
	fault      string
	pictures   []string
}

func sight(by string, began time.Time, g *gatewayv1.Generation) sighting {
	s := sighting{by: by, began: began, got: time.Now(), state: g.GetState()}
	if f := g.GetFault(); f != nil {
		s.fault = fmt.Sprintf("%v: %s", f.GetReason(), f.GetMessage())
	}
	if g.GetEndTime() != nil {
		s.end = g.GetEndTime().AsTime()
	}
	for _, p := range g.GetPictures() {
		s.pictures = append(s.pictures, p.GetName())
	}
	return s
}

func (s sighting) ended() bool { return s.state > gatewayv1.State_STATE_RUNNING }

func (s sighting) String() string {
	return fmt.Sprintf("%s told %v %s at %s with %v", s.by, s.state, s.fault, s.end.Format("15:04:05.000"), s.pictures)
}

// tale is the history of one generation, as its client saw it.
type tale struct {
	number uint64
	// name is empty when it is not known whether the generation was accepted.
	name string
	// accepted is when that was told.
	accepted time.Time
	// sightings are in the order in which they were begun.
	sightings []sighting
	// cancelled says that a cancel was acknowledged, with which sighting.
	cancelled *sighting
	// pictures are those of a generation that succeeded.
	pictures [][]byte
	// wrong is what a client was told that no client may be told.
	wrong []string
}

// judge returns what is wrong with a tale; want are its undisturbed pictures.
func (t *tale) judge(want func(number uint64) [][]byte) []string {
	wrong := slices.Clone(t.wrong)
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if t.name == "" {
		return wrong
	}
	var last *sighting
	for i := range t.sightings {
		s := &t.sightings[i]
		switch {
		case !s.ended():
			if last != nil && s.began.After(last.got) {
				say("after %v, %v", last, s)
			}
		case last == nil:
			last = s
		case s.state != last.state || !s.end.Equal(last.end) || !slices.Equal(s.pictures, last.pictures):
			say("two ends: %v, %v", last, s)
		}
	}
	if last == nil {
		say("it was accepted and never ended")
		return wrong
	}
	if c := t.cancelled; c != nil && !c.ended() && last.state != gatewayv1.State_STATE_CANCELLED {
		say("a cancel was acknowledged, and %v", last)
	}
	switch last.state {
	case gatewayv1.State_STATE_CANCELLED:
		if t.cancelled == nil {
			say("nobody asked, and %v", last)
		}
	case gatewayv1.State_STATE_SUCCEEDED:
		if len(t.wrong) > 0 {
			// Its client did not get as far.
			return wrong
		}
		for i, picture := range want(t.number) {
			if i >= len(t.pictures) || string(t.pictures[i]) != string(picture) {
				say("picture %d is not the one that is made undisturbed", i)
			}
		}
	default:
		say("it failed: %v", last)
	}
	return wrong
}

func TestTheCheckerFindsWhatIsWrong(t *testing.T) {
	begin := time.Now()
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	end := func(state gatewayv1.State, began, ended int) sighting {
		return sighting{by: "test", began: at(began), got: at(began + 1), state: state, end: at(ended), pictures: []string{"p"}}
	}
	const running, succeeded, cancelled, failed = gatewayv1.State_STATE_RUNNING, gatewayv1.State_STATE_SUCCEEDED,
		gatewayv1.State_STATE_CANCELLED, gatewayv1.State_STATE_FAILED
	good := [][]byte{{1}}
	asked := end(running, 1, 0)
	for name, test := range map[string]struct {
		tale tale
		says string
	}{
		"in order":            {tale{sightings: []sighting{end(running, 1, 0), end(succeeded, 3, 3), end(succeeded, 9, 3)}, pictures: good}, ""},
		"read at once":        {tale{sightings: []sighting{end(succeeded, 3, 3), end(running, 3, 0)}, pictures: good}, ""},
		"lost":                {tale{sightings: []sighting{end(running, 1, 0)}}, "never ended"},
		"two states":          {tale{sightings: []sighting{end(succeeded, 3, 3), end(failed, 9, 3)}, pictures: good}, "two ends"},
		"ended twice":         {tale{sightings: []sighting{end(succeeded, 3, 3), end(succeeded, 9, 8)}, pictures: good}, "two ends"},
		"came back":           {tale{sightings: []sighting{end(succeeded, 3, 3), end(running, 9, 0)}, pictures: good}, "after"},
		"another picture":     {tale{sightings: []sighting{end(succeeded, 3, 3)}, pictures: [][]byte{{2}}}, "undisturbed"},
		"no picture":          {tale{sightings: []sighting{end(succeeded, 3, 3)}}, "undisturbed"},
		"cancelled":           {tale{sightings: []sighting{end(cancelled, 3, 3)}, cancelled: &asked}, ""},
		"cancel without use":  {tale{sightings: []sighting{end(succeeded, 3, 3)}, cancelled: &asked, pictures: good}, "a cancel was acknowledged"},
		"cancelled by nobody": {tale{sightings: []sighting{end(cancelled, 3, 3)}}, "nobody asked"},
		"failed":              {tale{sightings: []sighting{end(failed, 3, 3)}}, "failed"},
		"refused":             {tale{wrong: []string{"refused"}}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.tale.wrong == nil {
				test.tale.name = "generations/1"
			}
			found := strings.Join(test.tale.judge(func(uint64) [][]byte { return good }), "; ")
			if (found == "") != (test.says == "") || !strings.Contains(found, test.says) {
				t.Errorf("it says %q", found)
			}
		})
	}
}
