package jobqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Forget drops the recorded result of a call that the caller, whose Call is in
// the context, has made, for what should not be kept longer than it is needed:
// its bytes are overwritten in the stream's files. An equal call is then
// computed anew. That nothing is recorded is no error.
func (c *Conn) Forget(ctx context.Context, method string, args any) error {
	r, err := lookupRule(method)
	if err != nil {
		return status.Errorf(codes.Unimplemented, "forget a call: %v", err)
	}
	ctx, release := bounded(ctx)
	defer release()
	w, err := c.prepare(ctx, r, args)
	if err != nil {
		return err
	}
	result, err := c.q.lookup(ctx, w.address)
	if err != nil || result == nil {
		return err
	}
	stream, err := c.q.js.Stream(ctx, "KV_"+resultsName)
	if err == nil {
		err = stream.SecureDeleteMsg(ctx, result.revision)
	}
	if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) || isAPI(err, errNoMessage) {
		return nil
	}
	return fmt.Errorf("forget a call: %w", storeError(ctx, err))
}
