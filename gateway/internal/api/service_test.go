package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/facestudio/facestudio/gateway/internal/record"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestCreateFillsInWhatWasLeftOut(t *testing.T) {
	h := open(t)
	asked := request(t)
	asked.State, asked.Bundle, asked.Name = gatewayv1.State_STATE_SUCCEEDED, "mine", "generations/mine"
	before := proto.CloneOf(asked)
	g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: asked})
	if !proto.Equal(asked, before) {
		t.Error("the request was changed")
	}
	if _, ok := record.ParseName(g.GetName()); !ok || g.GetBundle() != served || g.GetState() != gatewayv1.State_STATE_QUEUED {
		t.Errorf("outputs are %q, %q, %v", g.GetName(), g.GetBundle(), g.GetState())
	}
	if g.GetAlpha() != 0.5 || g.GetSteps() != 25 || g.GetGuidanceScale() != 3 || g.GetPictureCount() != 1 ||
		g.GetWidth() != 128 || g.GetHeight() != 128 || g.GetTimeout().AsDuration() != 10*time.Minute ||
		g.GetBackground() != denoiserv1.Background_BACKGROUND_RANDOM_IDENTITY || g.Seed == nil || g.GetCreateTime() == nil {
		t.Errorf("defaults are %v", g)
	}
	for field, p := range map[string]*mediav1.Picture{"photo": g.GetSubjects()[0].GetPhotos()[0], "style": g.GetStyle()} {
		if data, err := h.blobs.Get(t.Context(), "default", p.GetBlob()); err != nil || len(data) == 0 {
			t.Errorf("%s is not stored: %v", field, err)
		}
		if p.GetBlob().GetMediaType() != "image/jpeg" {
			t.Errorf("%s is %q", field, p.GetBlob().GetMediaType())
		}
	}
	got, err := h.service.GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{Name: g.GetName()})
	if err != nil || !proto.Equal(got, g) {
		t.Errorf("stored %v, %v", got, err)
	}
	other := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	if other.GetName() == g.GetName() || other.GetSeed() == g.GetSeed() {
		t.Errorf("two have name %s or seed %d", g.GetName(), g.GetSeed())
	}
}

func TestAlphaFollowsFromWhatIsGiven(t *testing.T) {
	h := open(t)
	for name, test := range map[string]struct {
		change func(*gatewayv1.Generation)
		want   float32
	}{
		"style":      {func(g *gatewayv1.Generation) { g.Prompt = "" }, 1},
		"prompt":     {func(g *gatewayv1.Generation) { g.Style = nil }, 0},
		"both":       {func(*gatewayv1.Generation) {}, 0.5},
		"both, said": {func(g *gatewayv1.Generation) { g.Alpha = new(float32(0.25)) }, 0.25},
	} {
		t.Run(name, func(t *testing.T) {
			asked := request(t)
			test.change(asked)
			g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: asked})
			if g.Alpha == nil || g.GetAlpha() != test.want {
				t.Errorf("alpha is %v, want %v", g.GetAlpha(), test.want)
			}
		})
	}
}

func TestRepeatedRequestsGetTheFirstGeneration(t *testing.T) {
	const id = "6f1ed1f5-0c4e-4b0b-9d4c-0a4c9d8e7f60"
	h := open(t)
	ask := func() *gatewayv1.CreateGenerationRequest {
		return &gatewayv1.CreateGenerationRequest{Generation: request(t), RequestId: id}
	}
	first := h.create(t.Context(), t, ask())
	if again := h.create(t.Context(), t, ask()); !proto.Equal(first, again) {
		t.Errorf("got %v, want %v", again, first)
	}
	told := ask()
	told.Generation.Seed, told.Generation.Steps = new(first.GetSeed()), new(int32(25))
	if again := h.create(t.Context(), t, told); again.GetName() != first.GetName() {
		t.Error("the defaults, said aloud, are taken for another request")
	}
	other := ask()
	other.Generation.Prompt = "frowning"
	if _, err := h.service.CreateGeneration(t.Context(), other); !fault.Is(err, faultv1.Reason_REASON_REQUEST_ID_REUSED) {
		t.Errorf("another request got %v", err)
	}
	another := ask()
	another.Generation.Subjects[0].Photos[0] = another.GetGeneration().GetStyle()
	if _, err := h.service.CreateGeneration(t.Context(), another); !fault.Is(err, faultv1.Reason_REASON_REQUEST_ID_REUSED) {
		t.Errorf("another photo got %v", err)
	}
	elsewhere := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "other"})
	if g := h.create(elsewhere, t, ask()); g.GetName() == first.GetName() {
		t.Error("tenants share a request id")
	}
}

