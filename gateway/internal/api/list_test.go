package api_test

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func as(ctx context.Context, tenant string) context.Context {
	return jobqueue.WithCall(ctx, jobqueue.Call{Tenant: tenant})
}

func (h *harness) labelled(ctx context.Context, t *testing.T, team string) *gatewayv1.Generation {
	t.Helper()
	g := request(t)
	g.Labels = map[string]string{"team": team}
	return h.create(ctx, t, &gatewayv1.CreateGenerationRequest{Generation: g})
}

func TestListsAreFiltered(t *testing.T) {
	h := open(t)
	blue, red := h.labelled(t.Context(), t, "blue"), h.labelled(t.Context(), t, "red")
	if _, err := h.service.CancelGeneration(t.Context(), &gatewayv1.CancelGenerationRequest{Name: red.GetName()}); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]string{
		"":                                     {red.GetName(), blue.GetName()},
		`labels.team = "blue"`:                 {blue.GetName()},
		`state = STATE_CANCELLED`:              {red.GetName()},
		`NOT state = STATE_QUEUED`:             {red.GetName()},
		`create_time > "2999-01-01T00:00:00Z"`: nil,
	} {
		got, err := h.service.ListGenerations(t.Context(), &gatewayv1.ListGenerationsRequest{Filter: text})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, g := range got.GetGenerations() {
			names = append(names, g.GetName())
		}
		if !slices.Equal(names, want) {
			t.Errorf("%q lists %v, want %v", text, names, want)
		}
	}
	_, err := h.service.ListGenerations(t.Context(), &gatewayv1.ListGenerationsRequest{Filter: "team = blue"})
	if f := fault.From(err); f == nil || f.Field != "filter" {
		t.Errorf("a bad filter got %v", err)
	}
}

// Pages go on after one another, whatever is deleted in between.
func TestPagesLeaveOutWhatWasDeleted(t *testing.T) {
	h := open(t)
	var want []string
	for i := range 7 {
		g := h.labelled(t.Context(), t, "blue")
		if i%3 != 1 {
			want = append(want, g.GetName())
			continue
		}
		if _, err := h.service.CancelGeneration(t.Context(), &gatewayv1.CancelGenerationRequest{Name: g.GetName()}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.service.DeleteGeneration(t.Context(), &gatewayv1.DeleteGenerationRequest{Name: g.GetName()}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(want)
	var got []string
	for token := ""; ; {
		page, err := h.service.ListGenerations(t.Context(), &gatewayv1.ListGenerationsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.GetGenerations() {
			got = append(got, g.GetName())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A record that was changed by hand is left out of lists, and spoils none.
func TestListsLeaveOutWhatWasChangedByHand(t *testing.T) {
	h := open(t)
	whole, spoilt := h.labelled(t.Context(), t, "blue"), h.labelled(t.Context(), t, "blue")
	id, _ := record.ParseName(spoilt.GetName())
	key := jobqueue.RecordKey{Tenant: "default", ID: id}
	h.spoil(t, key)
	for _, filter := range []string{"", `labels.team = "blue"`} {
		got, err := h.service.ListGenerations(t.Context(), &gatewayv1.ListGenerationsRequest{Filter: filter})
		if err != nil || len(got.GetGenerations()) != 1 || got.GetGenerations()[0].GetName() != whole.GetName() {
			t.Errorf("%q lists %v, %v", filter, got.GetGenerations(), err)
		}
	}
}

// spoil puts a record into the bucket whose value nobody has sealed.
func (h *harness) spoil(t *testing.T, key jobqueue.RecordKey) {
	t.Helper()
	data, err := proto.Marshal(&jobqueuev1.Record{Tenant: key.Tenant, Value: []byte("what nobody has sealed")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.nc.RequestWithContext(t.Context(), "$KV.records."+key.Tenant+"."+key.ID, data); err != nil {
		t.Fatal(err)
	}
}

// A token is good for the list that it is of, and for no other.
func TestPageTokensAreBoundToTheirList(t *testing.T) {
	h := open(t)
	for _, tenant := range []string{"ada", "bob"} {
		for range 3 {
			h.labelled(as(t.Context(), tenant), t, "blue")
		}
	}
	const filter = `labels.team = "blue"`
	list := func(tenant, filter, token string) (*gatewayv1.ListGenerationsResponse, error) {
		return h.service.ListGenerations(as(t.Context(), tenant), &gatewayv1.ListGenerationsRequest{PageSize: 1, Filter: filter, PageToken: token})
	}
	seen := map[string]bool{}
	var tokens []string
	for token := ""; ; {
		page, err := list("ada", filter, token)
		if err != nil {
			t.Fatal(err)
		}
		seen[page.GetGenerations()[0].GetName()] = true
		if token = page.GetNextPageToken(); token == "" {
			break
		}
		tokens = append(tokens, token)
	}
	if len(seen) != 3 || len(tokens) != 2 {
		t.Errorf("%d generations on %d further pages", len(seen), len(tokens))
	}
	data, err := base64.RawURLEncoding.DecodeString(tokens[0])
	if err != nil {
		t.Fatal(err)
	}
	data[20] ^= 1
	for name, ask := range map[string][3]string{
		"another tenant": {"bob", filter, tokens[0]},
		"another filter": {"ada", "", tokens[0]},
		"changed":        {"ada", filter, base64.RawURLEncoding.EncodeToString(data)},
		"cut off":        {"ada", filter, tokens[0][:20]},
		"no base64":      {"ada", filter, "!"},
		"made up":        {"ada", filter, strings.Repeat("A", len(tokens[0]))},
	} {
		_, err := list(ask[0], ask[1], ask[2])
		if f := fault.From(err); f == nil || f.Reason != faultv1.Reason_REASON_INVALID_FIELD || f.Field != "page_token" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestGetWaitsForTheEnd(t *testing.T) {
	h := open(t)
	g := h.labelled(t.Context(), t, "blue")
	get := func(ctx context.Context, wait time.Duration) (*gatewayv1.Generation, error) {
		return h.service.GetGeneration(ctx, &gatewayv1.GetGenerationRequest{Name: g.GetName(), Wait: durationpb.New(wait)})
	}
	for _, wait := range []time.Duration{-time.Second, 61 * time.Second} {
		if _, err := get(t.Context(), wait); fault.From(err) == nil || fault.From(err).Field != "wait" {
			t.Errorf("a wait of %v got %v", wait, err)
		}
	}
	if got, err := get(t.Context(), time.Millisecond); err != nil || got.GetState() != gatewayv1.State_STATE_QUEUED {
		t.Errorf("a wait that is over got %v, %v", got.GetState(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := get(ctx, time.Minute); !fault.Is(err, faultv1.Reason_REASON_CANCELLED) {
		t.Errorf("a caller that left got %v", err)
	}
	ended := make(chan *gatewayv1.Generation, 1)
	go func() {
		got, err := get(t.Context(), time.Minute)
		if err != nil {
			t.Error(err)
		}
		ended <- got
	}()
	if _, err := h.service.CancelGeneration(t.Context(), &gatewayv1.CancelGenerationRequest{Name: g.GetName()}); err != nil {
		t.Fatal(err)
	}
	if got := <-ended; got.GetState() != gatewayv1.State_STATE_CANCELLED {
		t.Errorf("waited for %v", got.GetState())
	}
}
