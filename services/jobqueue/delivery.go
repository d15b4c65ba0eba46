package jobqueue

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// delivery is a message as a slot got it from its consumer.
type delivery struct{ *nats.Msg }

// confirmAck acknowledges and waits for the server to say that it knows.
func (d delivery) confirmAck(ctx context.Context) error {
	ctx, release := bounded(ctx)
	defer release()
	if err := d.AckSync(nats.Context(ctx)); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}

// ack acknowledges.
func (d delivery) ack() error {
	if err := d.Ack(); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}

// giveUp takes the message out of the queue; the server's advisory tells the reason.
func (d delivery) giveUp(reason string) error {
	if err := d.Respond([]byte("+TERM " + reason)); err != nil {
		return fmt.Errorf("take a message out of the queue: %w", err)
	}
	return nil
}
