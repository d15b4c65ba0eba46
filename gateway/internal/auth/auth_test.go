package auth_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/metadata"

	"github.com/facestudio/facestudio/gateway/internal/auth"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestAdmission(t *testing.T) {
	_, documents := nats(t)
	c := newClock()
	store := auth.NewKeyStore(documents, c.Now, rand.Reader)
	_, key, err := store.Create(t.Context(), &adminv1.Key{Tenant: "acme", Scopes: auth.Names(auth.TenantScopes)})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := auth.NewAdminKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signs := ecSigner(t, "a")
	i := newIssuer(t, signs.public())
	token := signs.sign(t, claims(i.web.URL, c.Now(), nil))
	keys := ring(t, store, c, admin)
	g := auth.NewGuard(keys, verifier(auth.FromIssuer(i.web.URL), i.web.URL, c))

	const (
		ok       = faultv1.Reason_REASON_UNSPECIFIED
		missing  = faultv1.Reason_REASON_CREDENTIALS_MISSING
		bad      = faultv1.Reason_REASON_CREDENTIALS_INVALID
		scope    = faultv1.Reason_REASON_SCOPE_MISSING
		mismatch = faultv1.Reason_REASON_TENANT_MISMATCH
		get      = gatewayv1.GenerationService_GetGeneration_FullMethodName
		create   = gatewayv1.GenerationService_CreateGeneration_FullMethodName
		dead     = adminv1.QueueService_ListDeadLetters_FullMethodName
	)
	tests := []struct {
		name, method string
		headers      []string
		tenant       string
		want         faultv1.Reason
		serves       string
	}{
		{"a key", create, []string{"Bearer " + key}, "", ok, "acme"},
		{"a key, its tenant named", create, []string{"bearer  " + key}, "acme", ok, "acme"},
		{"a key of another tenant", create, []string{"Bearer " + key}, "bob", mismatch, ""},
		{"a token", get, []string{"Bearer " + token}, "", ok, "acme"},
		{"a token of another tenant", get, []string{"Bearer " + token}, "bob", mismatch, ""},
		{"a token without the scope", create, []string{"Bearer " + token}, "", scope, ""},
		{"a tenant's key for an operator's call", dead, []string{"Bearer " + key}, "", scope, ""},
		{"the operator's key", dead, []string{"Bearer " + admin}, "", ok, ""},
		{"the operator's key for a tenant's call", get, []string{"Bearer " + admin}, "", scope, ""},
		{"the operator's key in a tenant's name", dead, []string{"Bearer " + admin}, "acme", mismatch, ""},
		{"a method that is in no table", "/facestudio.gateway.v1.New/Method", []string{"Bearer " + key}, "", scope, ""},
		{"nothing", get, nil, "", missing, ""},
		{"an empty header", get, []string{""}, "", missing, ""},
		{"another scheme", get, []string{"Basic " + key}, "", bad, ""},
		{"no scheme", get, []string{key}, "", bad, ""},
		{"a scheme alone", get, []string{"Bearer "}, "", bad, ""},
		{"two headers", get, []string{"Bearer " + key, "Bearer " + key}, "", bad, ""},
		{"100 KiB", get, []string{"Bearer " + strings.Repeat("x", 100<<10)}, "", bad, ""},
		{"an unknown key", get, []string{"Bearer " + key[:20] + "_" + strings.Repeat("0", 52)}, "", bad, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{auth.Header: test.headers})
			if test.tenant != "" {
				ctx = jobqueue.WithCall(ctx, jobqueue.Call{Tenant: test.tenant, Class: jobqueue.Batch})
			}
			admitted, err := g.Admit(ctx, test.method)
			if test.want != ok {
				refused(t, test.name, err, test.want)
				if err != nil && strings.Contains(fault.From(err).Error(), key) {
					t.Errorf("%v tells the key", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			call, _ := jobqueue.CallFrom(admitted)
			if call.Tenant != test.serves || test.tenant != "" && call.Class != jobqueue.Batch {
				t.Errorf("it is served as %+v", call)
			}
			if who, known := auth.PrincipalFrom(admitted); !known || who.Tenant != test.serves {
				t.Errorf("the caller is %+v", who)
			}
		})
	}
	t.Run("counted", func(t *testing.T) {
		reader := metric.NewManualReader()
		observed, err := auth.Observe(g, metric.NewMeterProvider(metric.WithReader(reader)))
		if err != nil {
			t.Fatal(err)
		}
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(auth.Header, "Bearer "+key))
		if _, err := observed.Admit(ctx, get); err != nil {
			t.Fatal(err)
		}
		_, err = observed.Admit(ctx, dead)
		refused(t, "an operator's call", err, scope)
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		counts := map[string]int64{}
		for _, point := range all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints {
			outcome, _ := point.Attributes.Value("outcome")
			counts[outcome.AsString()] = point.Value
		}
		if len(counts) != 2 || counts["OK"] != 1 || counts["SCOPE_MISSING"] != 1 {
			t.Errorf("counted %v", counts)
		}
	})
	t.Run("tokens where none are taken", func(t *testing.T) {
		ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs(auth.Header, "Bearer "+token))
		_, err := auth.NewGuard(keys, nil).Admit(ctx, get)
		refused(t, "a token", err, bad)
	})
}
