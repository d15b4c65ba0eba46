package tenant

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// every is how often the file is looked at. It is read, not watched: in a mounted
// volume the file that changes is a link to a folder that is replaced.
const every = 2 * time.Second

const scope = "github.com/facestudio/facestudio/gateway"

// Settings says where limits are from.
type Settings struct {
	// Path of the tenants file. Empty: every tenant has Default.
	Path string
	// Log gets changes of the file, and what is wrong with it.
	Log *slog.Logger
	// Meter makes the metrics of the last reading.
	Meter metric.MeterProvider
}

// Source is the limits as they are at the moment. It may be used by many
// goroutines.
type Source struct {
	set     Settings
	current atomic.Pointer[File]
	// last is what was read last, whether it was good or not.
	last []byte
	// loaded is when the file in use was read, seconds since 1970; good says
	// whether what is there now is in use.
	loaded atomic.Int64
	good   atomic.Bool
}

// Open reads the file. The error is a *config.InvalidError.
func Open(s Settings) (*Source, error) {
	source := &Source{set: s}
	source.current.Store(&File{defaults: Default()})
	if s.Path == "" {
		return source, nil
	}
	data, err := load(s.Path)
	if err != nil {
		return nil, err
	}
	file, err := parse(data)
	if err != nil {
		return nil, err
	}
	source.last = data
	source.use(file)
	return source, source.measure()
}

// Of is what a tenant may do at the moment.
func (s *Source) Of(tenant string) Limits { return s.current.Load().Of(tenant) }

func (s *Source) use(f *File) {
	s.current.Store(f)
	s.loaded.Store(time.Now().Unix())
	s.good.Store(true)
}

func (s *Source) measure() error {
	meter := s.set.Meter.Meter(scope)
	_, err := meter.Int64ObservableGauge("facestudio.tenants.reload.time", metric.WithUnit("s"),
		metric.WithDescription("When the tenants file in use was read, seconds since 1970."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(s.loaded.Load())
			return nil
		}))
	if err != nil {
		return fmt.Errorf("make metric: %w", err)
	}
	_, err = meter.Int64ObservableGauge("facestudio.tenants.reload.success",
		metric.WithDescription("1 when the tenants file as it is now is in use, 0 when it is wrong and an older one is."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if s.good.Load() {
				o.Observe(1)
			} else {
				o.Observe(0)
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("make metric: %w", err)
	}
	return nil
}

// Run reads the file when it has changed, soon after that or when asked to at
// once, until ctx ends. A file that is wrong is told in the log, and the one
// before it stays in use.
func (s *Source) Run(ctx context.Context, asked <-chan os.Signal) {
	if s.set.Path == "" {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-asked:
		}
		s.reload(ctx)
	}
}

func (s *Source) reload(ctx context.Context) {
	data, err := load(s.set.Path)
	if err == nil && s.last != nil && bytes.Equal(data, s.last) {
		return
	}
	if err != nil && s.last == nil && !s.good.Load() {
		return // it was told that there is none
	}
	s.last = data
	var file *File
	if err == nil {
		file, err = parse(data)
	}
	if err != nil {
		s.good.Store(false)
		s.set.Log.ErrorContext(ctx, "tenants file is wrong, the one before it stays in use", slog.Any("error", err))
		return
	}
	s.use(file)
	s.set.Log.InfoContext(ctx, "tenants file is in use", slog.String("content", file.String()))
}