func TestRepeatedRequestsAtOnceMakeOneGeneration(t *testing.T) {
	h := open(t)
	const callers = 8
	requests := make([]*gatewayv1.CreateGenerationRequest, callers)
	for i := range requests {
		requests[i] = &gatewayv1.CreateGenerationRequest{Generation: request(t), RequestId: "6f1ed1f5-0c4e-4b0b-9d4c-0a4c9d8e7f60"}
	}
	// The counter of puts is not for concurrent use.
	service := h.serve(h.blobs.Store)
	names := make(chan string, callers)
	for _, req := range requests {
		go func() {
			g, err := service.CreateGeneration(context.Background(), req)
			if err != nil {
				names <- err.Error()
				return
			}
			names <- g.GetName()
		}()
	}
	first := <-names
	for range callers - 1 {
		if name := <-names; name != first || !strings.HasPrefix(name, "generations/") {
			t.Errorf("got %q and %q", first, name)
		}
	}
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	h := open(t)
	g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	other := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "other"})
	_, get := h.service.GetGeneration(other, &gatewayv1.GetGenerationRequest{Name: g.GetName()})
	_, cancel := h.service.CancelGeneration(other, &gatewayv1.CancelGenerationRequest{Name: g.GetName()})
	_, picture := h.service.GetPicture(other, &gatewayv1.GetPictureRequest{Name: g.GetName() + "/pictures/0"})
	watch := h.service.WatchGeneration(&gatewayv1.WatchGenerationRequest{Name: g.GetName()}, &watcher{ctx: other})
	for method, err := range map[string]error{"get": get, "cancel": cancel, "picture": picture, "watch": watch} {
		if !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_GENERATION) {
			t.Errorf("%s got %v", method, err)
		}
	}
	stolen := request(t)
	stolen.Style = g.GetStyle()
	if _, err := h.service.CreateGeneration(other, &gatewayv1.CreateGenerationRequest{Generation: stolen}); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		t.Errorf("another tenant's picture by digest got %v", err)
	}
	list, err := h.service.ListGenerations(other, &gatewayv1.ListGenerationsRequest{})
	if err != nil || len(list.GetGenerations()) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
	for name, call := range map[string]jobqueue.Call{"tenant": {Tenant: "a/b"}, "class": {Class: "urgent"}} {
		_, err := h.service.ListGenerations(jobqueue.WithCall(t.Context(), call), &gatewayv1.ListGenerationsRequest{})
		if f := fault.From(err); f == nil || f.Field != name {
			t.Errorf("a bad %s got %v", name, err)
		}
	}
}

