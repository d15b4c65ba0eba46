package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit/ports"
)

// churnDuration is the environment variable of TestChurn.
const churnDuration = "CHURN_DURATION"

// calm is how far above its start the number of goroutines may be in the end:
// pools of connections and of the blob store come and go.
const calm = 40

// Clients connect, create, watch, leave in the middle, cancel and disconnect. What
// the mesh has then is what it had before.
func TestChurn(t *testing.T) {
	t.Parallel()
	duration := 15 * time.Second
	if text := os.Getenv(churnDuration); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", churnDuration, err)
		}
	}
	t.Run("one process", func(t *testing.T) {
		t.Parallel()
		metrics := ports.Address(t)
		up := launch(t, "facestudio", append(upArgs(t, t.TempDir()), "--metrics-listen", metrics)...)
		churn(t, up.listen, duration, []*visited{{process: up, metrics: metrics}})
	})
	t.Run("a process each", func(t *testing.T) {
		t.Parallel()
		told := map[string]string{}
		mesh := inSeparateProcesses(t, func(s *separate) {
			s.more = func(name string) []string {
				told[name] = ports.Address(t)
				return []string{"--metrics-listen", told[name]}
			}
		})
		all := []*visited{{process: mesh.nats}}
		for _, name := range programs {
			all = append(all, &visited{process: mesh.parts[name], metrics: told[name]})
		}
		churn(t, mesh.parts["gateway"].listen, duration, all)
	})
}

// visited is a process that is looked at while clients come and go.
type visited struct {
	*process
	// metrics is the address of its metrics; the NATS server has none.
	metrics            string
	memory, goroutines line
}

// look adds what the process has now, after hours.
func (v *visited) look(t *testing.T, hours float64) {
	t.Helper()
	if v.metrics == "" {
		if resident, ok := residentMiB(v.cmd.Process.Pid); ok {
			v.memory.add(hours, resident)
		}
		return
	}
	told := scrape(t, v.metrics)
	v.memory.add(hours, gauge(t, told, "process_resident_memory_bytes")/(1<<20))
	v.goroutines.add(hours, gauge(t, told, "go_goroutine_count"))
}

// residentMiB is what a process has resident; not ok where the system does not
// tell it as Linux does.
func residentMiB(pid int) (float64, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()) / (1 << 20), err == nil
}

// churn has clients come and go at an address, looks at the processes meanwhile,
// and wants their goroutines back in the end.
func churn(t *testing.T, address string, duration time.Duration, all []*visited) {
	t.Helper()
	draw := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // to be repeated
	var lives atomic.Int64
	until := func(end time.Time, visit func()) {
		for time.Now().Before(end) {
			var clients sync.WaitGroup
			for range 4 {
				stay, cancels := time.Duration(draw.Int64N(int64(600*time.Millisecond))), draw.IntN(3) == 0
				n := uint64(lives.Add(1))
				clients.Go(func() { comeAndGo(t, address, n, stay, cancels) })
			}
			clients.Wait()
			visit()
		}
	}
	// What is made once and kept is there after the first.
	until(time.Now().Add(duration/5), func() {})
	begun := time.Now()
	look := func() {
		for _, v := range all {
			v.look(t, time.Since(begun).Hours())
		}
	}
	look()
	until(begun.Add(duration), look)
	t.Logf("%d clients came and went in %v", lives.Load(), duration)
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	for _, v := range all {
		if v.metrics == "" {
			t.Logf("%s: memory %.1f MiB, slope %+.2f MiB in 10 min", v.name, v.memory.last, v.memory.slope()/6)
			continue
		}
		before := v.goroutines.first
		for after := before + calm + 1; after > before+calm; breathe(ctx) {
			if after = gauge(t, scrape(t, v.metrics), "go_goroutine_count"); ctx.Err() != nil {
				t.Fatalf("%s: %v goroutines are left of %v", v.name, after, before)
			}
		}
		t.Logf("%s: memory %.1f MiB, slope %+.2f MiB in 10 min; goroutines %v, slope %+.2f in 10 min",
			v.name, v.memory.last, v.memory.slope()/6, v.goroutines.last, v.goroutines.slope()/6)
	}
}

// comeAndGo is one client: it watches twice, leaves one of the watches and perhaps
// the generation, and hangs up.
func comeAndGo(t *testing.T, address string, number uint64, stay time.Duration, cancels bool) {
	t.Helper()
	conn, err := rpc.Dial(address, rpc.DialSettings{})
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	client := gatewayv1.NewGenerationServiceClient(conn)
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	created, err := client.CreateGeneration(ctx, &gatewayv1.CreateGenerationRequest{Generation: numbered(t, number)})
	if err != nil {
		t.Errorf("create: %v", err)
		return
	}
	leaving, leave := context.WithTimeout(ctx, stay)
	defer leave()
	if stream, err := client.WatchGeneration(leaving, &gatewayv1.WatchGenerationRequest{Name: created.GetName()}); err == nil {
		for err == nil {
			_, err = stream.Recv()
		}
	}
	if cancels {
		if _, err := client.CancelGeneration(ctx, &gatewayv1.CancelGenerationRequest{Name: created.GetName()}); err != nil {
			t.Errorf("cancel: %v", err)
		}
	}
	stream, err := client.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: created.GetName()})
	for err == nil {
		_, err = stream.Recv()
	}
	if ctx.Err() != nil {
		t.Errorf("%s does not end", created.GetName())
	}
}

// gauge reads a metric without labels, or the first with some.
func gauge(t *testing.T, text, name string) float64 {
	t.Helper()
	for row := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(row, name); ok && (rest[0] == ' ' || rest[0] == '{') {
			fields := strings.Fields(rest)
			if v, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil {
				return v
			}
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// line is a straight line through points, by least squares.
type line struct {
	n, x, y, xx, xy float64
	first, last     float64
}

func (l *line) add(x, y float64) {
	if l.n == 0 {
		l.first = y
	}
	l.last = y
	l.n++
	l.x, l.y, l.xx, l.xy = l.x+x, l.y+y, l.xx+x*x, l.xy+x*y
}

func (l *line) slope() float64 { return (l.n*l.xy - l.x*l.y) / (l.n*l.xx - l.x*l.x) }
