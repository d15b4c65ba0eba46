package jobqueue

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// apiTimeout bounds one exchange with the server: an answer that was lost with a
// connection never comes, however much time the call has.
const apiTimeout = 3 * time.Second

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, apiTimeout)
}

// ConnectOptions are what a connection for Open should have: it never gives up,
// comes back quickly, and notices within seconds that its server is gone. name
// is what operators see, for example "gateway".
func ConnectOptions(name string, log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection to nats lost", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("nats", "error", err)
		}),
	}
}
