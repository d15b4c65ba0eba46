package gateway_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// turn is how many generations are created, and got, in each turn.
const turn = 25

// BenchmarkBeside is what creating and getting a generation takes for one tenant,
// alone and beside another one that is a nuisance in a process of its own, by turns
// in one gateway. An iteration is a turn of each.
func BenchmarkBeside(b *testing.B) {
	for _, nuisance := range nuisances {
		b.Run(nuisance.name, func(b *testing.B) {
			m := newMesh(b)
			conn, address, _ := m.limited("defaults: {in-flight: 0}\ntenants:\n  flood: {running: 1, watches: 0}\n  often: {requests-per-second: 20}\n")
			client := gatewayv1.NewGenerationServiceClient(conn)
			var name string
			// The first keeps the second waiting, to which nothing happens.
			for range 2 {
				g, err := client.CreateGeneration(of(b.Context(), "flood"), m.request())
				if err != nil {
					b.Fatal(err)
				}
				name = g.GetName()
			}
			var alone, beside spent
			for b.Loop() {
				alone.take(b, m, conn)
				stop := startNuisance(b, nuisance.name, address, name, m.request())
				beside.take(b, m, conn)
				stop()
			}
			for what, of := range map[string]func(*spent) []time.Duration{
				"create": func(s *spent) []time.Duration { return s.create },
				"get":    func(s *spent) []time.Duration { return s.get },
			} {
				b.ReportMetric(p95(of(&alone)), what+"-p95-ms-alone")
				b.ReportMetric(p95(of(&beside)), what+"-p95-ms-beside")
				b.ReportMetric(p95(of(&beside))/p95(of(&alone)), what+"-p95-ratio")
			}
		})
	}
}

// spent is what the calls of a tenant took.
type spent struct{ create, get []time.Duration }

func (s *spent) take(b *testing.B, m *mesh, conn *grpc.ClientConn) {
	b.Helper()
	client, ctx := gatewayv1.NewGenerationServiceClient(conn), of(b.Context(), "ada")
	for range turn {
		begun := time.Now()
		g, err := client.CreateGeneration(ctx, m.request())
		if err != nil {
			b.Fatal(err)
		}
		s.create = append(s.create, time.Since(begun))
		begun = time.Now()
		if _, err := client.GetGeneration(ctx, &gatewayv1.GetGenerationRequest{Name: g.GetName()}); err != nil {
			b.Fatal(err)
		}
		s.get = append(s.get, time.Since(begun))
		if _, err := client.CancelGeneration(ctx, &gatewayv1.CancelGenerationRequest{Name: g.GetName()}); err != nil {
			b.Fatal(err)
		}
	}
}

// p95 is in milliseconds.
func p95(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)*95/100].Microseconds()) / 1000
}
