package flow_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
)

// register has enrolled subjects in memory.
type register struct {
	mu   sync.Mutex
	all  map[string][]float32
	gone map[string]chan struct{}
}

func enrol(names ...string) *register {
	p := &register{all: map[string][]float32{}, gone: map[string]chan struct{}{}}
	for _, name := range names {
		p.all[name], p.gone[name] = []float32{0, 1}, make(chan struct{})
	}
	return p
}

// remove deletes a subject; told says whether those who watch hear of it.
func (p *register) remove(name string, told bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, name)
	if told {
		close(p.gone[name])
	}
}

func (p *register) Embedding(_ context.Context, of, name string) ([]float32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.all[name]; ok && of == tenant {
		return e, nil
	}
	return nil, fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_SUBJECT, "name", "there is no such subject: enrol it")
}

func (p *register) Gone(ctx context.Context, _, name string) (<-chan struct{}, error) {
	out := make(chan struct{})
	p.mu.Lock()
	gone := p.gone[name]
	p.mu.Unlock()
	go func() {
		defer close(out)
		select {
		case <-ctx.Done():
		case <-gone:
		}
	}()
	return out, nil
}

func openWith(t *testing.T, p *register) *fixture {
	t.Helper()
	f := open(t)
	f.flow = flow.New(f.connect(), f.blobs, flow.Settings{
		Framing: bundle.Framing{Fill: "edge", Template: template}, Subjects: p,
	})
	return f
}

func naming(name string) *gatewayv1.Generation {
	g := request()
	g.Subjects = []*gatewayv1.GenerationSubject{{Name: "ada", Subject: name}}
	return g
}

func TestEnrolledSubjectsAreUsed(t *testing.T) {
	f := openWith(t, enrol("subjects/ada"))
	result, err := f.run(t.Context(), naming("subjects/ada"))
	if err != nil || len(result.Pictures) != 1 {
		t.Fatalf("%v, %v", result, err)
	}
	got := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")[0].GetIdentities()[0].GetFaceEmbedding()
	equal(t, "embedding", string(got.GetData()), string(vector(0, 0, 1).GetData()))
}

// TestSubjectsDeletedMeanwhile deletes a subject while the denoiser works.
func TestSubjectsDeletedMeanwhile(t *testing.T) {
	mixing := func() *gatewayv1.Generation {
		g := request()
		g.Subjects = []*gatewayv1.GenerationSubject{{Mix: []*gatewayv1.MixPart{
			{Subject: "subjects/bob", Weight: 1}, {Subject: "subjects/ada", Weight: 1},
		}}}
		return g
	}
	for name, test := range map[string]struct {
		request *gatewayv1.Generation
		told    bool
		field   string
	}{
		"the denoising ends":               {naming("subjects/ada"), true, "subjects[0].subject"},
		"the news of it come too late":     {naming("subjects/ada"), false, "subjects[0].subject"},
		"one of two people that are mixed": {mixing(), true, "subjects[0].mix[1].subject"},
	} {
		t.Run(name, func(t *testing.T) {
			p := enrol("subjects/ada", "subjects/bob")
			f := openWith(t, p)
			f.denoise = func(ctx context.Context, req *denoiserv1.DenoiseRequest) (events, error) {
				p.remove("subjects/ada", test.told)
				if test.told {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return made(req), nil
			}
			result, err := f.run(t.Context(), test.request)
			got := fault.From(err)
			if got == nil || got.Reason != faultv1.Reason_REASON_UNKNOWN_SUBJECT || got.Field != test.field || got.Retryable {
				t.Errorf("got %+v", got)
			}
			if len(result.Pictures) != 0 {
				t.Error("pictures of a deleted subject are handed out")
			}
		})
	}
}

func TestCancelBesideEnrolledSubjects(t *testing.T) {
	f := openWith(t, enrol("subjects/ada"))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("nobody wants it")
	f.denoise = func(ctx context.Context, _ *denoiserv1.DenoiseRequest) (events, error) {
		cancel(why)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if _, err := f.run(ctx, naming("subjects/ada")); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestUnknownSubjects(t *testing.T) {
	f := openWith(t, enrol("subjects/ada"))
	_, err := f.run(t.Context(), naming("subjects/eve"))
	if f := fault.From(err); f == nil || f.Reason != faultv1.Reason_REASON_UNKNOWN_SUBJECT || f.Field != "subjects[0].subject" {
		t.Errorf("got %+v", f)
	}
}
