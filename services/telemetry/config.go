package telemetry

import (
	"log/slog"
	"net"
	"net/url"
	"slices"

	"github.com/facestudio/facestudio/services/config"
)

// Config is what an operator sets about logs, traces and metrics.
type Config struct {
	// LogLevel is the least level that is logged: debug, info, warn or error.
	LogLevel string
	// LogFormat is text or json.
	LogFormat string
	// MetricsListen is the address on which /metrics answers Prometheus, for
	// example "127.0.0.1:9464". Empty: no metrics.
	MetricsListen string
	// OTLPEndpoint is the URL that takes traces by OTLP over gRPC, for example
	// "http://127.0.0.1:4317". Empty: no traces.
	OTLPEndpoint string
	// TraceRatio is the share of new traces that are kept, 0..1.
	TraceRatio float64
}

// Register implements config.Section.
func (c *Config) Register(s *config.Set) {
	s.String(&c.LogLevel, "log-level", "info", "least level to log: debug, info, warn, error")
	s.String(&c.LogFormat, "log-format", "text", "format of log lines: text, json")
	s.String(&c.MetricsListen, "metrics-listen", "", "address of /metrics for Prometheus, for example 127.0.0.1:9464; empty is off")
	s.String(&c.OTLPEndpoint, "otlp-endpoint", "", "URL that takes traces by OTLP over gRPC, for example http://127.0.0.1:4317; empty is off")
	s.Float(&c.TraceRatio, "trace-ratio", 1, "share of new traces to keep, 0..1")
}

// Validate implements config.Section.
func (c *Config) Validate(p *config.Problems) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		p.Add("log-level", "%q is no level: use debug, info, warn or error", c.LogLevel)
	}
	p.Check(slices.Contains([]string{"text", "json"}, c.LogFormat),
		"log-format", "%q is no format: use text or json", c.LogFormat)
	if c.MetricsListen != "" {
		_, _, err := net.SplitHostPort(c.MetricsListen)
		p.Check(err == nil, "metrics-listen", "%q is no address: use host:port, for example 127.0.0.1:9464", c.MetricsListen)
	}
	if c.OTLPEndpoint != "" {
		u, err := url.Parse(c.OTLPEndpoint)
		p.Check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"),
			"otlp-endpoint", "%q is no URL: use http://host:4317, or https:// for TLS", config.RedactURL(c.OTLPEndpoint))
	}
	p.Check(c.TraceRatio >= 0 && c.TraceRatio <= 1, "trace-ratio", "%v is outside 0..1", c.TraceRatio)
}
