package embedded

import (
	"fmt"
	"log/slog"
)

// logger passes the server's warnings and errors on; its notices, which say
// what it does at start and stop, are for debugging.
type logger struct{ to *slog.Logger }

func (l logger) Noticef(format string, v ...any) {
	l.to.Debug("nats", "notice", fmt.Sprintf(format, v...))
}
func (l logger) Warnf(format string, v ...any) {
	l.to.Warn("nats", "warning", fmt.Sprintf(format, v...))
}
func (l logger) Fatalf(format string, v ...any) {
	l.to.Error("nats", "fatal", fmt.Sprintf(format, v...))
}
func (l logger) Errorf(format string, v ...any) {
	l.to.Error("nats", "error", fmt.Sprintf(format, v...))
}
func (l logger) Debugf(string, ...any) {}
func (l logger) Tracef(string, ...any) {}