func TestListPages(t *testing.T) {
	h := open(t)
	var want []string
	for range 5 {
		g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
		want = append([]string{g.GetName()}, want...)
	}
	var got []string
	token := ""
	for {
		page, err := h.service.ListGenerations(t.Context(), &gatewayv1.ListGenerationsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.GetGenerations()) > 2 {
			t.Fatalf("a page has %d", len(page.GetGenerations()))
		}
		for _, g := range page.GetGenerations() {
			got = append(got, g.GetName())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("listed %v, want %v", got, want)
	}
	for field, req := range map[string]*gatewayv1.ListGenerationsRequest{
		"page_size":  {PageSize: 101},
		"page_token": {PageToken: "bm9uc2Vuc2U"},
	} {
		if _, err := h.service.ListGenerations(t.Context(), req); err == nil || fault.From(err).Field != field {
			t.Errorf("a bad %s got %v", field, err)
		}
	}
}

func TestNamesAreChecked(t *testing.T) {
	h := open(t)
	_, get := h.service.GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{Name: "7"})
	_, cancel := h.service.CancelGeneration(t.Context(), &gatewayv1.CancelGenerationRequest{Name: "generations/../x"})
	_, picture := h.service.GetPicture(t.Context(), &gatewayv1.GetPictureRequest{Name: "generations/0123456789abcdefghijklmnop"})
	watch := h.service.WatchGeneration(&gatewayv1.WatchGenerationRequest{}, &watcher{ctx: t.Context()})
	for method, err := range map[string]error{"get": get, "cancel": cancel, "picture": picture, "watch": watch} {
		f := fault.From(err)
		if f == nil || f.Kind != fault.Invalid || f.Field != "name" {
			t.Errorf("%s got %v", method, err)
		}
	}
}

func TestPicturesAreRead(t *testing.T) {
	h := open(t)
	g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	name := g.GetName() + "/pictures/0"
	if _, err := h.service.GetPicture(t.Context(), &gatewayv1.GetPictureRequest{Name: name}); fault.From(err).Kind != fault.NotFound {
		t.Errorf("a picture that is not made yet got %v", err)
	}
	stored, err := h.blobs.Put(t.Context(), "default", blob.Week, []byte("picture"), "image/png")
	if err != nil {
		t.Fatal(err)
	}
	h.work(t, func(ctx context.Context, c *jobqueue.Claim) error {
		return finish(ctx, c, func(g *gatewayv1.Generation) {
			record.Succeeded(g, []*gatewayv1.ResultPicture{{Name: name, Blob: stored}}, time.Now())
		})
	})
	if err := h.service.WatchGeneration(&gatewayv1.WatchGenerationRequest{Name: g.GetName()}, &watcher{ctx: t.Context()}); err != nil {
		t.Fatal(err)
	}
	got, err := h.service.GetPicture(t.Context(), &gatewayv1.GetPictureRequest{Name: name})
	if err != nil || string(got.GetData()) != "picture" || got.GetMediaType() != "image/png" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestHeadsAreRefinedWhereAPictureIsNoPortrait(t *testing.T) {
	h := open(t)
	for name, test := range map[string]struct {
		change func(*gatewayv1.Generation)
		want   bool
	}{
		"a portrait":        {func(*gatewayv1.Generation) {}, false},
		"a portrait, asked": {func(g *gatewayv1.Generation) { g.RefineFaces = new(true) }, true},
		"taller":            {func(g *gatewayv1.Generation) { g.Height = new(int32(64)) }, true},
		"taller, unasked":   {func(g *gatewayv1.Generation) { g.Height, g.RefineFaces = new(int32(64)), new(false) }, false},
		"larger":            {func(g *gatewayv1.Generation) { g.Width, g.Height = new(int32(64)), new(int32(64)) }, true},
		"wider":             {func(g *gatewayv1.Generation) { g.Width = new(int32(64)) }, true},
		"from the style":    {func(g *gatewayv1.Generation) { g.Height, g.Strength = new(int32(64)), new(float32(0.5)) }, false},
		"somewhere":         {func(g *gatewayv1.Generation) { g.Subjects[0].At = person(0) }, true},
		"in place":          {func(g *gatewayv1.Generation) { g.InPlace, g.Prompt = true, "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			asked := request(t)
			test.change(asked)
			g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: asked})
			if g.RefineFaces == nil || g.GetRefineFaces() != test.want {
				t.Errorf("refine_faces is %v, want %v", g.RefineFaces, test.want)
			}
		})
	}
}
